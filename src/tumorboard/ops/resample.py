"""A scan on another grid, in physical space."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from tumorboard.core.geometry import Geometry
from tumorboard.core.volume import Volume

__all__ = ["resample_to"]


def resample_to(
    volume: Volume, target: Geometry, *, method: Literal["linear", "nearest"] = "linear", fill: float = 0.0
) -> Volume:
    """`volume` sampled at the voxel centres of `target`; `fill` where `target` leaves it."""
    step = np.linalg.inv(volume.affine) @ target.affine
    array = ndimage.affine_transform(
        volume.array.astype(np.float32) if method == "linear" else volume.array,
        step[:3, :3],
        step[:3, 3],
        output_shape=target.shape,
        order=1 if method == "linear" else 0,
        mode="constant",
        cval=fill,
    )
    return Volume(array, target.affine, volume.unit)
