"""How well scores order the patients of two or more classes.

AUC as the Mann-Whitney statistic: Hanley and McNeil 1982, Radiology 143:29. Average precision: the step-wise area
under precision and recall, without interpolation (Davis and Goadrich 2006, ICML).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = [
    "OperatingPoint",
    "auc",
    "average_precision",
    "one_versus_rest_auc",
    "roc_points",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auc(positive: ArrayLike, score: ArrayLike) -> float | None:
    """Area under the ROC curve: chance that a positive scores above a negative, ties one half; O(n log n).

    positive (n,) bool, score (n,). None when one class is absent. MET106 (lengths), MET105 (NaN scores).
    """
    truth, value = aligned(positive, score, "AUC")
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    wins = _mid_ranks(value)[truth].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def one_versus_rest_auc(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean over the classes present of the AUC of that class against the others.

    truth (n,) class numbers, probabilities (n, k). With two classes this is `auc` of the second. None when fewer than
    two classes are present. MET106, MET105.
    """
    y, p = np.asarray(truth), np.asarray(probabilities, float)
    if p.ndim != 2 or len(p) != len(y):
        found = f"shapes {y.shape}, {p.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, "AUC", found=found, expected="(n,) classes, (n, k) probabilities")
    present = [k for k in range(p.shape[1]) if (y == k).any()]
    if len(present) < 2:
        return None
    if p.shape[1] == 2:
        return auc(y == 1, p[:, 1])
    return float(np.mean([auc(y == k, p[:, k]) for k in present]))


def average_precision(positive: ArrayLike, score: ArrayLike) -> float | None:
    """Area under precision and recall as a sum of steps over the distinct scores; the share of positives is its value
    by chance. None without positives. MET106, MET105."""
    truth, value = aligned(positive, score, "average precision")
    if not truth.any():
        return None
    hits, flagged = _counts_from_highest(truth, value)
    gained = np.diff(np.r_[0.0, hits]) / truth.sum()
    return float((gained * hits / flagged).sum())


class OperatingPoint(NamedTuple):
    """A threshold (positive: score >= it; infinite: nobody) and what it gives."""

    threshold: float
    sensitivity: float
    specificity: float


def roc_points(positive: ArrayLike, score: ArrayLike) -> list[OperatingPoint]:
    """Every point of the ROC curve, from nobody positive to everybody; empty when one class is absent."""
    truth, value = aligned(positive, score, "ROC curve")
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return []
    hits, flagged = _counts_from_highest(truth, value)
    thresholds = np.unique(value)[::-1]
    found = [OperatingPoint(float("inf"), 0.0, 1.0)]
    for threshold, hit, all_flagged in zip(thresholds, hits, flagged, strict=True):
        wrong = all_flagged - hit
        found.append(OperatingPoint(float(threshold), float(hit / positives), float(1 - wrong / negatives)))
    return found


def specificity_at_sensitivity(positive: ArrayLike, score: ArrayLike, *, sensitivity: float) -> OperatingPoint | None:
    """The point of highest specificity that has at least the given sensitivity; None when one class is absent. The
    threshold is chosen on these very patients: a figure of description, not of a rule fixed beforehand."""
    able = [point for point in roc_points(positive, score) if point.sensitivity >= sensitivity]
    return max(able, key=lambda point: (point.specificity, point.sensitivity), default=None)


def sensitivity_at_specificity(positive: ArrayLike, score: ArrayLike, *, specificity: float) -> OperatingPoint | None:
    """The point of highest sensitivity that has at least the given specificity; see `specificity_at_sensitivity`."""
    able = [point for point in roc_points(positive, score) if point.specificity >= specificity]
    return max(able, key=lambda point: (point.sensitivity, point.specificity), default=None)


def aligned(positive: ArrayLike, score: ArrayLike, where: str) -> tuple[Bools, Floats]:
    """Both as arrays (n,). MET106 when shapes differ, MET105 for NaN."""
    truth, value = np.asarray(positive, bool), np.asarray(score, float)
    if truth.shape != value.shape or truth.ndim != 1:
        found = f"shapes {truth.shape}, {value.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, where, found=found, expected="two arrays (n,)")
    if np.isnan(value).any():
        found = f"{int(np.isnan(value).sum())} of {len(value)} NaN"
        raise TumorboardError(codes.VALUE_UNDEFINED, "score", found=found, expected="a score each")
    return truth, value


def _counts_from_highest(truth: Bools, value: Floats) -> tuple[Floats, Floats]:
    """True positives and flagged patients at each distinct score, from the highest down."""
    _, place = np.unique(-value, return_inverse=True)
    flagged = np.cumsum(np.bincount(place)).astype(float)
    hits = np.cumsum(np.bincount(place, weights=truth.astype(float)))
    return hits, flagged


def _mid_ranks(value: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(value, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks
