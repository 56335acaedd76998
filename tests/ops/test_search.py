"""Search: equal to the plain double loop, with every filter, ties, and for every path through the code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.ops.search import Metric, VectorIndex
from tumorboard.ops.search_cells import CellIndex


def vectors(n: int, d: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Clustered vectors, some of them equal to one another."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, d))
    made = (centres[rng.integers(0, 12, n)] + 0.3 * rng.normal(size=(n, d))).astype(np.float32)
    made[n // 2 : n // 2 + 20] = made[min(3, n - 1)]
    return made


def plain(
    x: NDArray[Any], queries: NDArray[Any], k: int, metric: Metric, forbidden: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All distances in double precision, sorted by distance and then by row; `forbidden` (q, n)."""
    a, b = queries.astype(float), x.astype(float)
    if metric == "cosine":
        a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
        distance = 1 - a @ b.T
    else:
        distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    distance = np.where(forbidden, np.inf, np.round(distance, 12))
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distance, order, axis=1)


@pytest.mark.parametrize("metric", ["cosine", "euclid"])
@pytest.mark.parametrize("count", [1, 20, 300])
@pytest.mark.parametrize("filtered", [False, True])
def test_it_is_the_plain_double_loop(metric: Metric, count: int, filtered: bool) -> None:
    """One query (8-bit copies and not), a few (struck filters) and many (compiled loops, gathered filters)."""
    x = vectors(9000 if count == 1 else 1500, 24)
    rng = np.random.default_rng(1)
    owners, keep = rng.integers(0, 700, len(x)), rng.random(len(x)) < 0.4
    queries, mine = x[:count] + np.float32(0.01), owners[:count]
    forbidden = (mine[:, None] == owners[None]) | (~keep[None] if filtered else False)
    expected, distance = plain(x, queries, 10, metric, forbidden)
    for compact in (False, True):
        index = VectorIndex(x, metric=metric, owners=owners, compact=compact)
        found = index.search(queries, 10, owners=mine, keep=keep if filtered else None)
        assert np.abs(found.distances - distance).max() < 1e-9
        # Rows that differ are ties of the double loop's own rounding.
        assert (found.rows == expected).mean() > 0.999
        assert not (owners[found.rows] == mine[:, None]).any()


def test_ties_go_to_the_lower_row_on_every_path() -> None:
    """Trap 7. More equal vectors than any list of candidates has room for."""
    x = np.tile(np.array([[1.0, 0.0]], np.float32), (2000, 1))
    x[500] = (0.0, 1.0)
    for queries in (x[:1], x[:200]):
        for compact in (False, True):
            found = VectorIndex(x, compact=compact).search(queries, 4)
            assert found.rows.tolist() == [[0, 1, 2, 3]] * len(queries)
            assert np.array_equal(found.distances, np.zeros((len(queries), 4)))


def test_the_printed_distance_belongs_to_the_printed_hit() -> None:
    """Trap 7: the public viewer skips the nearest hit and prints the distance of another row."""
    x = np.eye(4, dtype=np.float32) * np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
    found = VectorIndex(x, metric="euclid", owners=["a", "b", "b", "c"]).search([[0.0, 2.0, 0.0, 0.0]], 3, owners=["a"])
    assert found.rows.tolist() == [[1, 2, 3]]  # the first hit is the nearest, at distance 0
    assert found.distances[0] == pytest.approx([0.0, 13**0.5, 20**0.5])


def test_fewer_vectors_than_asked_for() -> None:
    index = VectorIndex(np.random.default_rng(0).normal(size=(6, 3)), owners=[1, 1, 1, 2, 2, 3])
    found = index.search(vectors(2, 3, seed=1), 4, owners=[1, 9])
    assert (found.rows[0] >= 0).tolist() == [True, True, True, False] and np.isnan(found.distances[0, 3])
    assert (found.rows[1] >= 0).all()
    nothing = index.search(vectors(2, 3), 4, keep=np.zeros(6, bool))
    assert (nothing.rows == -1).all() and np.isnan(nothing.distances).all()
    assert index.search(np.zeros((0, 3), np.float32), 4).rows.shape == (0, 4)


@pytest.mark.parametrize("filtered", [False, True])
def test_one_hit_per_owner(filtered: bool) -> None:
    x, rng = vectors(800, 8), np.random.default_rng(3)
    owners, keep = rng.integers(0, 9, 800), rng.random(800) < (0.5 if filtered else 2)
    index = VectorIndex(x, metric="euclid", owners=owners)
    found = index.search(x[:15], 5, owners=owners[:15], keep=keep, distinct=True)
    for place in range(15):
        distance = np.linalg.norm(x.astype(float) - x[place], axis=1)
        distance[(owners == owners[place]) | ~keep] = np.inf
        nearest = sorted(distance[owners == owner].min() for owner in range(9) if owner != owners[place])
        assert found.distances[place] == pytest.approx(nearest[:5], abs=1e-9)
        assert len(set(owners[found.rows[place]])) == 5


def test_what_cannot_be_searched_is_refused() -> None:
    good = vectors(5, 3)
    for bad in (np.full((2, 3), np.nan), np.zeros((2, 3)), np.zeros((2, 2)), np.array(["a"]), np.full((2, 3), 1e30)):
        with pytest.raises(TumorboardError, match="OPS121"):
            VectorIndex(good).search(bad, 1)
    assert VectorIndex(good, metric="euclid").search(np.zeros((1, 3)), 1).rows.shape == (1, 1)
    for wrong in ({"k": 0}, {"k": 1, "keep": np.ones(4, bool)}, {"k": 1, "owners": [1, 2]}):
        with pytest.raises(TumorboardError, match="OPS122"):
            VectorIndex(good).search(good[:1], **wrong)  # type: ignore[arg-type]
    with pytest.raises(TumorboardError, match="OPS122"):
        VectorIndex(good, metric="manhattan")  # type: ignore[arg-type]
    with pytest.raises(TumorboardError, match="OPS122"):
        VectorIndex(good, owners=[1])


def test_cells_with_all_probes_are_the_exact_search_and_with_few_nearly() -> None:
    x, rng = vectors(3000, 16), np.random.default_rng(2)
    owners, keep = rng.integers(0, 300, 3000), rng.random(3000) < 0.5
    exact = VectorIndex(x, owners=owners).search(x[:40], 10, owners=owners[:40], keep=keep)
    cells = CellIndex(x, seed=0, owners=owners, cells=30)
    whole = cells.search(x[:40], 10, owners=owners[:40], keep=keep, probes=30)
    assert np.array_equal(whole.rows, exact.rows) and np.allclose(whole.distances, exact.distances, atol=1e-12)
    few = cells.search(x[:40], 10, owners=owners[:40], keep=keep, probes=4)
    assert not (owners[few.rows] == owners[:40, None]).any() and keep[few.rows].all()
    share = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(few.rows.tolist(), exact.rows.tolist(), strict=True)])
    assert share > 0.8
    again = CellIndex(x, seed=0, owners=owners, cells=30).search(x[:40], 10, probes=2)
    assert np.array_equal(again.rows, cells.search(x[:40], 10, probes=2).rows)
