"""Closed planar contours <-> pixels of a slice.

A pixel belongs to a structure when its centre lies inside the contour, by the even-odd rule over all contours of the
slice: inner contours cut holes, and a keyhole (a channel walked there and back) cancels itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_contours", "join_with_keyholes", "trace_mask"]


def fill_contours(contours: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (n_x, n_y) of the pixels whose centres lie inside, even-odd over all contours.

    Each contour is (n, 2) in pixel coordinates: pixel (i, j) has its centre at (i, j). The contour is closed by its
    first point. Exact for any polygon: for every row, the crossings of the edges with the line through the pixel
    centres, each toggling all pixels behind it; edges are half-open, so a vertex on a line counts once.
    """
    toggles = np.zeros((shape[0] + 1, shape[1]), np.uint8)
    for contour in contours:
        x, y = contour[:, 0], contour[:, 1]
        x_next, y_next = np.roll(x, -1), np.roll(y, -1)
        low, high = np.minimum(y, y_next), np.maximum(y, y_next)
        # Rows j with low <= j < high are crossed.
        first = np.clip(np.ceil(low), 0, shape[1]).astype(int)
        stop = np.clip(np.ceil(high), 0, shape[1]).astype(int)
        counts = stop - first
        edges = np.repeat(np.arange(len(x)), counts)
        rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
        along = (rows - y[edges]) / (y_next - y)[edges]
        crossing = x[edges] + along * (x_next - x)[edges]
        columns = np.clip(np.ceil(crossing), 0, shape[0]).astype(int)
        np.add.at(toggles, (columns, rows), 1)
    inside: NDArray[np.bool_] = (np.cumsum(toggles, axis=0, dtype=np.int64)[:-1] % 2).astype(bool)
    return inside


def trace_mask(mask: NDArray[np.bool_]) -> tuple[list[NDArray[np.float64]], list[list[NDArray[np.float64]]]]:
    """Outer contours of a mask (n_x, n_y), and for each the contours of its holes, as (n, 2) pixel coordinates.

    The contours pass half-way between pixel centres inside and outside (marching squares), so that filling them
    gives the mask back exactly.
    """
    from contourpy import FillType, contour_generator

    if not mask.any():
        return [], []
    i, j = np.nonzero(mask)
    low = np.array([i.min(), j.min()])
    part = np.pad(mask[i.min() : i.max() + 1, j.min() : j.max() + 1], 1).astype(np.float64)
    tracer = contour_generator(z=part.T, fill_type=FillType.OuterOffset)
    points, offsets = tracer.filled(0.5, 2.0)
    outers, holes = [], []
    for polygon, starts in zip(points, offsets, strict=True):
        # contourpy closes each loop by repeating its first point; DICOM does not.
        loops = [polygon[a : b - 1] + (low - 1) for a, b in itertools.pairwise(starts)]
        outers.append(loops[0])
        holes.append(loops[1:])
    return outers, holes


def join_with_keyholes(outer: NDArray[np.float64], holes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One closed contour for an area with holes: the outline, and for each hole a channel of no width to it, as
    PS3.3 C.8.8.6.3 describes. The channel is walked both ways and encloses nothing."""
    joined = outer
    for hole in sorted(holes, key=lambda loop: float(loop[:, 0].min())):
        distance = ((joined[:, None, :] - hole[None, :, :]) ** 2).sum(axis=2)
        at, start = np.unravel_index(int(distance.argmin()), distance.shape)
        loop = np.roll(hole, -int(start), axis=0)
        joined = np.concatenate([joined[: at + 1], loop, loop[:1], joined[at:]])
    return joined
