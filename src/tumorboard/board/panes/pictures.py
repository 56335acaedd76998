"""Figures that benchmarks drew of this patient."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    pictures = patient.pictures
    return Pane("pictures", "Figures", {"pictures": pictures}) if pictures else None
