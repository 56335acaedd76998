"""How good lists of similar lesions are, and whether lesions of a type lie together.

Precision at k and mean average precision: Manning, Raghavan and Schuetze 2008, chapter 8. Purity and normalised mutual
information: the same, chapter 16 (arithmetic mean of the entropies, as in scikit-learn). Intervals resample patients:
lesions of one patient are no independent queries. A lesion of unknown type is no query, no hit and no class: callers
leave such lesions out, and what still comes here is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.intervals import Interval, bootstrap, bootstrap_ratio

__all__ = [
    "Clusters",
    "average_precisions",
    "cluster_scores",
    "contingency",
    "kmeans_clusters",
    "mean_over_patients",
    "mutual_information",
    "precisions",
    "purity",
    "size_and_location_errors",
]

Floats = NDArray[np.float64]
UNKNOWN = ("", "-1", "lesion", "None", "nan")
"""Names that stand for a type that is not known."""


class Clusters(NamedTuple):
    """Purity and normalised mutual information of k-means clusters with the types, with intervals over patients."""

    purity: Interval
    nmi: Interval
    clusters: int


def precisions(query_types: ArrayLike, hit_types: ArrayLike, *, k: int) -> Floats:
    """Share of the first `k` hits (q, m >= k) that have the type of their query (q,). Rows with fewer than k hits
    (None or -1 at the end) are divided by k all the same. MET105 for an unknown type, MET106 for shapes."""
    asked, hits = np.asarray(query_types), np.asarray(hit_types)
    if hits.ndim != 2 or len(hits) != len(asked) or k < 1 or hits.shape[1] < k:
        found = f"{asked.shape} queries, {hits.shape} hits, k = {k}"
        raise TumorboardError(codes.PAIRS_DIFFER, "precision", found=found, expected="k or more hits per query")
    require_known(asked, "types of queries")
    return np.asarray((hits[:, :k] == asked[:, None]).mean(axis=1), float)


def average_precisions(relevant: ArrayLike) -> Floats:
    """Average precision (q,) of whole rankings: `relevant` (q, n) says whether the hit at each rank has the query's
    type. NaN where nothing relevant exists: such a query has no average precision."""
    right = np.asarray(relevant, bool)
    ranks = np.arange(1, right.shape[1] + 1)
    so_far = np.cumsum(right, axis=1) / ranks
    total = right.sum(axis=1)
    return np.asarray(np.where(total > 0, (so_far * right).sum(axis=1) / np.maximum(total, 1), np.nan))


def size_and_location_errors(queries: ArrayLike, hits: ArrayLike, *, k: int) -> Floats:
    """Mean absolute difference (q, c) of c columns (location, size) between queries (q, c) and their first k hits
    (q, m, c); NaN where the query or all hits lack the column."""
    asked, found = np.asarray(queries, float), np.asarray(hits, float)[:, :k]
    if found.ndim != 3 or asked.shape != (found.shape[0], found.shape[2]):
        shapes = f"{asked.shape} queries, {found.shape} hits"
        raise TumorboardError(codes.PAIRS_DIFFER, "errors of hits", found=shapes, expected="(q, c) and (q, m, c)")
    difference = np.abs(found - asked[:, None])
    known = np.isfinite(difference)
    count = known.sum(axis=1)
    total = np.where(known, difference, 0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def mean_over_patients(values: ArrayLike, patients: Sequence[Any], *, seed: int, resamples: int = 1000) -> Interval:
    """Mean of one value per query (q,), NaN left out, with an interval from resampling the patients of the queries."""
    value, who = np.asarray(values, float), np.asarray(patients)
    if value.shape != who.shape:
        found = f"{value.shape} values, {who.shape} patients"
        raise TumorboardError(codes.PAIRS_DIFFER, "queries", found=found, expected="one patient per query")
    known = np.isfinite(value)
    names, place = np.unique(who[known], return_inverse=True)
    total = np.bincount(place, value[known], minlength=len(names))
    return bootstrap_ratio(total, np.bincount(place, minlength=len(names)), seed=seed, resamples=resamples)


def contingency(types: ArrayLike, clusters: ArrayLike) -> NDArray[np.int64]:
    """Counts (types, clusters) of lesions, both in sorted order of their names."""
    _, row = np.unique(np.asarray(types), return_inverse=True)
    _, column = np.unique(np.asarray(clusters), return_inverse=True)
    table = np.zeros((row.max(initial=-1) + 1, column.max(initial=-1) + 1), np.int64)
    np.add.at(table, (row, column), 1)
    return table


def purity(table: ArrayLike) -> float | None:
    """Share of lesions whose type is the commonest of their cluster, from counts (types, clusters). None without any.
    More clusters raise it: with one per lesion it is 1."""
    counts = np.asarray(table, float)
    return float(counts.max(axis=0).sum() / counts.sum()) if counts.sum() else None


def mutual_information(table: ArrayLike) -> float | None:
    """Normalised mutual information (0 to 1) of counts (types, clusters): mutual information over the mean of both
    entropies. 1 where both are a single group; None without lesions."""
    counts = np.asarray(table, float)
    if not counts.sum():
        return None
    joint = counts / counts.sum()
    row, column = joint.sum(axis=1), joint.sum(axis=0)
    mean = (_entropy(row) + _entropy(column)) / 2
    shared = _entropy(row) + _entropy(column) - _entropy(joint.ravel())
    return float(np.clip(shared / mean, 0, 1)) if mean > 1e-15 else 1.0


def kmeans_clusters(vectors: ArrayLike, *, clusters: int, seed: int) -> NDArray[np.int64]:
    """Cluster (n,) of each vector (n, d): scikit-learn's k-means, ten starts, the best kept."""
    from sklearn.cluster import KMeans

    points = np.asarray(vectors, float)
    return np.asarray(KMeans(min(clusters, len(points)), n_init=10, random_state=seed).fit_predict(points), np.int64)


def cluster_scores(
    types: ArrayLike,
    vectors: ArrayLike,
    patients: Sequence[Any],
    *,
    seed: int,
    clusters: int | None = None,
    resamples: int = 1000,
) -> Clusters:
    """Do k-means clusters of the vectors (n, d) match the types (n,)? As many clusters as types unless said. The
    clusters are made once, of all lesions; intervals resample patients. MET105 for a type that is not known."""
    named = np.asarray(types)
    require_known(named, "types")
    kinds, row = np.unique(named, return_inverse=True)
    count = clusters or len(kinds)
    column = kmeans_clusters(vectors, clusters=count, seed=seed)
    who, place = np.unique(np.asarray(patients), return_inverse=True)
    tables = np.zeros((len(who), len(kinds), column.max(initial=0) + 1))
    np.add.at(tables, (place, row, column), 1)
    found = [
        bootstrap(lambda part, of=of: of(part.sum(axis=0)), [tables], seed=seed, resamples=resamples)
        for of in (purity, mutual_information)
    ]
    return Clusters(found[0], found[1], count)


def require_known(types: NDArray[Any], where: str) -> None:
    """MET105 when a type is missing: -1, None, an empty word or the plain word lesion is no type."""
    bad = [str(value) for value in np.unique(types.astype(str)) if value in UNKNOWN]
    if bad:
        expected = "types that are known"
        raise TumorboardError(codes.VALUE_UNDEFINED, where, found=f"{bad[0]!r}", expected=expected)


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
