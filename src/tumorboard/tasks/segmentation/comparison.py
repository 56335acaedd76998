"""Runs side by side: means over patients with intervals, by centre, and the network against each baseline, paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.metrics.intervals import paired_difference
from tumorboard.tasks.result import score_row
from tumorboard.tasks.segmentation.evaluate import evaluate
from tumorboard.tasks.segmentation.subsets import patient_dice

__all__ = ["paired_rows", "scores_of_runs"]

Row = dict[str, Any]
_COMPARED = "dice"


def scores_of_runs(cohort: Cohort, network: str, *, baselines: Sequence[str], seed: int) -> tuple[list[Row], list[Row]]:
    """Score rows of the runs of `cohort`, and the network's rows per exam.

    Scores: those of `evaluate`, and the paired difference of Dice between `network` and each baseline (metric ``dice
    minus <baseline>``: above 0, the network is ahead).
    """
    found = {run: evaluate(cohort, run, seed=seed) for run in (network, *baselines)}
    scores: list[Row] = [row for result in found.values() for row in result.scores]
    dice = {run: patient_dice(result.cases) for run, result in found.items()}
    for baseline in baselines:
        scores += paired_rows(network, baseline, dice, seed=seed)
    return [{key: row[key] for key in _KEYS} for row in scores], found[network].cases


_KEYS = ("run", "task", "metric", "label", "subset", "value", "low", "high", "n")


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


def _row(run: str, metric: str, label: str, subset: str, interval: Mapping[str, Any], n: int) -> Row:
    return score_row(
        run,
        task="segmentation",
        metric=metric,
        label=label,
        subset=subset,
        interval=[interval[key] for key in ("value", "low", "high")],
        n=n,
    )
