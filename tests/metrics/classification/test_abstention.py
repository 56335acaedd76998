"""Answers for some patients only."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.classification.abstention import (
    balanced_accuracy_at_coverage,
    class_sets,
    class_thresholds,
    risk_coverage,
)
from tumorboard.metrics.intervals import bootstrap


def test_curve_by_hand() -> None:
    truth, told, sure = [1, 0, 1, 0], [1, 0, 0, 1], [0.9, 0.8, 0.2, 0.1]
    half, whole = risk_coverage(truth, told, sure, coverages=[0.5, 1.0])
    assert (half.n, half.balanced_accuracy, half.error) == (2, 1.0, 0.0)
    assert (whole.n, whole.balanced_accuracy, whole.error) == (4, 0.5, 0.5)
    assert balanced_accuracy_at_coverage(truth, told, sure, coverage=0.5) == 1.0


def test_answering_one_class_alone_is_undefined() -> None:
    assert balanced_accuracy_at_coverage([1, 1, 0, 0], [1, 1, 0, 0], [4, 3, 2, 1], coverage=0.5) is None


def test_sets_miss_no_more_of_each_class_than_stated() -> None:
    rng = np.random.default_rng(1)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = (rng.random(n) < 0.2).astype(int)
        p = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y)))
        return y, np.column_stack([1 - p, p])

    missed = []
    for _ in range(200):  # a rare class: sets without regard to the class would miss it more often
        y, p = draw(400)
        thresholds = class_thresholds(y, p, miss=0.1)
        new, q = draw(400)
        held = class_sets(q, thresholds)[np.arange(400), new]
        missed.append([1 - held[new == k].mean() for k in (0, 1)])
    mean = np.mean(missed, axis=0)
    assert (mean <= 0.11).all() and (mean >= 0.08).all()


def test_too_few_of_a_class_leave_it_in_every_set() -> None:
    p = np.array([[0.9, 0.1]] * 30 + [[0.2, 0.8]] * 5)
    thresholds = class_thresholds([0] * 30 + [1] * 5, p, miss=0.1)
    assert thresholds.tolist() == [0.9, -np.inf]
    assert class_sets([[0.95, 0.05]], thresholds).tolist() == [[True, True]]


def test_stratified_resamples_keep_the_classes() -> None:
    y = np.array([1] * 3 + [0] * 40)
    interval = bootstrap(lambda v: float(v.sum()), [y], seed=0, strata=y)
    assert (interval.low, interval.high) == (3.0, 3.0)
    assert bootstrap(lambda v: float(v.sum()), [y], seed=0).high > 3


def test_refusals() -> None:
    with pytest.raises(TumorboardError) as error:
        risk_coverage([1], [1], [np.nan])
    assert error.value.code.id == "MET105"
    with pytest.raises(TumorboardError) as error:
        risk_coverage([1], [1, 0], [0.1, 0.2])
    assert error.value.code.id == "MET106"
