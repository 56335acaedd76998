"""Ranks and probabilities against scikit-learn, by hand, and in the cases without a result."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.classification import average_precision, confusion, f1_macro, matthews, one_versus_rest_auc
from tumorboard.metrics.classification.calibration import (
    brier_score,
    calibration_in_the_large,
    calibration_slope,
    expected_calibration_error,
    log_loss,
    reliability,
)
from tumorboard.metrics.classification.decision import decision_curve
from tumorboard.metrics.classification.ranking import (
    roc_points,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
)


def made(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    y[:k] = range(k)
    logits = np.round(rng.normal(size=(n, k)) + 1.2 * np.eye(k)[y], 1)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, p


@pytest.mark.parametrize(("n", "k"), [(9, 2), (60, 2), (300, 2), (40, 3), (300, 4)])
def test_equal_to_scikit_learn(n: int, k: int) -> None:
    from sklearn import metrics

    y, p = made(n, n, k)
    told = p.argmax(axis=1)
    counts = confusion(y.tolist(), told.tolist(), classes=range(k))
    assert (counts[:, :k] == metrics.confusion_matrix(y, told, labels=range(k))).all()
    assert matthews(counts) == pytest.approx(metrics.matthews_corrcoef(y, told), abs=1e-12)
    assert f1_macro(counts) == pytest.approx(metrics.f1_score(y, told, average="macro", labels=range(k)), abs=1e-12)
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, p, labels=range(k)), abs=1e-12)
    assert brier_score(y, p) == pytest.approx(metrics.brier_score_loss(y, p, labels=range(k)), abs=1e-12)
    if k == 2:
        assert average_precision(y == 1, p[:, 1]) == pytest.approx(
            metrics.average_precision_score(y, p[:, 1]), abs=1e-12
        )
        assert one_versus_rest_auc(y, p) == pytest.approx(metrics.roc_auc_score(y, p[:, 1]), abs=1e-12)
        false, true, thresholds = metrics.roc_curve(y, p[:, 1], drop_intermediate=False)
        ours = roc_points(y == 1, p[:, 1])
        assert [point.threshold for point in ours] == thresholds.tolist()
        assert np.allclose([[1 - o.specificity, o.sensitivity] for o in ours], np.column_stack([false, true]))
    else:
        expected = metrics.roc_auc_score(y, p, multi_class="ovr", average="macro")
        assert one_versus_rest_auc(y, p) == pytest.approx(expected, abs=1e-12)


def test_slope_and_intercept_equal_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    odds = rng.normal(size=400)
    y = rng.random(400) < 1 / (1 + np.exp(-(0.6 * odds - 0.4)))
    p = 1 / (1 + np.exp(-odds))
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds[:, None], y)
    assert calibration_slope(y, p) == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
    # in the large: the one intercept at which the probabilities add up to the events
    shift = calibration_in_the_large(y, p)
    assert (1 / (1 + np.exp(-(odds + shift)))).sum() == pytest.approx(y.sum(), abs=1e-6)


def test_calibration_error_by_hand() -> None:
    # bins (0, 0.1] and (0.6, 0.7]: |0.05 - 0.5| x 2/4 and |0.65 - 1| x 2/4
    y, p = np.array([0, 1, 1, 1]), np.array([0.05, 0.05, 0.65, 0.65])
    both = np.column_stack([1 - p, p])
    assert expected_calibration_error(y, both) == pytest.approx(0.45 / 2 + 0.35 / 2)
    assert [b.n for b in reliability(y == 1, p)] == [2, 2]
    three = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1]])  # highest probability 0.8, right once: |0.8 - 0.5|
    assert expected_calibration_error([0, 1], three) == pytest.approx(0.3)


def test_bins_equal_scikit_learns() -> None:
    from sklearn.calibration import calibration_curve

    y, p = made(5, 200, 2)
    for equal, strategy in (("width", "uniform"), ("mass", "quantile")):
        bins = reliability(y == 1, p[:, 1] + 1e-9 * np.arange(200), bins=7, equal=equal)
        share, said = calibration_curve(y == 1, p[:, 1] + 1e-9 * np.arange(200), n_bins=7, strategy=strategy)
        assert np.allclose([b.share_positive for b in bins], share)
        assert np.allclose([b.mean_probability for b in bins], said)


def test_net_benefit_by_hand() -> None:
    y, p = [True, True, False, False], [0.9, 0.3, 0.6, 0.1]
    (point,) = decision_curve(y, p, thresholds=[0.5])
    assert point.model == pytest.approx(1 / 4 - 1 / 4) and point.everybody == pytest.approx(0.0)
    (low,) = decision_curve(y, p, thresholds=[0.2])
    assert low.model == pytest.approx(2 / 4 - 0.25 * 1 / 4) and low.everybody == pytest.approx(0.5 - 0.25 * 0.5)


def test_points_of_the_curve_by_hand() -> None:
    positive, score = [True, True, True, False, False], [0.9, 0.8, 0.2, 0.5, 0.1]
    at = specificity_at_sensitivity(positive, score, sensitivity=0.9)
    assert at == (0.2, 1.0, 0.5)
    other = sensitivity_at_specificity(positive, score, specificity=0.9)
    assert other is not None and other[:2] == (0.8, pytest.approx(2 / 3)) and other.specificity == 1.0


def test_cases_without_a_result() -> None:
    one = np.array([1, 1])
    p = np.array([[0.4, 0.6], [0.2, 0.8]])
    assert one_versus_rest_auc(one, p) is None
    assert average_precision([False, False], [0.1, 0.2]) is None
    assert calibration_slope([True, True], [0.4, 0.5]) is None
    assert calibration_slope([True, False], [0.5, 0.5]) is None
    assert calibration_slope([True, True, False], [0.9, 0.8, 0.1]) is None, "classes parted: infinite"
    assert calibration_in_the_large([False, False], [0.4, 0.5]) is None
    assert roc_points([True], [1.0]) == [] and specificity_at_sensitivity([True], [1.0], sensitivity=0.5) is None
    assert brier_score([], np.zeros((0, 2))) is None and log_loss([], np.zeros((0, 2))) is None
    assert matthews(confusion([0, 1], [0, 0], classes=[0, 1])) is None
    assert f1_macro(confusion([], [], classes=[0, 1])) is None
    assert matthews(confusion([0, 1, 1], [0, 1, None], classes=[0, 1])) < 1, "no prediction is no hit"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: brier_score([0, 1], [[0.5, 0.6], [0.5, 0.5]]), "MET105"),
        (lambda: log_loss([0], [[np.nan, 1.0]]), "MET105"),
        (lambda: brier_score([0], [[0.5, 0.5], [0.5, 0.5]]), "MET106"),
        (lambda: reliability([True], [0.5], equal="sum"), "MET107"),
        (lambda: confusion(["a"], ["b"], classes=["a"]), "MET105"),
        (lambda: average_precision([True], [0.1, 0.2]), "MET106"),
    ],
)
def test_refusals(call, code: str) -> None:
    with pytest.raises(TumorboardError) as error:
        call()
    assert error.value.code.id == code
