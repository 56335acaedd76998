"""What runs foretell of the patient beside the curves and classes that have panes of their own: bare risks."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.board.panes.classes import is_class
from tumorboard.core.tables import EXPERT

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    told = [row for row in patient.outcomes if row["run_id"] != EXPERT]
    rows = [row for row in told if not row["curve_days"] and not is_class(row)]
    return Pane("predicted", "Predicted", {"rows": rows}) if rows else None
