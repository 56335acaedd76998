"""What a task gives back: scores to read, and rows to add to the cohort."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["TaskResult"]


@dataclass(frozen=True)
class TaskResult:
    """`scores`: dictionaries with run, task, metric, label, subset, value, low, high, n.
    `rows`: table name -> row dictionaries, with the `run_id` of the run they belong to."""

    scores: list[dict[str, Any]]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
