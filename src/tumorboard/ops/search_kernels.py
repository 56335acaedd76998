"""The loops of searches. Imported only by the functions that run them (numba is heavy: docs/adr/0010)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.ops.threads import compiled, in_slabs

__all__ = ["Leaders", "products"]

_WORTH_A_THREAD = 1 << 26
"""Products of two numbers below which a second thread costs more than it saves."""
_WORTH_A_LOOK = 1 << 20
"""Scores below which it does to look through them."""
_STRIDE = 32
_ROOM_PER_HIT = 8


@compiled
def _products(codes, query, out, start, stop) -> None:  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        total = np.int32(0)
        for j in range(codes.shape[1]):
            total += np.int32(codes[i, j]) * np.int32(query[j])
        out[i] = total


def products(codes: NDArray[np.int8], query: NDArray[np.int8]) -> NDArray[np.float32]:
    """Scalar products (n,) of 8-bit vectors (n, d) with one (d,); exact up to 130,000 dimensions."""
    out = np.empty(len(codes), np.int32)

    def work(start: int, stop: int) -> Any:
        _products(codes, query, out, start, stop)

    in_slabs(work, max(len(codes), 1), threads=None if codes.size >= _WORTH_A_THREAD else 1)
    return out.astype(np.float32)


class Leaders:
    """The k best scores of each query as blocks of scores go by, and whoever may be among them.

    `slack` (q,): by how much two scores may stand in the wrong order.
    """

    def __init__(self, k: int, slack: NDArray[np.float32]) -> None:
        room = _ROOM_PER_HIT * k + 64
        self.slack = 2 * slack
        self.best = np.full((len(slack), k), -np.inf, np.float32)
        self.bound = np.full(len(slack), -np.inf, np.float32)
        self.columns = np.empty((len(slack), room), np.int64)
        self.scores = np.empty((len(slack), room), np.float32)
        self.count = np.zeros(len(slack), np.int64)

    def take(self, scores: NDArray[np.float32], first: int) -> bool:
        """Look through scores (q, m) of columns `first`...; -inf is never taken. False when so many are alike that they
        do not fit: the whole must then be looked through in another way."""
        state = (self.best, self.bound, self.slack, self.columns, self.scores, self.count)

        def work(start: int, stop: int) -> bool:
            return bool(_take(scores, first, *state, start, stop))

        return not any(in_slabs(work, len(scores), threads=None if scores.size >= _WORTH_A_LOOK else 1))

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(query, column) of all that may be among the k best."""
        filled = np.arange(self.columns.shape[1]) < self.count[:, None]
        filled &= self.scores >= self.bound[:, None]
        query, place = np.nonzero(filled)
        return query, self.columns[query, place]


@compiled
def _take(  # type: ignore[no-untyped-def]
    scores, first, best, bound, slack, columns, kept, count, start, stop
) -> bool:
    room, k = columns.shape[1], best.shape[1]
    for i in range(start, stop):
        row = scores[i]
        low = bound[i]
        for begin in range(0, len(row), _STRIDE):
            end = min(begin + _STRIDE, len(row))
            any_ = 0
            if end - begin == _STRIDE:
                for j in range(_STRIDE):
                    any_ |= row[begin + j] >= low
            else:
                any_ = 1
            if any_ == 0:
                continue
            for j in range(begin, end):
                score = row[j]
                if score < low or score == -np.inf:
                    continue
                least = 0
                for b in range(1, k):
                    if best[i, b] < best[i, least]:
                        least = b
                if score > best[i, least]:
                    best[i, least] = score
                    lowest = best[i, 0]
                    for b in range(1, k):
                        lowest = min(lowest, best[i, b])
                    low = lowest - slack[i]
                if count[i] == room:
                    n = 0
                    for c in range(room):
                        if kept[i, c] >= low:
                            kept[i, n], columns[i, n] = kept[i, c], columns[i, c]
                            n += 1
                    count[i] = n
                    if n == room:
                        return True
                kept[i, count[i]], columns[i, count[i]] = score, first + j
                count[i] += 1
        bound[i] = low
    return False
