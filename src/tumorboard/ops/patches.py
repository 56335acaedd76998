"""Cubes cut out of an image at any angle and scale, as training draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["turned_patch"]


def turned_patch(
    array: NDArray[np.float32],
    box: tuple[NDArray[Any], NDArray[Any]],
    matrix: NDArray[Any],
    centre: NDArray[Any],
    size: int,
) -> NDArray[np.float32]:
    """`size`^3 points round `centre`, steps along the columns of `matrix`, every channel linear between voxels and 0
    outside of the box: what `torch.nn.functional.grid_sample` gives with zeros as padding, in a third of its time.

    Parameters
    ----------
    array : (channels, i, j, k) float32, which may be memory-mapped: no more is read than the patch reaches.
    box : lowest corner and one past the highest, in voxels; what lies outside counts as not there.
    matrix : (3, 3), voxels per step; rotation, scale and mirrors.
    centre : voxel coordinates in `array` of the patch's middle.

    Returns (channels, size, size, size).
    """
    from tumorboard.ops import kernels

    reach = np.abs(matrix).sum(axis=1) * (size - 1) / 2 + 1
    low = np.clip(np.floor(centre - reach).astype(int), box[0], box[1] - 1)
    high = np.clip(np.ceil(centre + reach).astype(int) + 1, low + 1, box[1])
    part = np.ascontiguousarray(array[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))])
    step = np.empty((3, 4))
    step[:, :3], step[:, 3] = matrix, centre - low - matrix @ np.full(3, (size - 1) / 2)
    out = np.empty((len(array), size, size, size), np.float32)
    kernels.linear_patch(part, step, out)
    return out
