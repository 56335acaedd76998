"""Runs side by side: means over patients with intervals, by centre, and the network against each baseline, paired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.metrics.intervals import bootstrap_mean, paired_difference
from tumorboard.tasks.segmentation.evaluate import evaluate

__all__ = ["by_centre", "paired_rows", "scores_of_runs"]

Row = dict[str, Any]
_COMPARED = "dice"
_SMALLEST_CENTRE = 2


def scores_of_runs(cohort: Cohort, network: str, *, baselines: Sequence[str], seed: int) -> list[Row]:
    """Score rows of the runs of `cohort`: every metric for all patients, Dice per centre, and the paired difference
    of Dice between `network` and each baseline (metric ``dice minus <baseline>``: above 0, the network is ahead)."""
    scores: list[Row] = []
    dice: dict[str, dict[str, dict[str, float | None]]] = {}
    centre_of = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
    for run in (network, *baselines):
        result = evaluate(cohort, run, seed=seed)
        scores += result.scores
        dice[run] = _patient_values(result.cases)
        scores += by_centre(run, dice[run], centre_of, seed=seed)
    for baseline in baselines:
        scores += paired_rows(network, baseline, dice, seed=seed)
    return [{key: row[key] for key in _KEYS} for row in scores]


_KEYS = ("run", "task", "metric", "label", "subset", "value", "low", "high", "n")


def by_centre(
    run: str, dice: Mapping[str, Mapping[str, float | None]], centre_of: Mapping[str, str | None], *, seed: int
) -> list[Row]:
    """Dice of each centre with at least two patients, where there is more than one centre."""
    rows = []
    centres = sorted({centre for centre in centre_of.values() if centre})
    for label, values in dice.items() if len(centres) > 1 else ():
        for centre in centres:
            mine = [value for patient, value in values.items() if centre_of[patient] == centre]
            defined = [value for value in mine if value is not None]
            if len(defined) >= _SMALLEST_CENTRE:
                interval = bootstrap_mean(defined, seed=seed)
                subset = f"centre {centre}"
                rows.append(_row(run, _COMPARED, label, subset, interval._asdict(), len(defined)))
    return rows


def paired_rows(
    network: str, baseline: str, dice: Mapping[str, Mapping[str, Mapping[str, float | None]]], *, seed: int
) -> list[Row]:
    """Mean difference over the patients that have both values, per structure."""
    rows = []
    for label, ours in dice[network].items():
        theirs = dice[baseline].get(label, {})
        patients = [patient for patient in ours if patient in theirs]
        a, b = ([values[patient] for patient in patients] for values in (ours, theirs))
        result = paired_difference(a, b, seed=seed, undefined="omit")
        interval = {"value": result.mean, "low": result.low, "high": result.high}
        rows.append(_row(network, f"{_COMPARED} minus {baseline}", label, "all", interval, result.n))
    return rows


def _patient_values(cases: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Label -> patient -> mean Dice over the patient's exams (None when undefined in all)."""
    collected: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in cases:
        if row["metric"] == _COMPARED:
            collected[row["label"]][row["patient_id"]].append(row["value"])
    return {
        label: {patient: _mean(values) for patient, values in patients.items()} for label, patients in collected.items()
    }


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _row(run: str, metric: str, label: str, subset: str, interval: Mapping[str, Any], n: int) -> Row:
    return {
        "run": run,
        "task": "segmentation",
        "metric": metric,
        "label": label,
        "subset": subset,
        **{key: interval[key] for key in ("value", "low", "high")},
        "n": n,
    }
