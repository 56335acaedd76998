"""Cumulative incidence against lifelines and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.metrics.survival.competing import cumulative_incidence, first_fate
from tumorboard.metrics.survival.curves import kaplan_meier


def test_by_hand() -> None:
    # Four patients: fate 1 at 1, fate 2 at 2, censored at 3, fate 1 at 4. S(0)=1, S(1)=3/4, S(2)=1/2.
    found = cumulative_incidence([1, 2, 0, 1], [1, 2, 3, 4], cause=1)
    assert found.incidence == pytest.approx([1 / 4, 1 / 4, 1 / 4, 1 / 4 + 1 / 2])
    assert found.at([0.5, 1, 3.9, 9]) == pytest.approx([0, 0.25, 0.25, 0.75])
    with pytest.raises(ValueError, match="nobody"):
        cumulative_incidence([1, 0], [1, 2], cause=3)


def test_incidence_and_error_equal_lifelines() -> None:
    from lifelines import AalenJohansenFitter

    random = np.random.default_rng(0)
    time, fate = random.exponential(10, 300), random.integers(0, 3, 300)  # no ties: lifelines would jitter them
    theirs = AalenJohansenFitter(calculate_variance=True).fit(time, fate, event_of_interest=1)
    ours = cumulative_incidence(fate, time, cause=1)
    column = theirs.cumulative_density_.iloc[1:, 0].to_numpy()
    assert ours.incidence == pytest.approx(column, abs=1e-12)
    assert ours.standard_error**2 == pytest.approx(theirs.variance_.to_numpy().ravel()[1:], abs=1e-9)


def test_shares_add_up_to_one_with_ties() -> None:
    random = np.random.default_rng(1)
    time, fate = random.integers(1, 12, 200).astype(float), random.integers(0, 4, 200)
    total = sum(cumulative_incidence(fate, time, cause=c).incidence for c in (1, 2, 3))
    assert total + kaplan_meier(fate > 0, time).survival == pytest.approx(np.ones(len(np.unique(time))))


def test_naive_risk_is_never_below() -> None:
    random = np.random.default_rng(2)
    time, fate = random.exponential(5, 100), random.integers(0, 3, 100)
    found = cumulative_incidence(fate, time, cause=1)
    naive = 1 - kaplan_meier(fate == 1, time).survival
    assert (naive >= found.incidence - 1e-12).all() and naive[-1] > found.incidence[-1]


def test_the_first_fate_wins_and_precedence_breaks_ties() -> None:
    fate, time = first_fate([[1, 0, 1, 0], [1, 1, 1, 0]], [[5, 7, 3, 9], [4, 6, 3, 8]])
    assert fate.tolist() == [2, 2, 1, 0] and time.tolist() == [4, 6, 3, 8]
