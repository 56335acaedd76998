"""What a benchmark gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["TaskResult"]


@dataclass(frozen=True)
class TaskResult:
    """Scores, and the rows that predictions add to the cohort.

    `scores`: dictionaries with run, task, metric, label, subset, value, low, high, n (value None when undefined).
    `rows`: table name -> rows (runs, predicted mask images, findings with measurements, outcomes).
    `notes`: what a reader of the scores must know, in words (variables left out, models that could not be fitted).
    """

    scores: list[dict[str, Any]]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
