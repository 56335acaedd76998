"""The list of patients, a page at a time; with the script, every filter of the page acts on all of them."""

from __future__ import annotations

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane:
    chunks = facts.chunks
    values = {"rows": chunks[0], "chunk": (1, len(chunks)), "links": facts.links, "empty": facts.empty}
    return Pane("patients", "Patients", values)
