"""Patients by centre, and what is known of them."""

from __future__ import annotations

from tumorboard.board import summary
from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane:
    known = summary.known_by_centre(facts.board.cohort)
    return Pane("who", "Who is here", {"centres": facts.centres, "known": known})
