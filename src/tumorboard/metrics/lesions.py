"""Lesions found: connected components of reference and prediction, matched by rules that are options.

No two challenges count lesions alike, so that a lesion F1 without its rules cannot be compared; `LesionRules`
holds them and `describe()` prints them beside every figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.labelmaps import LabelPair

__all__ = ["LesionCounts", "LesionRules", "Lesions", "find_lesions", "found_lesions", "match_lesions"]

CONNECTIVITIES = (6, 18, 26)
MATCHINGS = ("greedy", "optimal", "merged")
SIDES = ("both", "reference", "prediction")


@dataclass(frozen=True)
class LesionRules:
    """How lesions are cut out and paired.

    Parameters
    ----------
    connectivity : 6 (faces), 18 (and edges) or 26 (and corners): which voxels touch.
    matching : ``greedy`` (pairs by falling IoU, each lesion once), ``optimal`` (each lesion once, as many
        pairs as possible) or ``merged`` (lesions linked by any overlap, over both sides,
        form one group; a group is one hit if the IoU of its two unions passes).
    iou : threshold on intersection over union.
    strict : whether a pair must exceed the threshold (``>``) or may equal it (``>=``).
    minimum_voxels : smaller components are taken away before matching, on the sides that `minimum_side` names.

    Errors: MET107 for values outside these.
    """

    connectivity: int = 26
    matching: str = "greedy"
    iou: float = 0.3
    strict: bool = True
    minimum_voxels: int = 1
    minimum_side: str = "both"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("connectivity", self.connectivity, CONNECTIVITIES),
            ("matching", self.matching, MATCHINGS),
            ("minimum_side", self.minimum_side, SIDES),
        ):
            if value not in known:
                expected = ", ".join(map(str, known))
                raise TumorboardError(codes.OPTION_UNKNOWN, name, found=repr(value), expected=expected)
        if not 0 <= self.iou <= 1:
            raise TumorboardError(codes.OPTION_UNKNOWN, "iou", found=repr(self.iou), expected="0 to 1")

    def passes(self, intersection: NDArray[Any], union: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether IoU passes; compared as ``intersection ? iou * union`` with a relative slack of 1e-12, so
        that 3 of 10 voxels is exactly 0.3."""
        goal = self.iou * np.asarray(union, float)
        hit = np.asarray(intersection, float) - goal
        slack = 1e-12 * np.maximum(goal, 1.0)
        return (hit > slack) if self.strict else (hit >= -slack)

    def describe(self) -> str:
        """The rules in one line."""
        sign = ">" if self.strict else ">="
        small = f", from {self.minimum_voxels} voxels ({self.minimum_side})" if self.minimum_voxels > 1 else ""
        return f"{self.connectivity}-connected, {self.matching} matching, IoU {sign} {self.iou:g}{small}"


@dataclass(frozen=True)
class Lesions:
    """Components of one label: voxels of each on both sides, and of each overlapping pair.

    `reference_voxels` (n,), `prediction_voxels` (m,); `pairs` (k, 2) indices into both, `overlap` (k,) voxels.
    """

    reference_voxels: NDArray[np.int64]
    prediction_voxels: NDArray[np.int64]
    pairs: NDArray[np.int64]
    overlap: NDArray[np.int64]

    def missed_voxels(self) -> int:
        """Voxels of reference components that no predicted voxel touches (autoPET's false negatives)."""
        alone = np.ones(len(self.reference_voxels), bool)
        alone[self.pairs[:, 0]] = False
        return int(self.reference_voxels[alone].sum())

    def invented_voxels(self) -> int:
        """Voxels of predicted components that touch no reference voxel (autoPET's false positives)."""
        alone = np.ones(len(self.prediction_voxels), bool)
        alone[self.pairs[:, 1]] = False
        return int(self.prediction_voxels[alone].sum())


