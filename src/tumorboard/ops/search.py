"""Exact nearest neighbours among vectors in memory, with filters.

Block by block, one matrix product gives scores of single precision; whatever could be among the k nearest, given how
far such a score can be off, has its distance worked out again in double precision, and that distance decides and is
handed out. So the result is that of the plain double loop, ties go to the lower row, and a printed distance belongs to
the printed hit. One query alone reads 8-bit copies of the vectors first, whose error is known, instead of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.ops import codes

__all__ = ["Hits", "Metric", "VectorIndex", "checked", "unit"]

Metric = Literal["cosine", "euclid"]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_QUERIES_AT_ONCE, _ROWS_AT_ONCE, _SCORES_AT_ONCE, _GROUP = 1024, 8192, 1 << 22, 32
_FEW, _MANY = 32, 128
"""Below so many queries, vectors that are filtered out are scored and struck, which is cheaper than copying the others;
from so many on, compiled loops are worth their loading."""
_PAIRS_AT_ONCE = 1 << 17
"""Numbers (pairs times dimensions) whose exact distances are worked out at once."""
_UNIT = 4e-7
"""How far the square of a length may be from 1 for a vector to count as of unit length."""
_LARGEST = 1e30
"""Square of a length beyond which products of single precision could overflow."""
_ONE = np.float32(np.finfo(np.float32).eps)


class Hits(NamedTuple):
    """`rows` (q, k): rows of the vectors, nearest first, -1 where there are fewer; `distances` (q, k) float64: of these
    very rows, NaN beside -1. Cosine: 1 - cosine of the angle (0 to 2); Euclid: the length of the difference."""

    rows: Rows
    distances: NDArray[np.float64]


@dataclass(frozen=True)
class _Compact:
    """8-bit copies of the vectors: vector = scale * code + rest, with the length of the rest."""

    codes: NDArray[np.int8]
    scale: Floats
    rest: Floats


@dataclass(frozen=True)
class _Part:
    """Some queries with all that a block of scores needs: how far a score may be off, numbers of their owners, the rows
    to look at (None: all), and which of all rows are shut out."""

    queries: Floats
    slack: Floats
    own: Rows | None
    chosen: Rows | None
    shut: NDArray[np.bool_] | None


class VectorIndex:
    """Vectors (n, d), each with an owner (the patient), ready to be searched.

    `owners` (n,): any values that can be compared; None: every vector is its own. `compact`: keep the 8-bit copies
    that speed up single queries (a quarter of the memory again; needs numba). Vectors are not copied, except once for
    cosine when they are not of unit length. OPS121 for vectors that cannot be searched, OPS122 for other metrics.
    """

    def __init__(
        self, vectors: ArrayLike, *, metric: Metric = "cosine", owners: ArrayLike | None = None, compact: bool = False
    ) -> None:
        if metric not in ("cosine", "euclid"):
            raise TumorboardError(codes.SEARCH_OPTION, "search", found=repr(metric), expected="cosine or euclid")
        self.metric = metric
        self.vectors = checked(vectors, metric, "vectors")
        squares = self._squares = np.einsum("ij,ij->i", self.vectors, self.vectors, dtype=np.float64)
        self._reach = float(np.sqrt(squares.max(initial=0.0)))
        self._half: Floats | None = None
        self._kept = self.vectors
        if metric == "euclid":
            self._half = (squares / 2).astype(np.float32)
        elif np.abs(squares - 1).max(initial=0.0) > _UNIT:
            self._kept = (self.vectors / np.sqrt(squares)[:, None]).astype(np.float32)
        if metric == "cosine":
            self._reach = 1.0 + _UNIT
        self.owners, self._order, self._starts = _by_owner(owners, len(self.vectors))
        self._compact = _compacted(self._kept) if compact else None

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        owners: ArrayLike | None = None,
        keep: NDArray[np.bool_] | None = None,
        distinct: bool = False,
    ) -> Hits:
        """The `k` nearest vectors of each query (q, d).

        owners : (q,) whose own vectors are never hits; None: everything may be one.
        keep : (n,) vectors that may be hits at all (a split, a type, a label); None: all.
        distinct : at most one hit per owner, its nearest.

        Errors: OPS121 for the queries, OPS122 for `k` below 1 or filters of another length.
        """
        asked = checked(queries, self.metric, "queries", d=self.vectors.shape[1])
        if k < 1 or (keep is not None and len(keep) != len(self)) or (owners is not None and len(owners) != len(asked)):  # type: ignore[arg-type]
            found = f"k = {k}, filters of other lengths" if k >= 1 else f"k = {k}"
            raise TumorboardError(codes.SEARCH_OPTION, "search", found=found, expected="k of 1 or more, one value each")
        rows = None if keep is None or keep.all() else np.flatnonzero(keep)
        own = None if owners is None else self._places(np.asarray(owners))
        if distinct:
            return self._distinct(asked, k, own, rows)
        return self._nearest(asked, k, own, rows)

    def distances(self, query: ArrayLike, rows: ArrayLike) -> NDArray[np.float64]:
        """Exact distances of one query (d,) to the vectors of `rows` (m,)."""
        asked = checked(np.atleast_2d(np.asarray(query)), self.metric, "query", d=self.vectors.shape[1])
        chosen = np.asarray(rows, np.int64)
        return self._exact(asked, np.zeros(len(chosen), np.int64), chosen)

    # ---- how ----------------------------------------------------------------------------------------
    def _places(self, owners: NDArray[Any]) -> Rows:
        """Number of each owner among ours; -1 for one without vectors."""
        place = np.searchsorted(self.owners, owners) if len(self.owners) else np.zeros(len(owners), np.int64)
        place = np.minimum(place, max(len(self.owners) - 1, 0))
        known = self.owners[place] == owners if len(self.owners) else np.zeros(len(owners), bool)
        return np.where(known, place, -1)

    def _nearest(self, asked: Floats, k: int, own: Rows | None, rows: Rows | None) -> Hits:
        if len(asked) == 1 and self._compact is not None:
            return self._ranked(asked, *self._by_codes(asked, k, own, rows), k)
        if not len(asked) or not len(self) or (rows is not None and not len(rows)):
            return Hits(np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.nan))
        return self._ranked(asked, *self._by_products(asked, k, own, rows), k)

    def _by_products(self, asked: Floats, k: int, own: Rows | None, rows: Rows | None) -> tuple[Rows, Rows]:
        """(query, row) pairs that hold the k nearest of each query."""
        queries = asked if self.metric == "euclid" else unit(asked)
        slack = self._slack(queries)
        chosen = None if rows is None or len(asked) < _FEW else rows
        shut = None if rows is None or chosen is not None else np.isin(np.arange(len(self)), rows, invert=True)
        total = len(self) if chosen is None else len(chosen)
        pairs = []
        for first in range(0, len(asked), _QUERIES_AT_ONCE):
            these = slice(first, min(first + _QUERIES_AT_ONCE, len(asked)))
            mine = None if own is None else own[these]
            part = _Part(queries[these], slack[these], mine, chosen, shut)
            query, column = self._leading(part, k, total)
            pairs.append((query + first, column if chosen is None else chosen[column]))
        query, row = _joined(pairs)
        return query, row

    def _leading(self, part: _Part, k: int, total: int) -> tuple[Rows, Rows]:
        """(query, column) of a few queries, block by block of rows."""
        if len(part.queries) >= _MANY:
            from tumorboard.ops.search_kernels import Leaders

            leaders = Leaders(k, part.slack)
            if all(leaders.take(scores, start) for start, scores in self._scores(part, total)):
                return leaders.pairs()
        bound = _Bound(k, part.slack)
        found = [bound.leading(scores, start) for start, scores in self._scores(part, total)]
        query, column, score = _joined(found)
        still = score >= bound.values[query]
        return query[still], column[still]

    def _scores(self, part: _Part, total: int) -> Iterator[tuple[int, Floats]]:
        """First column and scores (q, m) of each block of rows; what is filtered out has -inf."""
        size = max(_ROWS_AT_ONCE, _SCORES_AT_ONCE // max(len(part.queries), 1))
        buffer = np.empty((len(part.queries), min(total, size)), np.float32)
        for start in range(0, total, size):
            stop = min(start + size, total)
            rows: Any = slice(start, stop) if part.chosen is None else part.chosen[start:stop]
            scores = buffer[:, : stop - start]
            np.matmul(part.queries, self._kept[rows].T, out=scores)
            if self._half is not None:
                scores -= self._half[rows]
            if part.shut is not None:
                scores[:, part.shut[rows]] = -np.inf
            if part.own is not None:
                scores[self._own(part.own, rows)] = -np.inf
            yield start, scores

    def _own(self, own: Rows, part: Any) -> tuple[Rows, Rows]:
        """(query, column) of the vectors of the queries' owners in one block of rows (a slice, or sorted rows)."""
        begin = np.where(own < 0, 0, self._starts[own])
        count = np.where(own < 0, 0, self._starts[np.minimum(own + 1, len(self._starts) - 1)] - begin)
        query = np.repeat(np.arange(len(own)), count)
        within = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
        row = self._order[np.repeat(begin, count) + within]
        if isinstance(part, slice):
            inside = (row >= part.start) & (row < part.stop)
            return query[inside], row[inside] - part.start
        column = np.searchsorted(part, row)
        inside = part[np.minimum(column, len(part) - 1)] == row
        return query[inside], column[inside]

    def _by_codes(self, asked: Floats, k: int, own: Rows | None, rows: Rows | None) -> tuple[Rows, Rows]:
        """As `_by_products`, for one query, from the 8-bit copies."""
        from tumorboard.ops.search_kernels import products

        assert self._compact is not None
        query = (asked if self.metric == "euclid" else unit(asked))[0]
        step = float(np.abs(query).max()) / 127 or 1.0
        code = np.rint(query / step).astype(np.int8)
        rest = float(np.linalg.norm(query.astype(np.float64) - step * code))
        scores = products(self._compact.codes, code) * (self._compact.scale * np.float32(step))
        # |q.v - code| <= |q| |rest of v| + |rest of q| |v|, and the rounding of the sums.
        off = self._compact.rest * np.float32(np.linalg.norm(query) * 1.001)
        off += np.float32(rest * (self._reach + float(self._compact.rest.max(initial=0.0))) * 1.001)
        off += self._slack(query[None])[0]
        if self._half is not None:
            scores -= self._half
        if own is not None and own[0] >= 0:
            scores[self._order[self._starts[own[0]] : self._starts[own[0] + 1]]] = -np.inf
        if rows is not None:
            scores, off = scores[rows], off[rows]
        sure = scores - off
        bound = _Bound(k, np.zeros(1, np.float32))
        bound.leading(sure[None], 0)
        column = np.flatnonzero((scores + off >= bound.values[0]) & (scores > -np.inf))
        return np.zeros(len(column), np.int64), column if rows is None else rows[column]

    def _slack(self, queries: Floats) -> Floats:
        """How far the single-precision score of each query (q,) may be off, by the usual bound of a sum of products."""
        lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
        off = (queries.shape[1] + 8) * _ONE * lengths * self._reach
        slack: Floats = (off + (4 * _ONE * self._reach**2 if self._half is not None else 0)).astype(np.float32)
        return slack

    def _exact(self, asked: Floats, query: Rows, row: Rows) -> NDArray[np.float64]:
        """Distances of pairs, in double precision, from the vectors as given."""
        found, wide = np.empty(len(query)), asked.astype(np.float64)
        size = max(1, _PAIRS_AT_ONCE // max(asked.shape[1], 1))
        for start in range(0, len(query), size):
            part = slice(start, start + size)
            a, b = wide[query[part]], self.vectors[row[part]].astype(np.float64)
            if self.metric == "euclid":
                np.subtract(a, b, out=b)
                found[part] = np.sqrt(np.einsum("ij,ij->i", b, b))
            else:
                found[part] = np.einsum("ij,ij->i", a, b)
        if self.metric == "cosine":
            squares = np.einsum("ij,ij->i", wide, wide)
            found = np.clip(1 - found / np.sqrt(squares[query] * self._squares[row]), 0, 2)
        return found

    def _ranked(self, asked: Floats, query: Rows, row: Rows, k: int) -> Hits:
        distance = self._exact(asked, query, row)
        order = np.lexsort((row, distance, query))
        query, row, distance = query[order], row[order], distance[order]
        place = np.arange(len(query)) - np.searchsorted(query, query)
        first = place < k
        rows, distances = np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.nan)
        rows[query[first], place[first]] = row[first]
        distances[query[first], place[first]] = distance[first]
        return Hits(rows, distances)

    def _distinct(self, asked: Floats, k: int, own: Rows | None, rows: Rows | None) -> Hits:
        """The nearest of each owner: more are fetched until k owners are among them."""
        owner = np.empty(len(self), np.int64)
        owner[self._order] = np.repeat(np.arange(len(self.owners)), np.diff(self._starts))
        hits = Hits(np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.nan))
        open_, fetched, most = np.arange(len(asked)), 2 * k, len(self) if rows is None else len(rows)
        while len(open_):
            fetched = min(fetched, max(most, 1))
            found = self._nearest(asked[open_], fetched, None if own is None else own[open_], rows)
            unfinished = []
            for place, which in enumerate(open_):
                row = found.rows[place][found.rows[place] >= 0]
                _, first = np.unique(owner[row], return_index=True)
                chosen = np.sort(first)[:k]
                if len(chosen) < k and len(row) == fetched and fetched < most:
                    unfinished.append(which)
                    continue
                hits.rows[which, : len(chosen)] = row[chosen]
                hits.distances[which, : len(chosen)] = found.distances[place][chosen]
            open_, fetched = np.array(unfinished, np.int64), 4 * fetched
        return hits


