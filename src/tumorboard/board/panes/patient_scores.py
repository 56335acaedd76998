"""How the runs did on this patient."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.board.runs import baseline_names
from tumorboard.board.scoreboard import rank_scores

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    if not patient.scores:
        return None
    rankings = rank_scores(patient.scores, baselines=baseline_names())
    return Pane("patient_scores", "Scores of this patient", {"rankings": rankings})