@dataclass(frozen=True)
class LesionCounts:
    """Hits, false alarms and misses; ratios are None where nothing stands below the line."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float | None:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        whole = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / whole if whole else None


def find_lesions(pair: LabelPair, values: list[int], *, connectivity: int = 26) -> dict[int, Lesions]:
    """Connected components of every label in one pass. Components of different labels never join."""
    import cc3d

    from tumorboard.metrics import kernels

    parts_r, n_r = cc3d.connected_components(pair.reference, connectivity=connectivity, return_N=True)
    parts_p, n_p = cc3d.connected_components(pair.prediction, connectivity=connectivity, return_N=True)
    size_r, size_p, value_r, value_p, runs = kernels.component_runs(
        pair.reference, pair.prediction, parts_r, parts_p, pair.first, pair.last, int(n_r), int(n_p)
    )
    key, inverse = np.unique(runs[:, 0] * (int(n_p) + 1) + runs[:, 1], return_inverse=True)
    overlap = np.bincount(inverse, weights=runs[:, 2], minlength=len(key)).astype(np.int64)
    x, y = np.divmod(key, int(n_p) + 1)
    results = {}
    for value in values:
        mine_r, mine_p = value_r == value, value_p == value
        mine_r[0] = mine_p[0] = False
        index_r, index_p = np.cumsum(mine_r) - 1, np.cumsum(mine_p) - 1
        shared = mine_r[x] & mine_p[y]
        pairs = np.stack([index_r[x[shared]], index_p[y[shared]]], axis=1)
        results[value] = Lesions(size_r[mine_r], size_p[mine_p], pairs, overlap[shared])
    return results


def match_lesions(lesions: Lesions, rules: LesionRules) -> LesionCounts:
    """Count hits by the rules."""
    lesions = _large_enough(lesions, rules)
    n, m = len(lesions.reference_voxels), len(lesions.prediction_voxels)
    if rules.matching == "merged":
        return _merged(lesions, rules)
    a, b = lesions.pairs.T
    union = lesions.reference_voxels[a] + lesions.prediction_voxels[b] - lesions.overlap
    good = rules.passes(lesions.overlap, union)
    a, b, iou = a[good], b[good], lesions.overlap[good] / union[good]
    tp = _greedy(a, b, iou) if rules.matching == "greedy" else _optimal(a, b, iou)
    return LesionCounts(tp, m - tp, n - tp)


def found_lesions(lesions: Lesions, rules: LesionRules) -> NDArray[np.bool_]:
    """Which reference lesions (n,) are hits by the rules; a lesion that the rules leave out for its size is none."""
    small = _large_enough(lesions, rules)
    kept = lesions.reference_voxels >= (rules.minimum_voxels if rules.minimum_side != "prediction" else 0)
    hit = np.zeros(len(small.reference_voxels), bool)
    if rules.matching == "merged":
        hit = _merged_hits(small, rules)[0]
    else:
        a, b = small.pairs.T
        union = small.reference_voxels[a] + small.prediction_voxels[b] - small.overlap
        good = rules.passes(small.overlap, union)
        iou = small.overlap[good] / union[good]
        paired = _greedy_pairs(a[good], b[good], iou) if rules.matching == "greedy" else _paired(a[good], b[good])
        hit[sorted(paired)] = True
    found = np.zeros(len(lesions.reference_voxels), bool)
    found[np.flatnonzero(kept)] = hit
    return found


def _large_enough(lesions: Lesions, rules: LesionRules) -> Lesions:
    if rules.minimum_voxels <= 1:
        return lesions
    keep_r = lesions.reference_voxels >= (rules.minimum_voxels if rules.minimum_side != "prediction" else 0)
    keep_p = lesions.prediction_voxels >= (rules.minimum_voxels if rules.minimum_side != "reference" else 0)
    kept = keep_r[lesions.pairs[:, 0]] & keep_p[lesions.pairs[:, 1]]
    index = np.stack(
        [(np.cumsum(keep_r) - 1)[lesions.pairs[kept, 0]], (np.cumsum(keep_p) - 1)[lesions.pairs[kept, 1]]], axis=1
    )
    return Lesions(lesions.reference_voxels[keep_r], lesions.prediction_voxels[keep_p], index, lesions.overlap[kept])


def _greedy(a: NDArray[np.int64], b: NDArray[np.int64], iou: NDArray[np.float64]) -> int:
    return len(_greedy_pairs(a, b, iou))


def _greedy_pairs(a: NDArray[np.int64], b: NDArray[np.int64], iou: NDArray[np.float64]) -> set[int]:
    """The reference lesions that get a partner."""
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    for place in np.lexsort((b, a, -iou)).tolist():
        x, y = int(a[place]), int(b[place])
        if x not in taken_a and y not in taken_b:
            taken_a.add(x)
            taken_b.add(y)
    return taken_a


def _optimal(a: NDArray[np.int64], b: NDArray[np.int64], iou: NDArray[np.float64]) -> int:
    """Only the number of pairs counts towards TP, and a largest assignment has the most of them."""
    return len(_paired(a, b))


def _paired(a: NDArray[np.int64], b: NDArray[np.int64]) -> set[int]:
    """The reference lesions of a largest assignment."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not len(a):
        return set()
    lesions, rows = np.unique(a, return_inverse=True)
    columns = np.unique(b, return_inverse=True)[1]
    graph = coo_array((np.ones(len(a), np.int8), (rows, columns))).tocsr()
    return set(lesions[maximum_bipartite_matching(graph, perm_type="column") >= 0].tolist())


def _merged(lesions: Lesions, rules: LesionRules) -> LesionCounts:
    if not len(lesions.reference_voxels) + len(lesions.prediction_voxels):
        return LesionCounts(0, 0, 0)
    hit_r, hit_p, groups = _merged_hits(lesions, rules)
    return LesionCounts(groups, int((~hit_p).sum()), int((~hit_r).sum()))


def _merged_hits(lesions: Lesions, rules: LesionRules) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
    """Whether each reference and predicted lesion is in a group that passes, and how many groups pass."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, m = len(lesions.reference_voxels), len(lesions.prediction_voxels)
    if not n + m:
        return np.zeros(0, bool), np.zeros(0, bool), 0
    a, b = lesions.pairs[:, 0], lesions.pairs[:, 1] + n
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n + m, n + m))
    groups, group = connected_components(graph, directed=False)
    of_r, of_p = group[:n], group[n:]
    intersection = np.bincount(group[a], weights=lesions.overlap, minlength=groups)
    union = (
        np.bincount(of_r, weights=lesions.reference_voxels, minlength=groups)
        + np.bincount(of_p, weights=lesions.prediction_voxels, minlength=groups)
        - intersection
    )
    hit = rules.passes(intersection, union) & (intersection > 0)
    return hit[of_r], hit[of_p], int(hit.sum())
