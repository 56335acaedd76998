"""Approximate nearest neighbours for millions of vectors: k-means cells, of which a few are searched exactly.

Inverted file: Sivic and Zisserman 2003, ICCV. Only which vectors are looked at is approximate; the distances of those
that are returned are exact, filters hold, and `probes` equal to the number of cells is the exact search.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.ops import codes
from tumorboard.ops.search import Hits, Metric, VectorIndex, checked, unit

__all__ = ["CellIndex"]

_LEARNT_FROM = 64
"""Vectors per cell that k-means learns from."""


class CellIndex:
    """Vectors (n, d) in cells of their own neighbourhood; same calls as `VectorIndex`.

    `cells`: default the square root of n. `seed`: of k-means, on a sample. Below about a million vectors the exact
    search is fast enough (docs/adr/0129). Errors as in `VectorIndex`.
    """

    def __init__(
        self,
        vectors: ArrayLike,
        *,
        seed: int,
        metric: Metric = "cosine",
        owners: ArrayLike | None = None,
        cells: int | None = None,
    ) -> None:
        from sklearn.cluster import MiniBatchKMeans

        self.exact = VectorIndex(vectors, metric=metric, owners=owners)
        self.metric = metric
        points = self.exact.vectors if metric == "euclid" else unit(self.exact.vectors)
        n = len(points)
        count = min(n, cells or max(1, round(n**0.5)))
        rng = np.random.default_rng(seed)
        sample = points[np.sort(rng.choice(n, min(n, _LEARNT_FROM * count), replace=False))]
        means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=max(1024, 4 * count)).fit(sample)
        self.centres = np.ascontiguousarray(means.cluster_centers_, np.float32)
        place = VectorIndex(self.centres, metric="euclid").search(points, 1).rows[:, 0]
        self._order = np.argsort(place, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=count))])
        self._owners = None if owners is None else np.asarray(owners)

    def __len__(self) -> int:
        return len(self.exact)

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        owners: ArrayLike | None = None,
        keep: NDArray[np.bool_] | None = None,
        probes: int = 8,
    ) -> Hits:
        """The `k` nearest among the vectors of the `probes` cells nearest to each query; more cells are opened where
        the filters leave fewer than k. OPS121, OPS122 as in `VectorIndex.search`."""
        asked = checked(queries, self.metric, "queries", d=self.centres.shape[1])
        if k < 1 or probes < 1 or (keep is not None and len(keep) != len(self)):
            found = f"k = {k}, probes = {probes}"
            raise TumorboardError(codes.SEARCH_OPTION, "search", found=found, expected="1 or more, one filter each")
        hits = Hits(np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.nan))
        points = asked if self.metric == "euclid" else unit(asked)
        near = VectorIndex(self.centres, metric="euclid").search(points, len(self.centres)).rows
        who: Any = [None] * len(asked) if owners is None else list(np.asarray(owners))
        for place, query in enumerate(asked):
            rows = self._candidates(near[place], k, probes, who[place], keep)
            distance = self.exact.distances(query, rows)
            first = np.lexsort((rows, distance))[:k]
            hits.rows[place, : len(first)], hits.distances[place, : len(first)] = rows[first], distance[first]
        return hits

    def _candidates(
        self, cells: NDArray[np.int64], k: int, probes: int, owner: Any, keep: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        found: list[NDArray[np.int64]] = []
        count = 0
        for opened, cell in enumerate(cells):
            if opened >= probes and count >= k:
                break
            rows = self._order[self._starts[cell] : self._starts[cell + 1]]
            if keep is not None:
                rows = rows[keep[rows]]
            if owner is not None and self._owners is not None:
                rows = rows[self._owners[rows] != owner]
            found.append(rows)
            count += len(rows)
        return np.concatenate(found) if found else np.zeros(0, np.int64)
