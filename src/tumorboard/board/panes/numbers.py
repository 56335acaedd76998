"""How many of everything."""

from __future__ import annotations

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane:
    cohort = facts.board.cohort
    values = {
        "sizes": {name: table.num_rows for name, table in cohort.tables.items()},
        "lesions": sum(summary.lesions for summary in facts.drawn.values()),
        "drawn": len(facts.drawn),
        "groups": facts.groups,
        "centres": facts.centres,
    }
    return Pane("numbers", "", values)
