"""Filters of many sizes: what a volume looks like round every cell, as numbers that need no learning.

After the pixel classification of ilastik (Sommer et al. 2011): means, differences of means, spread and curvature
(eigenvalues of the Hessian: a blob, a tube and a sheet differ in them) at several sizes, the same of places further
off, and the place in the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "Bank", "cell_edges", "filter_bank"]

Map = NDArray[np.float32]
Cells = NDArray[np.int64]
_CELL_MM = 4.0
_FINEST_MM, _NEAR_MM, _WIDE_MM = 2.0, (4.0,), (8.0, 16.0, 32.0)
"""Standard deviations of the means: on the voxels, on the cells, and on cells of twice the edge."""
_SPREAD_MM = (4.0, 8.0, 16.0)
_WINDOWS_HU = ((-160.0, 240.0), (-1000.0, 200.0), (-300.0, 1000.0))
"""Soft tissue, lung, bone; of bone, means alone."""
_CURVED = ((0, 0, 1), (0, 1, 1), (0, 2, 2), (0, 3, 4), (1, 0, 1), (1, 1, 1), (1, 2, 2))
"""Window, number of the mean, and cells between the values that a second difference is taken of."""
_FAR = ((2, 24.0), (3, 48.0))
"""Means (by number) that are also read at this distance to the six sides, mm."""
_BODY_HU = -400.0
FEATURES = 3 * 5 + 2 * 5 + 2 * 3 + 3 * len(_CURVED) + 2 * 6 * len(_FAR) + 2 + 5


@dataclass(frozen=True, eq=False)
class Bank:
    """The filtered maps of a volume; features are put together where they are asked for.

    `body` (a, b, c): the cells of the body; `stride` (3,) voxels per cell; `means[window][size]`, `spreads[window]`
    [size] and `place` are maps of all cells; `far` (sizes, 3) cells to the sides; `middle` the midline's cell.
    """

    body: NDArray[np.bool_]
    stride: Cells
    means: Sequence[Sequence[Map]]
    spreads: Sequence[Sequence[Map]]
    place: Sequence[Map]
    far: Cells
    middle: float

    def at(self, cells: Cells) -> Map:
        """Features (n, FEATURES) of cells (n, 3)."""
        here = tuple(cells.T)
        found: list[Map] = []
        for window, mine in enumerate(self.means):
            values = [one[here] for one in mine]
            found += values
            if window < len(self.spreads):
                found += [a - b for a, b in pairwise(values)] + [values[0] - values[2]]
                found += [one[here] for one in self.spreads[window]]
        for window, size, step in _CURVED:
            found += _curvatures(self.means[window][size], cells, step)
        for (size, _), away in zip(_FAR, self.far, strict=True):
            for window in (0, 1):
                for axis in range(3):
                    by = away * (np.arange(3) == axis)
                    found += [_read(self.means[window][size], cells + sign * by) for sign in (-1, 1)]
        other = cells.copy()
        other[:, 0] = np.rint(2 * self.middle - cells[:, 0])
        found += [self.means[0][size][here] - _read(self.means[0][size], other) for size in (1, 2)]
        found += [one[here] for one in self.place]
        return np.stack(found, axis=1).astype(np.float32)

    def middles(self, cells: Cells) -> NDArray[np.float64]:
        """Middle of cells (n, 3) in voxels."""
        found: NDArray[np.float64] = cells * self.stride + (self.stride - 1) / 2
        return found


def cell_edges(spacing_mm: Sequence[float]) -> Cells:
    """Voxels per cell along each axis: about 4 mm."""
    return np.maximum(np.rint(_CELL_MM / np.asarray(spacing_mm)), 1).astype(np.int64)


def filter_bank(hu: NDArray[np.int16], spacing_mm: Sequence[float]) -> Bank:
    """Filter a prepared volume (i, j, k) near RAS."""
    from scipy.ndimage import gaussian_filter

    stride, spacing = cell_edges(spacing_mm), np.asarray(spacing_mm, float)
    cell_mm, two = stride * spacing, np.array([2, 2, 2])
    body = _body(_blocks(np.asarray(hu, np.float32), stride) > _BODY_HU)
    means, spreads = [], []
    for window, (low, high) in enumerate(_WINDOWS_HU):
        shown = ((np.clip(hu, low, high) - np.float32(low)) / np.float32(high - low)).astype(np.float32)
        cells = _blocks(shown, stride)
        wide = _blocks(cells, two)
        mine = [_blocks(gaussian_filter(shown, _FINEST_MM / spacing, truncate=3), stride)]
        mine += [gaussian_filter(cells, sigma / cell_mm, truncate=3) for sigma in _NEAR_MM]
        mine += [_doubled(gaussian_filter(wide, sigma / (2 * cell_mm), truncate=3), body.shape) for sigma in _WIDE_MM]
        means.append(mine)
        if window < 2:
            np.square(shown, out=shown)
            cells = _blocks(shown, stride)
            wide = _blocks(cells, two)
            squares = [gaussian_filter(cells, _SPREAD_MM[0] / cell_mm, truncate=3)]
            squares += [
                _doubled(gaussian_filter(wide, s / (2 * cell_mm), truncate=3), body.shape) for s in _SPREAD_MM[1:]
            ]
            spreads.append([np.sqrt(np.maximum(s - m**2, 0)) for s, m in zip(squares, mine[1:4], strict=True)])
    place, middle = _place(body, cell_mm)
    far = np.array([np.rint(away_mm / cell_mm) for _, away_mm in _FAR]).astype(np.int64)
    return Bank(body, stride, means, spreads, place, far, middle)


def _blocks(values: Map, stride: Cells) -> Map:
    """Means over cells; voxels beyond the last whole cell are repeated."""
    padded = np.pad(values, [(0, int(-n % s)) for n, s in zip(values.shape, stride, strict=True)], mode="edge")
    for axis, step in enumerate(stride.tolist()):
        if step > 1:
            parts = [padded[(slice(None),) * axis + (slice(first, None, step),)] for first in range(step)]
            padded = sum(parts[1:], start=parts[0]) / np.float32(step)
    return np.ascontiguousarray(padded, np.float32)


def _doubled(values: Map, shape: Sequence[int]) -> Map:
    """The map on cells of half the edge, linear between the middles of its cells, cut to `shape`."""
    from scipy.ndimage import correlate1d

    for axis in range(3):
        values = correlate1d(np.repeat(values, 2, axis=axis), [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    return np.ascontiguousarray(values[tuple(slice(n) for n in shape)])


def _body(dense: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest dense piece with its holes (lungs, bowel) filled slice by slice; all where nothing is dense."""
    from scipy import ndimage

    labels, found = ndimage.label(dense)
    if not found:
        return np.ones(dense.shape, bool)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.stack([ndimage.binary_fill_holes(largest[:, :, k]) for k in range(dense.shape[2])], axis=2)


