"""What the data checks found, by code."""

from __future__ import annotations

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane:
    return Pane("checks", "Data checks", {"groups": facts.groups})
