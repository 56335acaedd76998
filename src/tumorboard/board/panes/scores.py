"""Runs beside each other, task by task, with intervals and baselines."""

from __future__ import annotations

from dataclasses import dataclass

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane
from tumorboard.board.runs import baseline_names
from tumorboard.board.scoreboard import Ranking, rank_scores
from tumorboard.core.registry import tasks

__all__ = ["pane"]


@dataclass(frozen=True)
class TaskScores:
    """What stands about one task: the rankings to read first, and the others."""

    title: str
    first: list[Ranking]
    further: list[Ranking]


def pane(facts: CohortFacts) -> Pane:
    """Rankings over the cohort by task; those of the task's first metric over everybody come first."""
    rows = [row for row in facts.board.scores if row.get("subset") not in facts.board.names]
    found: dict[str, list[Ranking]] = {}
    for ranking in rank_scores(rows, baselines=baseline_names()):
        found.setdefault(ranking.task, []).append(ranking)
    made = []
    for task, rankings in found.items():
        spec = tasks().get(task)
        leading = spec.metrics[0] if spec and spec.metrics else rankings[0].metric
        first = [r for r in rankings if r.metric == leading and r.subset in ("", "all")] or rankings[:1]
        made.append(TaskScores(spec.title if spec else task, first, [r for r in rankings if r not in first]))
    return Pane("scores", "Scores", {"rankings": made})
