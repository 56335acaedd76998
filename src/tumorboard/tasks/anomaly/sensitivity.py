"""Which inserted lesions are seen: sensitivity by size and contrast, in normal tissue of patients left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.intervals import bootstrap_mean
from tumorboard.tasks.anomaly.exam import Exam
from tumorboard.tasks.anomaly.folds import Fold, all_maps
from tumorboard.tasks.anomaly.insertion import insert_ball, places
from tumorboard.tasks.anomaly.maps import BINARY, ELLIPSOID
from tumorboard.tasks.anomaly.normal import normal_slices

__all__ = ["CONTRASTS", "DIAMETERS_MM", "Seen", "insert_and_look", "sensitivity_rows"]

DIAMETERS_MM = (8.0, 12.0, 20.0)
CONTRASTS = (2.0, 4.0, 8.0)
_MARGIN_MM = 14.0


@dataclass(frozen=True)
class Seen:
    """One ball inserted into one patient: whether each run's map rises in it above 95 % of normal slices."""

    patient_id: str
    diameter_mm: float
    contrast: float
    seen: Mapping[str, bool]


def insert_and_look(exam: Exam, fold: Fold, *, guard_mm: float, random: np.random.Generator) -> list[Seen]:
    """One ball of each size and contrast at a random place of the exam's normal slices, one at a time."""
    numbers = normal_slices(exam, guard_mm=guard_mm)
    found = []
    for diameter in DIAMETERS_MM:
        at = places(exam, numbers, radius_mm=diameter / 2)
        if not len(at):
            continue
        for contrast in CONTRASTS:
            centre = at[int(random.integers(len(at)))].tolist()
            changed, ball = insert_ball(exam, centre, diameter_mm=diameter, contrast=contrast)
            found.append(Seen(exam.case.patient_id, diameter, contrast, _look(changed, ball.inside, fold)))
    return found


def _look(exam: Exam, inside: NDArray[Any], fold: Fold) -> dict[str, bool]:
    reach = int(np.ceil(_MARGIN_MM / exam.spacing_mm[2]))
    first = max(int(inside[:, 2].min()) - reach, 0)
    last = min(int(inside[:, 2].max()) + reach + 1, exam.suv.shape[2])
    part = exam.slices(first, last)
    local = tuple((inside - [0, 0, first]).T)
    maps = all_maps(fold.free, fold.models, part)
    names = [run for run in maps if run not in (*BINARY, ELLIPSOID) and run in fold.normal]
    return {run: bool(maps[run][local].max() >= fold.normal[run]) for run in names}


def sensitivity_rows(found: Sequence[Seen], *, seed: int) -> list[dict[str, Any]]:
    """Share of inserted balls seen, by run, size and contrast, with intervals over patients."""
    rows = []
    runs = list(dict.fromkeys(run for one in found for run in one.seen))
    for run in runs:
        for diameter in DIAMETERS_MM:
            for contrast in CONTRASTS:
                mine = [
                    float(one.seen[run])
                    for one in found
                    if one.diameter_mm == diameter and one.contrast == contrast and run in one.seen
                ]
                if not mine:
                    continue
                value, low, high = bootstrap_mean(mine, seed=seed)
                label = f"{diameter:g} mm, {contrast:g} times"
                row = {"run": run, "task": "anomaly", "metric": "inserted_sensitivity", "label": label}
                rows.append({**row, "subset": "inserted", "value": value, "low": low, "high": high, "n": len(mine)})
    return rows
