"""How well classes agree with the truth.

Balanced accuracy: Brodersen et al. 2010, ICPR. Correlation of two classifications: Matthews 1975, Biochim Biophys
Acta 405:442; of more classes: Gorodkin 2004, Comput Biol Chem 28:367.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = [
    "balanced_accuracy",
    "confusion",
    "f1_macro",
    "matthews",
    "recall_by_class",
    "sensitivity_specificity",
]


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


def confusion(truth: Sequence[Any], predicted: Sequence[Any], *, classes: Sequence[Any]) -> NDArray[np.int64]:
    """Counts (k, k + 1): rows are the true classes, columns the predicted ones in the same order, and last "no
    prediction" (None). MET105 for a class that is not listed, MET106 when lengths differ."""
    recall_by_class(truth, predicted)
    place = {value: i for i, value in enumerate(classes)}
    counts = np.zeros((len(place), len(place) + 1), np.int64)
    for true, guess in zip(truth, predicted, strict=True):
        for value in (true, guess):
            if value is not None and value not in place:
                listed = ", ".join(map(str, place))
                raise TumorboardError(codes.VALUE_UNDEFINED, "classes", found=repr(value), expected=f"one of {listed}")
        counts[place[true], len(place) if guess is None else place[guess]] += 1
    return counts


def f1_macro(counts: NDArray[np.int64]) -> float | None:
    """Mean over the classes, of truth or prediction, of 2 TP / (2 TP + FP + FN), from `confusion`. A class in neither
    is left out; None without patients."""
    hits = np.diag(counts).astype(float)
    total = counts.sum(axis=1) + counts[:, : len(counts)].sum(axis=0)
    return float((2 * hits[total > 0] / total[total > 0]).mean()) if (total > 0).any() else None


def matthews(counts: NDArray[np.int64]) -> float | None:
    """Correlation of truth and prediction, -1 to 1, from `confusion`; patients without a prediction count as a class of
    their own. None when the truth, or the prediction, is all of one class."""
    square = np.zeros((counts.shape[1], counts.shape[1]))
    square[: len(counts)] = counts
    n, true, guessed = square.sum(), square.sum(axis=1), square.sum(axis=0)
    spread = (n**2 - (true**2).sum()) * (n**2 - (guessed**2).sum())
    return float((np.trace(square) * n - true @ guessed) / np.sqrt(spread)) if spread > 0 else None
