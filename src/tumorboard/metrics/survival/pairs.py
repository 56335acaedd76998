"""Counting comparable pairs in O(n log n): a Fenwick tree over risk ranks, walked from the last time to the first."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["count_pairs"]


@njit(cache=True)
def _add(tree: NDArray[np.int64], place: int) -> None:  # pragma: no cover - compiled
    while place < len(tree):
        tree[place] += 1
        place += place & -place


@njit(cache=True)
def _sum(tree: NDArray[np.int64], place: int) -> int:  # pragma: no cover - compiled
    total = 0
    while place > 0:
        total += tree[place]
        place -= place & -place
    return total


@njit(cache=True)
def _walk(
    event: NDArray[np.bool_], time: NDArray[np.float64], rank: NDArray[np.int64], ranks: int
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    """Inputs sorted by time. Per patient with an event: pairs with a later patient of lower, equal, higher risk."""
    counts = np.zeros((len(time), 3), np.int64)
    tree = np.zeros(ranks + 1, np.int64)
    seen = 0
    last = len(time)
    while last > 0:
        first = last - 1
        while first > 0 and time[first - 1] == time[last - 1]:
            first -= 1
        for i in range(first, last):  # who is censored at this time outlives the events of this time
            if not event[i]:
                _add(tree, rank[i])
                seen += 1
        for i in range(first, last):
            if event[i]:
                lower = _sum(tree, rank[i] - 1)
                not_higher = _sum(tree, rank[i])
                counts[i, 0] = lower
                counts[i, 1] = not_higher - lower
                counts[i, 2] = seen - not_higher
        for i in range(first, last):
            if event[i]:
                _add(tree, rank[i])
                seen += 1
        last = first
    return counts


def count_pairs(event: NDArray[np.bool_], time: NDArray[np.float64], risk: NDArray[np.float64]) -> NDArray[np.int64]:
    """For every patient (n, 3): among the patients known to outlive their event, how many have a lower, an equal
    and a higher risk. Zeros for the censored. At equal times the censored outlive the events, events do not
    outlive each other."""
    order = np.argsort(time, kind="stable")
    values, rank = np.unique(risk, return_inverse=True)
    counts = np.empty((len(time), 3), np.int64)
    counts[order] = _walk(event[order], time[order], rank[order].astype(np.int64) + 1, len(values))
    return counts
