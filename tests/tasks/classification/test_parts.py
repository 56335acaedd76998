"""Models, calibration and answers: equal to scikit-learn, recovered from known laws, the same after writing."""

from __future__ import annotations

import numpy as np
import pytest
from hpv_cohorts import build

from tumorboard.metrics.classification import balanced_accuracy
from tumorboard.metrics.classification.abstention import balanced_accuracy_at_coverage, order_of_answers
from tumorboard.tasks.classification.answers import Answers, fit_answers
from tumorboard.tasks.classification.calibration import (
    Calibration,
    estimated_shares,
    fit_calibration,
    fit_weights,
    log_weights,
)
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import problems_of, variables_of
from tumorboard.tasks.classification.fitting import fit_models
from tumorboard.tasks.classification.models.registry import WHERE_IT_FITS, add_model, fit_model, names, summaries
from tumorboard.tasks.classification.patients import Training
from tumorboard.tasks.classification.protocol import prepare

CONFIG = ClassificationConfig(trees=10, inner_folds=2)


@pytest.fixture(scope="module")
def training() -> Training:
    (problem,) = problems_of(build(), CONFIG)
    return prepare(problem, np.arange(len(problem)), variables_of(problem, CONFIG)[0], CONFIG).training


def test_trees_walk_as_scikit_learns(training: Training) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    x, y = training.patients.x, training.y
    forest = RandomForestClassifier(10, min_samples_leaf=5, class_weight="balanced", random_state=0).fit(x, y)
    assert np.allclose(fit_model("forest", training).probabilities(training.patients), forest.predict_proba(x))
    booster = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.05, max_leaf_nodes=5, min_samples_leaf=10, l2_regularization=5.0,
        class_weight="balanced", early_stopping=False, random_state=0,
    ).fit(x, y)  # fmt: skip
    assert np.allclose(fit_model("boosted", training).probabilities(training.patients), booster.predict_proba(x))


def test_logistic_is_scikit_learns(training: Training) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = training.patients.x, training.y
    theirs = LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000).fit(x, y).predict_proba(x)
    assert np.allclose(fit_model("logistic", training).probabilities(training.patients), theirs)


def test_three_classes(training: Training) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150, 2))
    y = (x[:, 0] + 0.5 * rng.normal(size=150) > 0.5).astype(int) + (x[:, 0] > 1.2)
    from dataclasses import replace

    three = replace(training, y=y, classes=("a", "b", "c"), patients=training.patients.with_x(x))
    for name in ("logistic", "forest", "boosted"):
        p = fit_model(name, three).probabilities(three.patients)
        assert p.shape == (150, 3) and np.allclose(p.sum(axis=1), 1) and (p.argmax(axis=1) == y).mean() > 0.6, name


def test_calibration_recovers_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 1.5, 6000)
    y = (rng.random(6000) < 1 / (1 + np.exp(-logit))).astype(int)
    shares = np.bincount(y) / 6000
    extreme = np.column_stack([np.zeros(6000), 3 * logit])  # three times too sure
    for method in ("platt", "temperature"):
        found = fit_calibration(extreme, y, shares=shares, method=method)
        assert found.slope == pytest.approx(1 / 3, abs=0.02)
    assert fit_calibration(extreme, y, shares=shares, method="none").slope == 1.0
    steps = fit_calibration(extreme, y, shares=shares, method="isotonic")
    p = steps.probabilities(extreme)[:, 1]
    assert np.abs(p - 1 / (1 + np.exp(-logit))).mean() < 0.04
    again = Calibration.from_json(steps.to_json())
    assert np.array_equal(again.probabilities(extreme), steps.probabilities(extreme))


def test_shares_of_an_unlabelled_group_are_recovered() -> None:
    rng = np.random.default_rng(1)

    def draw(share: float, n: int = 8000) -> np.ndarray:
        y = rng.random(n) < share
        ratio = np.exp(2 * (rng.normal(size=n) + 2 * y) - 2)  # density ratio of N(2,1) to N(0,1)
        p = 0.5 * ratio / (0.5 * ratio + 0.5)
        return np.column_stack([1 - p, p])

    for share in (0.2, 0.5, 0.8):
        assert estimated_shares(draw(share), np.array([0.5, 0.5]))[1] == pytest.approx(share, abs=0.02)


def test_weights_find_the_member_that_knows() -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 2, 3000)
    y = (rng.random(3000) < 1 / (1 + np.exp(-logit))).astype(int)
    good, noise = np.column_stack([0 * logit, logit]), np.column_stack([0 * logit, rng.normal(0, 2, 3000)])
    shares = np.array([0.5, 0.5])
    weights = fit_weights([good, noise], y, shares=shares)
    assert weights[0] > 0.9
    few = fit_weights([good[:8], noise[:8]], y[:8], shares=shares)
    assert abs(few[0] - 0.5) < 0.2, "few patients leave the mean"


