"""How each run is told apart on every page: its name, its colour and line, whether it is a baseline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.registry import tasks
from tumorboard.core.tables import EXPERT

__all__ = ["HIDDEN", "RunStyle", "baseline_names", "run_styles"]

HIDDEN = "truth"
"""Kind of the runs that hold what a virtual patient really is."""

COLOURS = 7
"""Line styles of `board.css`, `run-0` (truth) to `run-6`; further runs share the last one."""


@dataclass(frozen=True)
class RunStyle:
    """One run that drew masks. `look` is the number of its CSS class; `shown` whether its outline is on at first."""

    run_id: str
    title: str
    look: int
    is_baseline: bool
    shown: bool


def baseline_names() -> dict[str, frozenset[str]]:
    """Task -> names of its baselines, from the registry."""
    return {name: frozenset(spec.baselines) for name, spec in tasks().items()}


def run_styles(cohort: Cohort) -> list[RunStyle]:
    """Every run with masks: the expert, then models, then baselines, each in the order of the table `runs`.

    The hidden truth of virtual patients (kind ``truth``: organs, true risks) is nobody's reading and not shown.
    """
    drawn = set(cohort.images.column("run_id").to_pylist())
    rows = [row for row in cohort.rows("runs") if row["run_id"] in drawn and row["kind"] != HIDDEN]
    simple = frozenset().union(*baseline_names().values())
    rows.sort(key=lambda row: (row["run_id"] != EXPERT, _is_baseline(row, simple)))
    styles = []
    first_model = True
    for number, row in enumerate(rows):
        run_id = row["run_id"]
        baseline = run_id != EXPERT and _is_baseline(row, simple)
        shown = run_id == EXPERT or (first_model and not baseline)
        first_model = first_model and (run_id == EXPERT or baseline)
        look = 0 if run_id == EXPERT else min(max(number, 1), COLOURS - 1)
        title = "Expert" if run_id == EXPERT else run_id
        styles.append(RunStyle(run_id, title, look, baseline, shown))
    return styles


def pretty_json(text: str | None) -> str:
    """A JSON cell laid out for reading; the text itself when it is not JSON."""
    try:
        return json.dumps(json.loads(text or ""), indent=2, ensure_ascii=False)
    except ValueError:
        return text or ""


def _is_baseline(row: dict[str, Any], simple: frozenset[str]) -> bool:
    return row["kind"] == "baseline" or row["run_id"] in simple
