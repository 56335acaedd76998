"""The voxel loops of texture. Imported only by the functions that run them (numba is heavy: docs/adr/0010)."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["cooccurrences", "runs"]

DIRECTIONS = np.array(
    [(a, b, c) for a in (0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) if (a, b, c) > (0, 0, 0)],
    np.int64,
)
"""Half of the 26 neighbours: every direction once."""


@njit(cache=True)
def _cooccurrences(grey, levels, directions):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    counts = np.zeros((len(directions), levels, levels), np.int64)
    ni, nj, nk = grey.shape
    for d in range(len(directions)):
        di, dj, dk = directions[d]
        for i in range(ni):
            for j in range(nj):
                for k in range(nk):
                    here = grey[i, j, k]
                    p, q, r = i + di, j + dj, k + dk
                    if here > 0 and 0 <= p < ni and 0 <= q < nj and 0 <= r < nk and grey[p, q, r] > 0:
                        counts[d, here - 1, grey[p, q, r] - 1] += 1
    return counts


@njit(cache=True)
def _runs(grey, levels, longest, directions):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    counts = np.zeros((len(directions), levels, longest), np.int64)
    ni, nj, nk = grey.shape
    for d in range(len(directions)):
        di, dj, dk = directions[d]
        for i in range(ni):
            for j in range(nj):
                for k in range(nk):
                    here = grey[i, j, k]
                    if here == 0:
                        continue
                    p, q, r = i - di, j - dj, k - dk
                    if 0 <= p < ni and 0 <= q < nj and 0 <= r < nk and grey[p, q, r] == here:
                        continue  # not the run's first voxel
                    length = 1
                    p, q, r = i + di, j + dj, k + dk
                    while 0 <= p < ni and 0 <= q < nj and 0 <= r < nk and grey[p, q, r] == here:
                        length += 1
                        p, q, r = p + di, q + dj, r + dk
                    counts[d, here - 1, length - 1] += 1
    return counts


def cooccurrences(grey: np.ndarray, levels: int) -> np.ndarray:  # type: ignore[type-arg]
    """(13, levels, levels) how often a voxel of one level has a neighbour of another, by direction."""
    return _cooccurrences(grey, levels, DIRECTIONS)  # type: ignore[no-any-return]


def runs(grey: np.ndarray, levels: int) -> np.ndarray:  # type: ignore[type-arg]
    """(13, levels, longest) how many runs of each level and length there are, by direction."""
    return _runs(grey, levels, max(grey.shape), DIRECTIONS)  # type: ignore[no-any-return]
