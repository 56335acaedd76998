"""What runs foretell of the patient: classes and risks."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    rows = [row for row in patient.outcomes if row["run_id"] != EXPERT]
    return Pane("predicted", "Predicted", {"rows": rows}) if rows else None