def checked(vectors: ArrayLike, metric: Metric, where: str, *, d: int | None = None) -> Floats:
    """Vectors (n, d) as contiguous float32. OPS121 when they cannot be searched."""
    array = np.asarray(vectors)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or (d is not None and array.shape[1] != d):
        expected = f"numbers of shape (n, {d if d is not None else 'd'})"
        raise TumorboardError(codes.VECTORS_UNFIT, where, found=f"{array.dtype} {array.shape}", expected=expected)
    with np.errstate(over="ignore"):
        plain: Floats = np.ascontiguousarray(array, np.float32)
    sums = np.einsum("ij,ij->i", plain, plain, dtype=np.float64)
    bad = ~(sums < _LARGEST) | ((sums == 0) if metric == "cosine" else False)
    if bad.any():
        found = f"row {int(np.flatnonzero(bad)[0])} and {int(bad.sum()) - 1} more with NaN, infinity or no length"
        raise TumorboardError(codes.VECTORS_UNFIT, where, found=found, expected="finite vectors with a direction")
    return plain


def unit(vectors: Floats) -> Floats:
    """Vectors (n, d) at length 1, none of them of no length."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    scaled: Floats = (vectors / lengths[:, None]).astype(np.float32)
    return scaled


def _by_owner(owners: ArrayLike | None, n: int) -> tuple[NDArray[Any], Rows, Rows]:
    """Distinct owners, rows ordered by owner, and where each owner's rows start (one more at the end)."""
    if owners is None:
        return np.arange(n), np.arange(n), np.arange(n + 1)
    given = np.asarray(owners)
    if given.shape != (n,):
        found = f"owners {given.shape}"
        raise TumorboardError(codes.SEARCH_OPTION, "vectors", found=found, expected=f"one per vector ({n},)")
    names, place = np.unique(given, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(names)))]).astype(np.int64)
    return names, np.argsort(place, kind="stable").astype(np.int64), starts