def _read(values: Map, cells: Cells) -> Map:
    """Values at cells (n, 3); beyond the ends, those of the last cell."""
    found: Map = values[tuple(np.clip(cells[:, a], 0, values.shape[a] - 1) for a in range(3))]
    return found


def _curvatures(values: Map, cells: Cells, step: int) -> list[Map]:
    """Eigenvalues of the Hessian at cells (n, 3) by differences over `step` cells, the smallest first."""
    unit = step * np.eye(3, dtype=np.int64)
    here = 2 * _read(values, cells)
    straight = [_read(values, cells + unit[a]) + _read(values, cells - unit[a]) - here for a in range(3)]
    mixed = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        same = _read(values, cells + unit[a] + unit[b]) + _read(values, cells - unit[a] - unit[b])
        other = _read(values, cells + unit[a] - unit[b]) + _read(values, cells + unit[b] - unit[a])
        mixed.append((same - other) * np.float32(0.25))
    return _eigenvalues(straight, mixed)


def _eigenvalues(straight: Sequence[Map], mixed: Sequence[Map]) -> list[Map]:
    """Of symmetric 3 x 3 matrices, in closed form (Smith 1961), the smallest first."""
    mean = (straight[0] + straight[1] + straight[2]) / 3
    off = mixed[0] ** 2 + mixed[1] ** 2 + mixed[2] ** 2
    size = np.sqrt((sum((one - mean) ** 2 for one in straight) + 2 * off) / 6) + 1e-12
    a, b, c = ((one - mean) / size for one in straight)
    d, e, f = (one / size for one in mixed)
    half = (a * (b * c - f**2) - d * (d * c - f * e) + e * (d * f - b * e)) / 2
    angle = np.arccos(np.clip(half, -1, 1)) / 3
    high = mean + 2 * size * np.cos(angle)
    low = mean + 2 * size * np.cos(angle + 2 * np.pi / 3)
    return [np.asarray(one, np.float32) for one in (low, 3 * mean - low - high, high)]


def _place(body: NDArray[np.bool_], cell_mm: NDArray[np.float64]) -> tuple[list[Map], float]:
    """Place from the midline (signed, and without sign), from the front, depth below the skin and width of the body,
    all in dm; and the midline's cell."""
    from scipy import ndimage

    across, along = np.flatnonzero(body.any(axis=(1, 2))), np.flatnonzero(body.any(axis=(0, 2)))
    middle, front = (across[0] + across[-1]) / 2, along[-1]
    x = np.broadcast_to(((np.arange(body.shape[0]) - middle) * cell_mm[0] / 100)[:, None, None], body.shape)
    y = np.broadcast_to(((front - np.arange(body.shape[1])) * cell_mm[1] / 100)[None, :, None], body.shape)
    padded = np.pad(body, ((1, 1), (1, 1), (0, 0)))
    depth = np.stack(
        [ndimage.distance_transform_edt(padded[:, :, k], cell_mm[:2])[1:-1, 1:-1] for k in range(body.shape[2])], axis=2
    )
    width = np.broadcast_to(body.any(axis=1).sum(axis=0) * cell_mm[0] / 100, body.shape)
    return [m.astype(np.float32) for m in (x, np.abs(x), y, depth / 100, width)], float(middle)
