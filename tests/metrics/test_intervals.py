"""Intervals and comparisons: closed forms, scipy, exact enumeration, coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.intervals import (
    bootstrap,
    bootstrap_mean,
    bootstrap_ratio,
    paired_difference,
    percentile_interval,
)


def test_mean_equals_scipy_percentile_bootstrap() -> None:
    from scipy import stats

    values = np.random.default_rng(0).gamma(2.0, size=60)
    ours = bootstrap_mean(values, seed=1, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_two_values_in_closed_form() -> None:
    """Resamples of (0, 1) have means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4."""
    assert bootstrap_mean([0, 1], seed=0, level=0.5)[:2] == (0.5, pytest.approx(0.25, abs=0.26))
    assert bootstrap_mean([0, 1], seed=0) == (0.5, 0.0, 1.0)
    assert bootstrap_mean([0.25, 0.25, 0.25], seed=0) == (0.25, 0.25, 0.25)


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(400):
        found = bootstrap_mean(rng.normal(3.0, 1.0, 50), seed=trial, resamples=1000)
        hits += found.low < 3.0 < found.high
    assert 0.91 <= hits / 400 <= 0.97  # the percentile interval of 50 values is a little narrow


def test_pooled_ratio_is_not_the_mean_of_ratios() -> None:
    """Trap 4: counts pooled over patients differ from the mean of the patients' F1."""
    tp, errors = np.array([1, 0, 9]), np.array([0, 2, 2])
    pooled = bootstrap_ratio(2 * tp, 2 * tp + errors, seed=0)
    assert pooled.value == pytest.approx(20 / 24)
    mean_of_cases = bootstrap_mean(2 * tp / (2 * tp + errors), seed=0)
    assert mean_of_cases.value == pytest.approx((1 + 0 + 18 / 20) / 3)
    assert pooled.low < pooled.value < pooled.high


def test_ratio_of_several_terms_and_undefined_ratios() -> None:
    top, bottom = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[2.0, 0.0], [2.0, 4.0]])
    assert bootstrap_ratio(top, bottom, seed=0).value == pytest.approx(0.5)
    # A quarter of the resamples lacks the only patient with the second term: no interval is given.
    assert bootstrap_ratio(top, bottom, seed=0)[1:] == (None, None)
    assert bootstrap_ratio(top * 0, bottom * 0, seed=0) == (None, None, None)


def test_general_statistic() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=100)
    general = bootstrap(lambda x: float(np.median(x)), [values], seed=0)
    assert general.value == np.median(values)
    assert general.low < general.value < general.high
    # The mean by both ways, from different draws: as close as 4000 resamples allow.
    one = bootstrap(lambda x: float(x.mean()), [values], seed=0, resamples=4000)
    two = bootstrap_mean(values, seed=1, resamples=4000)
    assert one == pytest.approx(two, abs=0.02)
    event, time = np.array([True, False] * 10), np.arange(1.0, 21.0)
    found = bootstrap(lambda e, t, s: concordance(e, t, s).value, [event, time, -time], seed=0)
    assert found == (1.0, 1.0, 1.0)


def test_undefined_values_are_refused_or_left_out_on_purpose() -> None:
    for call in (
        lambda **o: bootstrap_mean([1.0, None, 3.0], seed=0, **o),
        lambda **o: bootstrap_mean(np.array([1.0, np.nan, 3.0]), seed=0, **o),
    ):
        with pytest.raises(TumorboardError) as error:
            call()
        assert error.value.code.id == "MET105"
        assert call(undefined="omit").value == 2.0
    with pytest.raises(TumorboardError) as error:
        bootstrap_mean([1.0], seed=0, undefined="zero")
    assert error.value.code.id == "MET107"


def test_nobody_and_one_patient() -> None:
    assert bootstrap_mean([], seed=0) == (None, None, None)
    assert bootstrap_mean([0.7], seed=0) == (0.7, None, None)
    assert paired_difference([], [], seed=0).n == 0
    alone = paired_difference([0.7], [0.5], seed=0)
    assert (alone.mean, alone.low, alone.n, alone.p_value) == (pytest.approx(0.2), None, 1, 1.0)


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=30)
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5) != bootstrap_mean(values, seed=6)
    assert paired_difference(values, values[::-1], seed=5) == paired_difference(values, values[::-1], seed=5)


def test_permutation_p_value_is_exact_for_few_patients() -> None:
    a, b = np.array([0.9, 0.8, 0.7, 0.4, 0.6]), np.array([0.5, 0.6, 0.65, 0.45, 0.2])
    difference = a - b
    means = [abs(np.mean(difference * signs)) for signs in product((1, -1), repeat=5)]
    expected = np.mean(np.array(means) >= abs(difference.mean()) - 1e-12)
    assert paired_difference(a, b, seed=0).p_value == pytest.approx(expected)


def test_permutation_p_value_of_many_patients_near_the_t_test() -> None:
    from scipy import stats

    rng = np.random.default_rng(3)
    b = rng.normal(size=40)
    a = b + rng.normal(0.5, 1.0, 40)
    ours = paired_difference(a, b, seed=0)
    assert ours.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.02)
    assert ours.mean == pytest.approx((a - b).mean())
    assert ours.low < ours.mean < ours.high
    assert ours.share_positive > 0.9


def test_a_paired_difference_sees_what_two_intervals_hide() -> None:
    """Patients differ much, methods little: the intervals overlap, the paired one excludes zero."""
    rng = np.random.default_rng(0)
    b = rng.uniform(0.2, 0.9, 30)
    a = b + 0.03 + rng.normal(0, 0.02, 30)
    one, two = bootstrap_mean(a, seed=0), bootstrap_mean(b, seed=0)
    assert one.low < two.high
    paired = paired_difference(a, b, seed=0)
    assert paired.low > 0
    assert paired.p_value < 0.001
    assert paired.share_positive == 1.0
    equal = paired_difference(b, b, seed=0)
    assert (equal.mean, equal.share_positive, equal.p_value) == (0.0, 0.5, 1.0)


def test_lengths_must_match() -> None:
    for call in (
        lambda: paired_difference([1, 2], [1], seed=0),
        lambda: bootstrap_ratio([1, 2], [1], seed=0),
        lambda: bootstrap(lambda x, y: 0.0, [np.ones(2), np.ones(3)], seed=0),
    ):
        with pytest.raises(TumorboardError) as error:
            call()
        assert error.value.code.id == "MET106"


@pytest.mark.parametrize(("undefined", "given"), [(0, True), (50, True), (51, False), (1000, False)])
def test_more_than_one_undefined_resample_in_twenty_leaves_no_interval(undefined: int, given: bool) -> None:
    draws = np.linspace(0.0, 1.0, 1000)
    draws[:undefined] = np.nan
    found = percentile_interval(0.5, draws)
    assert found.value == 0.5
    assert (found.low is not None, found.high is not None) == (given, given)
    if given:  # quantiles of evenly spaced values, by hand
        first = undefined / 999
        assert found.low == pytest.approx(first + 0.025 * (1 - first))
        assert found.high == pytest.approx(first + 0.975 * (1 - first))
    assert percentile_interval(None, draws) == percentile_interval(float("nan"), draws) == (None, None, None)
