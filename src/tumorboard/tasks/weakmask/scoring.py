"""Dice of outlines against experts' masks, by lesion, and the score rows of methods side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.metrics.intervals import bootstrap_mean, paired_difference
from tumorboard.metrics.overlap import dice_of_counts
from tumorboard.tasks.weakmask.marks import Mark
from tumorboard.tasks.weakmask.outline import Outline

__all__ = ["DICE", "KEY_SLICE", "lesion_row", "score_rows"]

DICE, KEY_SLICE = "dice", "dice_key_slice"
TASK = "weakmask"


def lesion_row(run: str, mark: Mark, outline: Outline, truth: NDArray[np.bool_], grid: Geometry) -> dict[str, Any]:
    """Dice of one lesion in 3-D and in the slice of its mark (the stored axis nearest to the body's)."""
    axis = int(np.abs(grid.direction[2]).argmax())
    place = int(np.clip(round(float(grid.to_index(mark.frame.centre[None])[0, axis])), 0, grid.shape[axis] - 1))
    whole = dice_of_counts(
        float(truth.sum()), float(outline.inside.sum()), float((truth[outline.window] & outline.inside).sum())
    )
    here = np.zeros(truth.shape, bool)
    here[outline.window] = outline.inside
    a, b = np.take(truth, place, axis), np.take(here, place, axis)
    flat = dice_of_counts(float(a.sum()), float(b.sum()), float((a & b).sum()))
    ids = {"run": run, "patient_id": mark.patient_id, "finding_id": mark.finding_id, "label": mark.label}
    return {**ids, DICE: whole, KEY_SLICE: flat}


def score_rows(lesions: Sequence[Mapping[str, Any]], *, main: str | None, seed: int) -> list[dict[str, Any]]:
    """Means over patients (a patient's lesions first) with bootstrap intervals, for all lesions and by type, and the
    paired difference of Dice between `main` and every other run (above 0: `main` is ahead)."""
    values: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in lesions:
        for metric in (DICE, KEY_SLICE):
            if row[metric] is not None:
                for label in ("all", row["label"]):
                    values[row["run"], metric, label][row["patient_id"]].append(row[metric])
    means = {key: {p: float(np.mean(v)) for p, v in patients.items()} for key, patients in values.items()}
    scores = []
    for (run, metric, label), patients in means.items():
        interval = bootstrap_mean(list(patients.values()), seed=seed)
        scores.append(_row(run, metric, label, interval._asdict(), len(patients)))
    for (run, metric, label), patients in means.items():
        ours = means.get((main or "", metric, label))
        if run == main or ours is None or metric != DICE:
            continue
        shared = [p for p in ours if p in patients]
        gap = paired_difference([ours[p] for p in shared], [patients[p] for p in shared], seed=seed)
        ahead = {"value": gap.mean, "low": gap.low, "high": gap.high}
        scores.append(_row(main or "", f"{metric} minus {run}", label, ahead, gap.n))
    return scores


def _row(run: str, metric: str, label: str, interval: Mapping[str, Any], n: int) -> dict[str, Any]:
    return {"run": run, "task": TASK, "metric": metric, "label": label, "subset": "all", **interval, "n": n}
