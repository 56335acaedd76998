"""Scores of statements: counted by hand, kappa against scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.graph import agreement, cohen_kappa, graph_score, scores_by, set_counts

A, B, C, D = (("left lung", name, "yes") for name in "abcd")


def test_counts_by_hand() -> None:
    assert set_counts([A, B, C], [B, C, D, D]) == (2, 1, 1)
    assert set_counts([], []) == (0, 0, 0)


def test_score_by_hand() -> None:
    """Report 1: 2 found, 1 invented, 1 missed; report 2: 1 missed. P = 2/3, R = 2/4, F1 = 4/7."""
    score = graph_score({"1": [A, B, C], "2": [A]}, {"1": [B, C, D]}, seed=1)
    assert (score.tp, score.fp, score.fn, score.n) == (2, 1, 2, 2)
    assert score.precision.value == pytest.approx(2 / 3)
    assert score.recall.value == pytest.approx(1 / 2)
    assert score.f1.value == pytest.approx(4 / 7)


def test_score_of_nothing_is_undefined() -> None:
    score = graph_score({"1": [], "2": []}, {"1": []})
    assert score.f1 == (None, None, None) and score.n == 2
    only_reference = graph_score({"1": [A]}, {})
    assert only_reference.precision.value is None and only_reference.recall.value == 0


def test_reports_without_reference_are_refused() -> None:
    with pytest.raises(TumorboardError, match="MET109"):
        graph_score({"1": [A]}, {"1": [A], "other": [B]})


def test_interval_draws_whole_patients() -> None:
    """Twenty reports of one patient vary together: one patient alone has no interval."""
    reference = {str(i): [A, B] for i in range(20)}
    prediction = {str(i): [A] if i % 2 else [A, B] for i in range(20)}
    by_report = graph_score(reference, prediction, seed=3)
    one_patient = graph_score(reference, prediction, groups=dict.fromkeys(reference, "p"), seed=3)
    assert by_report.f1.value == one_patient.f1.value == pytest.approx(60 / 70)
    assert by_report.f1.low is not None and by_report.f1.low < 60 / 70
    assert one_patient.f1.low is None


def test_interval_is_the_closed_form_for_recall() -> None:
    """Recall of one statement per report is a share: its bootstrap interval is near the binomial one."""
    reference = {str(i): [A] for i in range(400)}
    prediction = {str(i): [A] for i in range(300)}
    low, high = graph_score(reference, prediction, seed=0, resamples=4000).recall[1:]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half, abs=0.006) and high == pytest.approx(0.75 + half, abs=0.006)


def test_scores_by_attribute() -> None:
    """`b` is found in report 1 and missed in 2 (F1 2/3); `d` is invented once (F1 0)."""
    scores = scores_by({"1": [A, B], "2": [B]}, {"1": [A, B, D]}, lambda s: str(s[1]))
    assert list(scores) == ["a", "b", "d"]
    assert scores["a"].f1.value == 1 and scores["b"].f1.value == pytest.approx(2 / 3)
    assert scores["d"].f1.value == 0 and scores["d"].n == 2


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed: int) -> None:
    from sklearn.metrics import accuracy_score, cohen_kappa_score

    rng = np.random.default_rng(seed)
    first = rng.choice(["yes", "no", "uncertain"], 200, p=[0.5, 0.4, 0.1])
    second = np.where(rng.random(200) < 0.7, first, rng.choice(["yes", "no", "silent"], 200))
    expected = cohen_kappa_score(first, second)
    assert cohen_kappa(list(first), list(second)) == pytest.approx(expected)
    found = agreement(list(first), list(second), seed=seed, resamples=100)
    assert found.kappa.value == pytest.approx(expected)
    assert found.percent.value == pytest.approx(accuracy_score(first, second))
    assert found.kappa.low is not None and found.kappa.high is not None
    assert found.kappa.low < expected < found.kappa.high


def test_kappa_by_hand() -> None:
    """Cohen's table 20, 5, 10, 15: observed 0.70, chance 0.50, kappa 0.40."""
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)


@pytest.mark.parametrize("answers", [[], ["yes"] * 4])
def test_kappa_without_variety_is_undefined(answers: Iterable[str]) -> None:
    assert cohen_kappa(list(answers), list(answers)) is None


def test_answers_must_pair() -> None:
    with pytest.raises(TumorboardError, match="MET106"):
        agreement(["yes"], ["yes", "no"])


def test_groups_count_as_one() -> None:
    found = agreement(["yes", "no"] * 5, ["yes", "yes"] * 5, groups=["p"] * 10)
    assert found.groups == 1 and found.n == 10 and found.percent == (0.5, None, None)
