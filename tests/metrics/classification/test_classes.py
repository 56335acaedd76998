"""Classes against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.classification import auc, balanced_accuracy, recall_by_class, sensitivity_specificity


def test_balanced_accuracy_by_hand() -> None:
    truth = ["+", "+", "+", "-"]
    assert balanced_accuracy(truth, ["+", "+", "+", "+"]) == 0.5
    assert balanced_accuracy(truth, ["+", "+", "-", "-"]) == pytest.approx((2 / 3 + 1) / 2)
    assert balanced_accuracy(truth, ["+", "+", None, "-"]) == pytest.approx((2 / 3 + 1) / 2)
    assert balanced_accuracy([], []) is None
    assert recall_by_class(truth, ["?"] * 4) == {"+": (0, 3), "-": (0, 1)}


def test_sensitivity_and_specificity() -> None:
    assert sensitivity_specificity([1, 1, 0, 0], [1, 0, 0, None], positive=1) == (0.5, 0.5)
    assert sensitivity_specificity([1, 1], [1, 0], positive=1) == (0.5, None)


def test_equals_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    rng = np.random.default_rng(0)
    for n in (6, 50, 400):
        truth = rng.integers(0, 4, n)
        truth[:4] = range(4)
        guess = np.where(rng.random(n) < 0.6, truth, rng.integers(0, 4, n))
        expected = balanced_accuracy_score(truth, guess)
        assert balanced_accuracy(truth.tolist(), guess.tolist()) == pytest.approx(expected, abs=1e-12)
        score = np.round(rng.normal(size=n) + truth / 3, 1)
        assert auc(truth > 1, score) == pytest.approx(roc_auc_score(truth > 1, score), abs=1e-12)


def test_auc_by_hand() -> None:
    assert auc([True, False], [2, 1]) == 1.0
    assert auc([True, False], [1, 1]) == 0.5
    assert auc([True, True], [1, 2]) is None


def test_refusals() -> None:
    for call, code in (
        (lambda: auc([True, False], [1.0, np.nan]), "MET105"),
        (lambda: auc([True], [1.0, 2.0]), "MET106"),
        (lambda: balanced_accuracy([1], []), "MET106"),
        (lambda: balanced_accuracy([None], [1]), "MET105"),
    ):
        with pytest.raises(TumorboardError) as error:
            call()
        assert error.value.code.id == code