def _compacted(vectors: Floats) -> _Compact:
    scale = np.maximum(np.abs(vectors).max(axis=1, initial=0.0) / 127, np.finfo(np.float32).tiny).astype(np.float32)
    found = np.rint(vectors / scale[:, None]).astype(np.int8)
    rest = np.linalg.norm(vectors - scale[:, None] * found, axis=1) * 1.001 + 1e-7 * np.linalg.norm(vectors, axis=1)
    return _Compact(found, scale, rest.astype(np.float32))


class _Bound:
    """What a score must reach to be among the k best of its query, as far as blocks of scores have been seen.

    The k-th of the maxima of groups of columns is reached by at least k scores, so nothing below it counts; only groups
    that reach it are looked into. Twice the slack is left for scores that are off.
    """

    def __init__(self, k: int, slack: Floats) -> None:
        self.k, self.slack = k, slack
        self.best = np.full((len(slack), k), -np.inf, np.float32)
        self.values = np.full(len(slack), -np.inf, np.float32)

    def leading(self, scores: Floats, first: int) -> tuple[Rows, Rows, Floats]:
        """(query, column, score) of scores (q, m) of columns `first`... that may be among the k best; -inf never is."""
        q, m = scores.shape
        groups = m // _GROUP
        whole = scores[:, : groups * _GROUP].reshape(q, _GROUP, groups)
        best, rest = whole.max(axis=1), scores[:, groups * _GROUP :]
        seen = np.concatenate([self.best, best, rest], axis=1)
        self.best = np.partition(seen, seen.shape[1] - self.k, axis=1)[:, seen.shape[1] - self.k :]
        self.values = self.best.min(axis=1) - 2 * self.slack
        bound = self.values
        query, group = np.nonzero((best >= bound[:, None]) & (best > -np.inf))
        members = whole[query, :, group]
        pair, place = np.nonzero((members >= bound[query, None]) & (members > -np.inf))
        late, column = np.nonzero((rest >= bound[:, None]) & (rest > -np.inf))
        return (
            np.concatenate([query[pair], late]),
            np.concatenate([place * groups + group[pair], column + groups * _GROUP]) + first,
            np.concatenate([members[pair, place], rest[late, column]]),
        )


def _joined(parts: Sequence[tuple[NDArray[Any], ...]]) -> Any:
    """Columns of several results, one after another."""
    return tuple(np.concatenate(list(column)) for column in zip(*parts, strict=True))
