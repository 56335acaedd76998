"""Label maps between grids of different spacing."""

from __future__ import annotations

import numpy as np

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to

__all__ = ["resample_labels"]


def resample_labels(volume: Volume, target: Geometry, *, smooth: bool = True) -> Volume:
    """A label map on another grid. UNT101 for another unit, OPS101 where the grids do not meet.

    `smooth`: each label's share is interpolated linearly and the largest share wins (background among them; ties go
    to the smaller label), which keeps surfaces and volumes closer than nearest neighbour; without it nearest.
    """
    volume.require(Unit.LABEL, where="resample_labels")
    if not smooth:
        return resample_to(volume, target, method="nearest")
    labels = np.unique(volume.array)
    best = np.zeros(target.shape, np.float32, order="F")
    winner = np.zeros(target.shape, volume.array.dtype, order="F")
    for label in sorted({*labels.tolist(), 0}):
        share = Volume((volume.array == label).astype(np.uint8), volume.affine, Unit.PROBABILITY)
        value = resample_to(share, target, method="linear", fill=float(label == 0)).array
        # A share a rounding error above another one is a tie.
        won = value > best + 1e-6
        np.copyto(best, value, where=won)
        winner[won] = label
    return Volume(winner, target.affine, Unit.LABEL)
