"""A stack of heat maps -> boxes: the peaks of the heat, each with the box that the cells round it agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["boxes_of_peaks"]

_CALM = (0.5, 0.7, 0.7)
"""Standard deviation (slices, cells, cells) of the smoothing: what is warm on one slice only ranks lower."""
_TOP = 3
"""Edge in cells and slices within which only the warmest cell is a peak, and whose cells vote for its box."""


def boxes_of_peaks(
    heat: NDArray[np.float32], boxes: NDArray[Any], *, floor: float, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (n, 6) and scores (n,), best first, at most `most`.

    `heat` (slices, a, b), `boxes` (slices, 6, a, b): corners in voxels of the volume that each cell answers. The score
    is the smoothed heat of the peak, from `floor` on; the box is the mean of the cells round it, weighted by heat.
    """
    from scipy import ndimage

    calm = ndimage.gaussian_filter(heat.astype(np.float32), _CALM, truncate=3)
    top = (calm == ndimage.maximum_filter(calm, size=_TOP)) & (calm >= floor)
    at = np.flatnonzero(top)
    at = at[np.argsort(-calm.ravel()[at], kind="stable")[:most]]
    found = np.empty((len(at), 6))
    reach = _TOP // 2
    for number, place in enumerate(np.stack(np.unravel_index(at, heat.shape), axis=1).tolist()):
        k, i, j = (slice(max(x - reach, 0), x + reach + 1) for x in place)
        weight = heat[k, i, j].astype(float) ** 2 + 1e-9
        found[number] = (boxes[k, :, i, j] * weight[:, None]).sum(axis=(0, 2, 3)) / weight.sum()
    return found, calm.ravel()[at].astype(float)
