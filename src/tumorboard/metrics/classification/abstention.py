"""Answers for some patients only: what is gained, and how many are left without one.

Risk and coverage: El-Yaniv and Wiener 2010, JMLR 11:1605. Sets of classes with a stated chance to hold the true one,
class by class: Vovk 2012, ACML (Mondrian conformal prediction).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.classification.classes import balanced_accuracy

__all__ = [
    "CoveragePoint",
    "balanced_accuracy_at_coverage",
    "class_sets",
    "class_thresholds",
    "order_of_answers",
    "risk_coverage",
]

Floats = NDArray[np.float64]


class CoveragePoint(NamedTuple):
    """`coverage`: share of the patients who are answered; `balanced_accuracy` among them (None without any)."""

    coverage: float
    n: int
    balanced_accuracy: float | None
    error: float | None


def _ordered(
    truth: ArrayLike, predicted: ArrayLike, confidence: ArrayLike
) -> tuple[NDArray[np.intp], list[Any], list[Any]]:
    y, guess, sure = np.asarray(truth), np.asarray(predicted), np.asarray(confidence, float)
    if not y.shape == guess.shape == sure.shape or y.ndim != 1:
        found = f"shapes {y.shape}, {guess.shape}, {sure.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, "abstention", found=found, expected="three arrays (n,)")
    if np.isnan(sure).any():
        raise TumorboardError(codes.VALUE_UNDEFINED, "confidence", found="NaN", expected="a number each")
    return np.argsort(-sure, kind="stable"), y.tolist(), guess.tolist()


def risk_coverage(
    truth: ArrayLike, predicted: ArrayLike, confidence: ArrayLike, *, coverages: ArrayLike | None = None
) -> list[CoveragePoint]:
    """Balanced accuracy and error of the most confident patients, for each share of the patients.

    truth, predicted (n,) classes, confidence (n,): higher is surer, ties keep the order of the patients. `coverages`:
    default 0.05 to 1 by 0.05. The patients are ranked among themselves: a description of a test set, not a rule that a
    single patient could be held against. A share of which one class is absent: the mean is over the classes present.
    """
    order, y, guess = _ordered(truth, predicted, confidence)
    points = []
    for share in np.asarray(np.arange(1, 21) / 20 if coverages is None else coverages, float):
        kept = order[: int(np.floor(share * len(order) + 1e-9))]
        answered = [y[i] for i in kept], [guess[i] for i in kept]
        error = float(np.mean([a != b for a, b in zip(*answered, strict=True)])) if len(kept) else None
        points.append(CoveragePoint(float(share), len(kept), balanced_accuracy(*answered), error))
    return points


def balanced_accuracy_at_coverage(
    truth: ArrayLike, predicted: ArrayLike, confidence: ArrayLike, *, coverage: float
) -> float | None:
    """Balanced accuracy of the most confident `coverage` of the patients; None when one of the classes of the truth is
    not among them (an abstention that answers one class alone is no classification)."""
    order, y, guess = _ordered(truth, predicted, confidence)
    kept = order[: int(np.floor(coverage * len(order) + 1e-9))]
    if {y[i] for i in kept} != set(y):
        return None
    return balanced_accuracy([y[i] for i in kept], [guess[i] for i in kept])


def order_of_answers(probabilities: ArrayLike, predicted: ArrayLike, sureness: ArrayLike) -> Floats:
    """Place (n,) of each patient of a group, from 0 (the first to be left without an answer) to just under 1: whoever
    is left is meant to have the highest balanced accuracy that the model itself expects. No class is looked at.

    probabilities (n, k) as the model believes them of this group, predicted (n,) class numbers, sureness (n,) compares
    patients who were told the same class. Patients go one by one: of the least sure of each class told, the one without
    whom the expected balanced accuracy (mean over classes of the share of its expected patients who are told it) is
    highest; the last one told a class stays until only such are left. So neither a common class takes all the answers
    nor a fixed share of each told class is kept where one of them is mostly wrong.
    """
    p, told, sure = np.asarray(probabilities, float), np.asarray(predicted), np.asarray(sureness, float)
    n, k = p.shape
    queues = [np.flatnonzero(told == c)[np.argsort(sure[told == c], kind="stable")].tolist() for c in range(k)]
    expected = p.sum(axis=0)
    right = np.array([p[told == c, c].sum() for c in range(k)])
    place, gone = np.zeros(n), [0] * k
    for step in range(n):
        left = [len(queue) - done for queue, done in zip(queues, gone, strict=True)]
        open_to = [c for c in range(k) if left[c] > 1] or [c for c in range(k) if left[c]]
        without = {c: _expected_without(p[queues[c][gone[c]]], c, right, expected) for c in open_to}
        c = max(open_to, key=lambda one: without[one])
        who = queues[c][gone[c]]
        expected, right[c], place[who] = expected - p[who], right[c] - p[who, c], step / n
        gone[c] += 1
    return place


def _expected_without(p: Floats, told: int, right: Floats, expected: Floats) -> float:
    """Expected balanced accuracy when a patient with probabilities (k,), told class `told`, is left out."""
    hits = right.copy()
    hits[told] -= p[told]
    return float((hits / np.maximum(expected - p, 1e-12)).mean())


def class_thresholds(truth: ArrayLike, probabilities: ArrayLike, *, miss: float) -> Floats:
    """Threshold (k,) of each class: a set of the classes whose probability reaches theirs leaves out the true class in
    at most `miss` of the patients of each class, if they come as these did.

    truth (n,) class numbers of patients who did not train the model, probabilities (n, k). A class with fewer than
    1 / miss - 1 patients gets minus infinity: it is in every set.
    """
    y, p = np.asarray(truth), np.asarray(probabilities, float)
    found = np.full(p.shape[1], -np.inf)
    for k in range(p.shape[1]):
        mine = np.sort(p[y == k, k])
        place = int(np.floor(miss * (len(mine) + 1)))
        if place >= 1:
            found[k] = mine[place - 1]
    return found


def class_sets(probabilities: ArrayLike, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """(n, k): whether a class is in the patient's set. One class: an answer; several or none: an abstention."""
    sets: NDArray[np.bool_] = np.asarray(probabilities, float) >= np.asarray(thresholds, float)
    return sets
