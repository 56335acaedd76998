"""What the data checks found about this patient."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    return Pane("quality", "Data findings", {"findings": patient.checks}) if patient.checks else None
