"""What readers say of this patient: verdicts on findings, drawn masks, and how far two readers agree. Only where a
server can write them down."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    if patient.board.mode != "server" or patient.cohort.root is None:
        return None
    return Pane("corrections", "Corrections", {}, {"page": patient.page})
