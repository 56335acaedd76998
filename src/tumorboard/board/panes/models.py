"""What the runs foretold, patient by patient, so that the page can work out how good they are on any choice of
patients: risks against what happened, classes against the truth, scores of single patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane
from tumorboard.board.panes.comparison import scores_by_metric
from tumorboard.board.runs import baseline_names
from tumorboard.board.scoreboard import metric_of
from tumorboard.core.tables import EXPERT

__all__ = ["MOST_NUMBERS", "pane"]

MOST_NUMBERS = 400_000
"""Of all runs together; beyond it the page would be too large and the pane is left out."""

_HORIZON_DAYS = (3652.5, 1826.25, 1095.75, 730.5, 365.25, 182.625)
"""Calibration is looked at here: the longest that a fifth of the patients were followed for."""


def pane(facts: CohortFacts) -> Pane | None:
    """Left out when no run foretold anything of at least two patients."""
    board = facts.board
    place = {patient: number for number, patient in enumerate(board.cohort.patient_ids)}
    rows = [row for row in board.cohort.rows("outcomes") if row["run_id"] not in board.hidden]
    stated = [row for row in rows if row["run_id"] == EXPERT]
    told = [row for row in rows if row["run_id"] != EXPERT]
    data: dict[str, Any] = {
        "risks": _risks(told, stated, place),
        "classes": _classes(told, stated, place),
        "scores": _scores(facts, place),
        "baselines": sorted(
            {word for task, names in baseline_names().items() for name in names for word in (name, f"{task}-{name}")}
        ),
    }
    columns = [len(one["runs"]) for part in ("risks", "classes", "scores") for one in data[part].values()]
    if len(place) < 2 or not columns or sum(columns) * len(place) > MOST_NUMBERS:
        return None
    return Pane("models", "Models", {}, data)


def _risks(
    told: Sequence[Mapping[str, Any]], stated: Sequence[Mapping[str, Any]], place: Mapping[str, int]
) -> dict[str, Any]:
    """Endpoint -> horizon and, by run, risks and probabilities to be free of the event at the horizon."""
    found: dict[str, Any] = {}
    for row in told:
        if row["score"] is None or not row["curve_days"]:
            continue
        endpoint = row["endpoint"]
        if endpoint not in found:
            times = [one["survival"]["time_days"] for one in stated if one["endpoint"] == endpoint and one["survival"]]
            if not times:
                continue
            longest = float(np.quantile(times, 0.8))
            days = next((days for days in _HORIZON_DAYS if days <= longest), longest)
            found[endpoint] = {"days": days, "runs": {}}
        column = found[endpoint]["runs"].setdefault(row["run_id"], {"score": [None] * len(place)})
        column.setdefault("alive", [None] * len(place))
        at = place[row["patient_id"]]
        column["score"][at] = round(row["score"], 5)
        before = int(np.searchsorted(row["curve_days"], found[endpoint]["days"], "right"))
        column["alive"][at] = round(row["curve_survival"][before - 1] if before else 1.0, 4)
    return found


def _classes(
    told: Sequence[Mapping[str, Any]], stated: Sequence[Mapping[str, Any]], place: Mapping[str, int]
) -> dict[str, Any]:
    """Endpoint with two classes -> the classes, who has which, and by run the probability of the second one."""
    found: dict[str, Any] = {}
    truth: dict[str, dict[str, str]] = {}
    for row in stated:
        if row["class_value"] is not None:
            truth.setdefault(row["endpoint"], {})[row["patient_id"]] = row["class_value"]
    for endpoint, mine in truth.items():
        names = sorted(set(mine.values()))
        if len(names) != 2:
            continue
        runs: dict[str, list[float | None]] = {}
        for row in told:
            if row["endpoint"] == endpoint and row["probabilities"]:
                share = dict(row["probabilities"]).get(names[1])
                if share is not None:
                    runs.setdefault(row["run_id"], [None] * len(place))[place[row["patient_id"]]] = round(share, 4)
        if runs:
            classes = [None if (value := mine.get(patient)) is None else names.index(value) for patient in place]
            found[endpoint] = {"names": names, "truth": classes, "runs": runs}
    return found


def _scores(facts: CohortFacts, place: Mapping[str, int]) -> dict[str, Any]:
    """Metric -> what is better and, by run, the score of each patient."""
    found: dict[str, Any] = {}
    for name, runs in scores_by_metric(facts).items():
        entry = metric_of(name.split()[0])
        columns = {run: [_short(values.get(patient)) for patient in place] for run, values in runs.items()}
        found[name] = {"better": entry.better if entry else "none", "runs": columns}
    return found


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