def test_half_of_each_class_told_is_answered() -> None:
    rng = np.random.default_rng(4)
    y = (rng.random(2000) < 0.8).astype(int)
    p = 1 / (1 + np.exp(-(rng.normal(size=2000) + 2 * y - 1)))
    balanced = np.column_stack([1 - p, p])
    answers = fit_answers(balanced, y, miss=0.1)
    answered, told = answers.answered(balanced, coverage=0.5), answers.classes(balanced)
    for k in (0, 1):
        assert answered[told == k].mean() == pytest.approx(0.5, abs=0.01)
    again = Answers.from_json(answers.to_json())
    assert np.array_equal(again.confidence(balanced), answers.confidence(balanced))
    one_by_one = [bool(answers.answered(row[None], coverage=0.5)[0]) for row in balanced[:50]]
    assert one_by_one == answered[:50].tolist(), "a patient's answer does not depend on who else is asked"


def test_the_order_of_answers_by_hand() -> None:
    """Told no, no, yes, yes. Expected are 1.9 no (1.4 told so), 2.1 yes (1.5 told so); without the unsure "no" the mean
    is (0.8 / 1.3 + 1.5 / 1.7) / 2 = 0.749, without the unsure "yes" (1.4 / 1.5 + 0.9 / 1.5) / 2 = 0.767."""
    p = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.4, 0.6]])
    order = order_of_answers(p, [0, 0, 1, 1], [0.8, 0.6, 0.9, 0.6])
    assert order[3] == 0.0, "the least sure yes goes first"
    assert order[1] == 0.25, "the last one told a class stays"
    assert set(order.tolist()) == {0.0, 0.25, 0.5, 0.75}


def test_the_order_keeps_both_classes_where_one_is_told_too_often() -> None:
    """A model moved to another centre, where it says "positive" to almost everybody with too much sureness."""
    rng = np.random.default_rng(6)
    y = (rng.random(800) < 0.5).astype(int)
    log_odds = rng.normal(2.0 * y - 1.0, 1.0) * 1.5 + 1.5
    p = np.column_stack([1 / (1 + np.exp(log_odds)), 1 / (1 + np.exp(-log_odds))])
    told, margin = p.argmax(axis=1), np.abs(log_odds)
    order = order_of_answers(p, told, margin)
    by_order = balanced_accuracy_at_coverage(y, told, order, coverage=0.5)
    by_margin = balanced_accuracy_at_coverage(y, told, margin, coverage=0.5)
    assert by_order is not None and by_margin is not None
    assert by_order > by_margin and by_order > balanced_accuracy(y, told) + 0.05
    shuffled = rng.permutation(800)
    again = order_of_answers(p[shuffled], told[shuffled], margin[shuffled])
    assert np.array_equal(again, order[shuffled]), "the order of the patients does not matter"


def test_every_model_fits_alone_and_together(training: Training) -> None:
    fitted, lacking = fit_models(training, ())
    assert list(fitted) == names() and not lacking and list(summaries()) == [*names(), *WHERE_IT_FITS]
    p = fitted["majority"].probabilities(training.patients)
    assert np.allclose(p, training.shares, atol=1e-12), "the null model says how common the classes are"
    told = fitted["majority"].answers.classes(fitted["majority"].calibration.balanced(p))
    assert set(told) == {int(training.shares.argmax())}, "and tells the commonest"
    weights = [weight for _, weight, _ in fitted["ensemble"].members]
    assert sum(weights) == pytest.approx(1) and len(fitted["best-by-inner-folds"].members) == 1
    again, _ = fit_models(training, ("ensemble",))
    same = again["ensemble"].probabilities(training.patients)
    assert np.array_equal(same, fitted["ensemble"].probabilities(training.patients)), "same seed, same bytes"


def test_a_model_from_elsewhere_joins(training: Training, monkeypatch) -> None:
    from tumorboard.tasks.classification.models import registry

    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))
    add_model("elsewhere", "for the test", lambda t: fit_model("logistic", t), lacks=lambda t: "")
    assert "elsewhere" in names() and ClassificationConfig(models="elsewhere").models == ("elsewhere",)
    fitted, _ = fit_models(training, ("ensemble",))
    assert "elsewhere" in [name for name, _, _ in fitted["ensemble"].members]
    with pytest.raises(ValueError, match="no model nobody"):
        ClassificationConfig(models="nobody")


def test_zero_and_one_are_never_said() -> None:
    assert np.isfinite(log_weights(np.array([[0.0, 1.0]]))).all()
