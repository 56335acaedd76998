"""How well classes and probabilities of classes agree with the truth.

Balanced accuracy: Brodersen et al. 2010, ICPR. AUC as the Mann-Whitney statistic: Hanley and McNeil 1982,
Radiology 143:29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["auc", "balanced_accuracy", "recall_by_class", "sensitivity_specificity"]


def recall_by_class(truth: Sequence[Any], predicted: Sequence[Any]) -> dict[Any, tuple[int, int]]:
    """(recognised, patients) of each class of the truth. A missing prediction (None) is an error of its class.
    MET106 when lengths differ, MET105 when a truth is None."""
    if len(truth) != len(predicted):
        found = f"{len(truth)} truths, {len(predicted)} predictions"
        raise TumorboardError(codes.PAIRS_DIFFER, "classes", found=found, expected="one of each per patient")
    if any(value is None for value in truth):
        raise TumorboardError(codes.VALUE_UNDEFINED, "truth", found="patients without a class", expected="a class each")
    counts: dict[Any, tuple[int, int]] = {}
    for true, guess in zip(truth, predicted, strict=True):
        hits, n = counts.get(true, (0, 0))
        counts[true] = hits + int(true == guess), n + 1
    return counts


def balanced_accuracy(truth: Sequence[Any], predicted: Sequence[Any]) -> float | None:
    """Mean over the classes of the truth of the share recognised; classes that only the prediction knows count
    as errors of the others. None without patients."""
    counts = recall_by_class(truth, predicted)
    return float(np.mean([hits / n for hits, n in counts.values()])) if counts else None


def sensitivity_specificity(
    truth: Sequence[Any], predicted: Sequence[Any], *, positive: Any
) -> tuple[float | None, float | None]:
    """Share of positives and share of others recognised (two classes: other means not `positive`)."""
    is_true = [value == positive for value in truth]
    is_guess: list[bool | None] = [None if value is None else value == positive for value in predicted]
    counts = recall_by_class(is_true, is_guess)
    ratios = [counts[side][0] / counts[side][1] if side in counts else None for side in (True, False)]
    return ratios[0], ratios[1]


def auc(positive: ArrayLike, score: ArrayLike) -> float | None:
    """Area under the ROC curve: chance that a positive scores above a negative, ties one half; O(n log n).

    positive (n,) bool, score (n,). None when one class is absent. MET106 (lengths), MET105 (NaN scores).
    """
    truth, value = np.asarray(positive, bool), np.asarray(score, float)
    if truth.shape != value.shape or truth.ndim != 1:
        found = f"shapes {truth.shape}, {value.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, "AUC", found=found, expected="two arrays (n,)")
    if np.isnan(value).any():
        found = f"{int(np.isnan(value).sum())} of {len(value)} NaN"
        raise TumorboardError(codes.VALUE_UNDEFINED, "score", found=found, expected="a score each")
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    wins = _mid_ranks(value)[truth].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def _mid_ranks(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(value, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
