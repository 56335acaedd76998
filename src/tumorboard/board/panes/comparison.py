"""Two runs against each other, patient by patient: where both have a score of the same metric."""

from __future__ import annotations

from typing import Any

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane
from tumorboard.board.scoreboard import metric_of

__all__ = ["pane", "scores_by_metric"]


def scores_by_metric(facts: CohortFacts) -> dict[str, dict[str, dict[str, float]]]:
    """Metric (with its label) -> run -> patient -> value, for scores of single patients."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in facts.board.scores:
        if row.get("subset") in facts.board.names and row["value"] is not None and " minus " not in row["metric"]:
            name = f"{row['metric']} {row.get('label') or ''}".strip()
            found.setdefault(name, {}).setdefault(row["run"], {})[row["subset"]] = row["value"]
    return found


def pane(facts: CohortFacts) -> Pane | None:
    metrics = {name: runs for name, runs in scores_by_metric(facts).items() if len(runs) > 1}
    if not metrics:
        return None
    data: dict[str, Any] = {"metrics": {}, "pages": facts.board.names}
    for name, runs in metrics.items():
        entry = metric_of(name.split()[0])
        data["metrics"][name] = {"runs": runs, "better": entry.better if entry else "none"}
    return Pane("comparison", "Two runs compared", {}, data)
