"""Runs, and how the cohort came to be."""

from __future__ import annotations

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane:
    return Pane(
        "history",
        "Where it comes from",
        {"runs": list(facts.board.runs.values()), "provenance": facts.board.cohort.provenance},
    )
