"""Faults planted in sound volumes, to see whether the flags find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tumorboard.core.bodypart import REVERSED, WRONG_SPACING
from tumorboard.metrics.boxes import patient_means
from tumorboard.metrics.intervals import bootstrap_mean
from tumorboard.tasks.bodypart.answer import Answer
from tumorboard.tasks.bodypart.slices import BodySlices
from tumorboard.tasks.result import score_row

__all__ = ["FAULTS", "cut", "planted", "score_flags"]

FAULTS: dict[str, tuple[bool, float, tuple[str, ...]]] = {
    "reversed": (True, 1.0, (REVERSED,)),
    "spacing halved": (False, 0.5, (WRONG_SPACING,)),
    "spacing two thirds": (False, 2 / 3, (WRONG_SPACING,)),
    "spacing one and a half": (False, 1.5, (WRONG_SPACING,)),
    "spacing doubled": (False, 2.0, (WRONG_SPACING,)),
    "reversed and doubled": (True, 2.0, (REVERSED, WRONG_SPACING)),
}
"""Name -> pixels in reverse order along z, factor of the stated z, flags that must be raised."""


def planted(slices: BodySlices, fault: str) -> BodySlices:
    """The volume with a fault: the affine states one thing, the pixels show another."""
    backwards, factor, _ = FAULTS[fault]
    order = slice(None, None, -1 if backwards else 1)
    return BodySlices(slices.hu[order], slices.z_mm * factor, slices.box_mm[order])


def cut(slices: BodySlices, random: np.random.Generator, *, least: float = 0.25, most: float = 0.6) -> BodySlices:
    """A random stretch of the volume, `least` to `most` of its slices."""
    count = max(3, round(len(slices) * random.uniform(least, most)))
    start = int(random.integers(0, max(1, len(slices) - count + 1)))
    return slices.part(start, start + count)


def score_flags(
    volumes: Sequence[tuple[str, BodySlices, Callable[[BodySlices], Answer]]],
    *,
    run: str,
    seed: int,
    subset: str = "all",
) -> list[dict[str, Any]]:
    """`flag_sensitivity` for each fault (share of planted volumes with all flags that are due) and `false_flags` (share
    of untouched volumes with any). `volumes`: patient, slices, and what judges them; a volume too short to judge counts
    as not found."""
    rows = []
    for fault, (_, _, due) in FAULTS.items():
        found = [(p, float(set(due) <= set(judge(planted(v, fault)).check.flags))) for p, v, judge in volumes]
        rows.append(_row(run, "flag_sensitivity", fault, subset, found, seed=seed))
    false = [(p, float(bool(judge(v).check.flags))) for p, v, judge in volumes]
    rows.append(_row(run, "false_flags", "", subset, false, seed=seed))
    return rows


def _row(
    run: str, metric: str, label: str, subset: str, pairs: Sequence[tuple[str, float]], *, seed: int
) -> dict[str, Any]:
    means = patient_means([patient for patient, _ in pairs], [value for _, value in pairs])
    value, low, high = bootstrap_mean(list(means.values()), seed=seed)
    return score_row(
        run, task="bodypart", metric=metric, label=label, subset=subset, interval=(value, low, high), n=len(means)
    )
