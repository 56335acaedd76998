"""The patients on whom each model did worst: where to look first."""

from __future__ import annotations

from typing import Any

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane
from tumorboard.board.panes.comparison import scores_by_metric
from tumorboard.board.runs import baseline_names
from tumorboard.board.scoreboard import metric_of
from tumorboard.core.registry import tasks

__all__ = ["pane"]

WORST = 8


def pane(facts: CohortFacts) -> Pane | None:
    """Of each task's first metric, for runs that are no baseline."""
    leading = {spec.metrics[0] for spec in tasks().values() if spec.metrics}
    simple = frozenset().union(*baseline_names().values())
    tables: list[dict[str, Any]] = []
    for name, runs in scores_by_metric(facts).items():
        entry = metric_of(name.split()[0])
        if entry is None or entry.better not in ("higher", "lower") or name.split()[0] not in leading:
            continue
        for run, values in runs.items():
            if run in simple:
                continue
            ordered = sorted(values.items(), key=lambda one: one[1], reverse=entry.better == "lower")[:WORST]
            rows = [(patient, facts.board.names[patient], value) for patient, value in ordered]
            tables.append({"run": run, "metric": name, "rows": rows, "n": len(values)})
    return Pane("worst", "Worst cases", {"tables": tables}) if tables else None
