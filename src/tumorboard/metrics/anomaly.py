"""How well a map of scores tells tumour from normal: voxels of one patient, of all patients, slices, and masks.

Average precision is the step-wise area under precision and recall (Davis and Goadrich 2006, ICML), AUC the Mann-Whitney
statistic (Hanley and McNeil 1982); equal scores are never told apart. The best Dice of a patient over all thresholds is
an oracle's, since it is chosen on that patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["Ranking", "ScoreCounts", "choose_threshold", "dice_at", "pooled_ranking", "rank_voxels", "slice_score"]

Floats = NDArray[np.float32]
BINS = 1 << 16


class Ranking(NamedTuple):
    """Figures of one set of voxels; None where one class is absent. `oracle_dice` is reached at `oracle_threshold`
    (positive: score >= it)."""

    auroc: float | None
    auprc: float | None
    prevalence: float
    oracle_dice: float | None
    oracle_threshold: float | None


def rank_voxels(positive: ArrayLike, score: ArrayLike) -> Ranking:
    """Exact figures of voxels (n,). MET106 for other shapes, MET105 for scores that are no numbers."""
    truth, value = _checked(positive, score)
    hits = np.sort(value[truth])
    rest = np.sort(value[~truth])
    if not len(hits) or not len(rest):
        return Ranking(None, 1.0 if len(hits) else None, float(len(hits) > 0), None, None)
    distinct, first = np.unique(hits, return_index=True)
    tp = len(hits) - first
    fp = len(rest) - np.searchsorted(rest, distinct, side="left")
    share = np.diff(np.r_[first, len(hits)]) / len(hits)
    auprc = float((share * (tp / (tp + fp))).sum())
    below = np.searchsorted(rest, distinct, side="left")
    equal = np.searchsorted(rest, distinct, side="right") - below
    auroc = float((share * (below + 0.5 * equal)).sum() / len(rest))
    dice = 2 * tp / (tp + fp + len(hits))
    best = int(np.argmax(dice))
    prevalence = len(hits) / len(value)
    return Ranking(auroc, auprc, prevalence, float(dice[best]), float(distinct[best]))


def dice_at(positive: ArrayLike, score: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Dice of ``score >= threshold`` for each threshold; NaN where truth and answer are both empty, 0 where one is."""
    truth, value = _checked(positive, score)
    at = np.asarray(thresholds, np.float32).reshape(-1)
    hits, rest = np.sort(value[truth]), np.sort(value[~truth])
    tp = len(hits) - np.searchsorted(hits, at, side="left")
    fp = len(rest) - np.searchsorted(rest, at, side="left")
    below = tp + fp + len(hits)
    return np.where(below > 0, 2 * tp / np.maximum(below, 1), np.nan)


def choose_threshold(patients: Sequence[tuple[ArrayLike, ArrayLike]], *, candidates: int = 200) -> float | None:
    """The threshold of the highest mean Dice over patients (truth, score); None without any positive. Candidates are
    quantiles of the scores of positive voxels, every patient counting alike."""
    found = []
    for truth, score in patients:
        positive = np.asarray(score, np.float32)[np.asarray(truth, bool)]
        if len(positive):
            found.append(np.quantile(positive, np.linspace(0, 1, candidates)))
    if not found:
        return None
    tried = np.unique(np.quantile(np.concatenate(found), np.linspace(0, 1, candidates)).astype(np.float32))
    dice = np.nanmean([dice_at(truth, score, tried) for truth, score in patients if np.any(truth)], axis=0)
    return float(tried[int(np.argmax(dice))])


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """Voxels of one patient by score: `positive` and `negative` (m,) in the bins `place` (m,), which grow with falling
    score. A bin holds the scores that agree in their first two to three figures (float32 cut to 16 bits)."""

    place: NDArray[np.int64]
    positive: NDArray[np.int64]
    negative: NDArray[np.int64]

    @classmethod
    def of(cls, positive: ArrayLike, score: ArrayLike) -> ScoreCounts:
        truth, value = _checked(positive, score)
        bits = np.ascontiguousarray(value + np.float32(0)).view(np.uint32)  # -0 and 0 are one score
        rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
        place = (BINS - 1 - (rising >> 16)).astype(np.int64)
        hits, rest = (np.bincount(place[part], minlength=BINS) for part in (truth, ~truth))
        used = np.flatnonzero(hits + rest)
        return cls(used, hits[used], rest[used])


def pooled_ranking(
    counts: Sequence[ScoreCounts], weights: ArrayLike | None = None
) -> list[tuple[float | None, float | None]]:
    """AUC and average precision over the voxels of all patients together, for each row of `weights` (draws, patients):
    how often each patient counts (default: one row of ones)."""
    n = len(counts)
    drawn = np.ones((1, n)) if weights is None else np.asarray(weights, float).reshape(-1, n)
    used = np.unique(np.concatenate([one.place for one in counts])) if n else np.zeros(0, np.int64)
    positive, negative = np.zeros((n, len(used))), np.zeros((n, len(used)))
    for row, one in enumerate(counts):
        at = np.searchsorted(used, one.place)
        positive[row, at], negative[row, at] = one.positive, one.negative
    return [_of_bins(w @ positive, w @ negative) for w in drawn]


def _of_bins(positive: NDArray[Any], negative: NDArray[Any]) -> tuple[float | None, float | None]:
    tp, fp = np.cumsum(positive), np.cumsum(negative)
    if not len(tp) or tp[-1] <= 0:
        return None, None
    seen = tp + fp
    auprc = float((positive / tp[-1] * np.divide(tp, seen, out=np.zeros_like(tp), where=seen > 0)).sum())
    if fp[-1] <= 0:
        return None, auprc
    auroc = float((positive * (fp[-1] - fp + 0.5 * negative)).sum() / (tp[-1] * fp[-1]))
    return auroc, auprc


def slice_score(score: NDArray[Any], body: NDArray[np.bool_], *, pixel_mm2: float, area_mm2: float) -> float | None:
    """Mean over the highest-scoring area of a slice's body: a maximum would grow with noise and with the size of the
    slice. All of a body that is smaller; None without a body."""
    values = score[body]
    if not values.size:
        return None
    k = min(max(round(area_mm2 / pixel_mm2), 1), values.size)
    return float(np.partition(values, values.size - k)[values.size - k :].mean())


def _checked(positive: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    truth, value = np.asarray(positive, bool).reshape(-1), np.asarray(score, np.float32).reshape(-1)
    if truth.shape != value.shape:
        found = f"{truth.size} voxels and {value.size} scores"
        raise TumorboardError(codes.PAIRS_DIFFER, "scores", found=found, expected="one score per voxel")
    if not np.isfinite(value).all():
        found = f"{int((~np.isfinite(value)).sum())} of {value.size} not finite"
        raise TumorboardError(codes.VALUE_UNDEFINED, "scores", found=found, expected="a number each")
    return truth, value
