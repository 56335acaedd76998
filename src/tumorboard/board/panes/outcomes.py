"""Outcomes of the cohort and the lesions that were drawn."""

from __future__ import annotations

from tumorboard.board import summary
from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane | None:
    classes = summary.class_counts(facts.board.cohort)
    if not facts.plots and not classes:
        return None
    followed = classes or any(plot.section == "outcomes" for plot in facts.plots)
    return Pane("outcomes", "Outcomes" if followed else "Lesions", {"plots": facts.plots, "classes": classes})
