"""What a benchmark and an evaluation give back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tumorboard import __version__

__all__ = ["Evaluation", "Picture", "TaskResult", "run_row", "score_row"]


@dataclass(frozen=True)
class Picture:
    """A figure that a benchmark drew (PNG or SVG below its own folder), for the board: `title` stands above it, `alt`
    says in words what it shows, with its figures; `patient_id` is empty when it shows the cohort."""

    path: Path
    title: str
    alt: str
    patient_id: str = ""


@dataclass(frozen=True)
class TaskResult:
    """Scores, and the rows that predictions add to the cohort.

    `scores`: dictionaries with run, task, metric, label, subset, value, low, high, n (value None when undefined).
    `rows`: table name -> rows (runs, predicted mask images, findings with measurements, outcomes).
    `notes`: what a reader of the scores must know, in words (variables left out, models that could not be fitted).
    `pictures`: figures for the board.
    """

    scores: list[dict[str, Any]]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Evaluation(TaskResult):
    """Scores, the rules they follow, one row per case, metric and label (or the official counts of each case), cases
    without a prediction, and parts of the prediction that answer no case."""

    rules: dict[str, Any] = field(default_factory=dict)
    cases: list[dict[str, Any]] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def score_row(
    run: str,
    *,
    task: str,
    metric: str,
    interval: Sequence[float | None],
    n: int,
    label: str = "",
    subset: str = "all",
) -> dict[str, Any]:
    """A row of scores; `interval` is value, low and high, None where undefined."""
    value, low, high = interval
    return {
        "run": run,
        "task": task,
        "metric": metric,
        "label": label,
        "subset": subset,
        "value": value,
        "low": low,
        "high": high,
        "n": n,
    }


def run_row(
    run_id: str,
    *,
    task: str,
    kind: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of `runs`. `kind` is model, baseline or import."""
    return {
        "run_id": run_id,
        "task": task,
        "kind": kind,
        "config": json.dumps(dict(config), sort_keys=True),
        "code_version": __version__,
        "inputs": json.dumps(dict(inputs), sort_keys=True),
        "metrics": json.dumps(dict(metrics or {}), sort_keys=True),
    }
