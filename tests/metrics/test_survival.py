"""Survival metrics against hand-made numbers, lifelines and scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.survival.calibration import calibration_at, d_calibration
from tumorboard.metrics.survival.curves import censoring_curve, kaplan_meier, log_rank, restricted_mean
from tumorboard.metrics.survival.discrimination import antolini_concordance, dynamic_auc
from tumorboard.metrics.survival.error import brier_scores, integrated_brier, usable_horizons
from tumorboard.metrics.survival.uno import uno_concordance

# Six patients with an event and a censoring at the same time 2.
TIME = np.array([1, 2, 2, 3, 4, 5.0])
EVENT = np.array([1, 1, 0, 1, 0, 1], bool)


def tied_cohort(n: int = 400, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, times in whole months (many ties) and a risk that is related to them."""
    random = np.random.default_rng(seed)
    risk = random.normal(size=n)
    death = random.exponential(24 * np.exp(-0.8 * risk))
    loss = random.uniform(3, 60, n)
    return death <= loss, np.ceil(np.minimum(death, loss)), risk


def test_kaplan_meier_by_hand() -> None:
    # 6 at risk: 5/6; then 5 at risk, one event: 5/6 * 4/5 = 2/3; 3 at risk: 4/9; last one dies: 0.
    curve = kaplan_meier(EVENT, TIME)
    assert curve.at([0, 1, 2, 3, 4, 5]) == pytest.approx([1, 5 / 6, 2 / 3, 4 / 9, 4 / 9, 0])
    assert curve.before([1, 2]) == pytest.approx([1, 5 / 6])
    assert curve.number_at_risk([0, 2, 2.5, 6]).tolist() == [6, 5, 3, 0]


def test_censoring_curve_removes_events_first_at_ties() -> None:
    assert censoring_curve(EVENT, TIME).at(2) == pytest.approx(0.75)
    assert kaplan_meier(~EVENT, TIME).at(2) == pytest.approx(0.80)  # what exchanging the labels would give


def test_kaplan_meier_and_interval_equal_lifelines() -> None:
    from lifelines import KaplanMeierFitter

    event, time, _ = tied_cohort()
    fitter = KaplanMeierFitter().fit(time, event)
    curve = kaplan_meier(event, time)
    expected = fitter.survival_function_["KM_estimate"]
    assert curve.at(expected.index.to_numpy()) == pytest.approx(expected.to_numpy(), abs=1e-12)
    low, high = curve.interval()
    bounds = fitter.confidence_interval_.iloc[1:].to_numpy()
    inner = (curve.survival > 0) & (curve.survival < 1)
    assert low[inner] == pytest.approx(bounds[inner, 0], abs=1e-9)
    assert high[inner] == pytest.approx(bounds[inner, 1], abs=1e-9)


def test_log_rank_equals_lifelines_for_two_and_three_groups() -> None:
    from lifelines.statistics import multivariate_logrank_test

    event, time, risk = tied_cohort()
    for cuts in ([0.0], [-0.4, 0.4]):
        group = np.digitize(risk, cuts)
        ours, theirs = log_rank(event, time, group), multivariate_logrank_test(time, group, event)
        assert ours.statistic == pytest.approx(theirs.test_statistic, rel=1e-9)
        assert ours.p_value == pytest.approx(theirs.p_value, rel=1e-6)
        assert ours.degrees_of_freedom == len(cuts)
        assert ours.observed.sum() == pytest.approx(ours.expected.sum())


def test_log_rank_without_events_or_groups() -> None:
    assert log_rank([False, False, False], [1, 2, 3], ["a", "b", "a"]).p_value == 1
    with pytest.raises(ValueError, match="two groups"):
        log_rank([True, True], [1, 2], ["a", "a"])


def test_restricted_mean_by_hand() -> None:
    curve = kaplan_meier(EVENT, TIME)
    # 1 on [0,1), 5/6 on [1,2), 2/3 on [2,3), 4/9 on [3,4)
    assert restricted_mean(curve, 4) == pytest.approx(1 + 5 / 6 + 2 / 3 + 4 / 9)
    assert restricted_mean(curve, 9) == pytest.approx(1 + 5 / 6 + 2 / 3 + 2 * 4 / 9)
    assert np.isnan(restricted_mean(kaplan_meier([True, False], [1, 2]), 3))


def test_brier_by_hand_and_as_scikit_survival_weights_it() -> None:
    predicted = np.tile([0.8, 0.5, 0.3], (6, 1))
    horizons = [1.5, 2.5, 3.5]
    censoring = censoring_curve(EVENT, TIME)
    # scikit-survival 0.28 on this fixture: 0.1400, 0.2639, 0.2728 (weights at the event's own time).
    theirs = brier_scores(EVENT, TIME, predicted, horizons=horizons, censoring=censoring, weights="at time")
    assert theirs.values == pytest.approx([0.1400, 0.2639, 0.2728], abs=5e-5)
    # By hand at 2.5: events at 1 and 2 each 0.25 / G(T-) = 0.25; three alive 3 * 0.25 / 0.75; over 6 patients.
    ours = brier_scores(EVENT, TIME, predicted, horizons=horizons, censoring=censoring)
    assert ours.values[1] == pytest.approx((0.25 + 0.25 + 3 * 0.25 / 0.75) / 6)
    assert ours.values[0] == pytest.approx((0.64 + 5 * 0.04) / 6)


def test_brier_equals_scikit_survival_on_other_patients() -> None:
    from sksurv.metrics import brier_score, integrated_brier_score
    from sksurv.util import Surv

    event, time, risk = tied_cohort()
    train, test = slice(0, 250), slice(250, None)
    grid = np.arange(4.0, 40.0, 3.0)
    predicted = np.exp(-np.outer(np.exp(0.8 * risk[test]) / 24, grid))
    y = [Surv.from_arrays(event[part], time[part]) for part in (train, test)]
    censoring = censoring_curve(event[train], time[train])
    ours = brier_scores(event[test], time[test], predicted, horizons=grid, censoring=censoring, weights="at time")
    assert ours.values == pytest.approx(brier_score(y[0], y[1], predicted, grid)[1], abs=1e-12)
    result = integrated_brier(
        event[test],
        time[test],
        predicted,
        grid=grid,
        train_event=event[train],
        train_time=time[train],
        weights="at time",
    )
    assert result.value == pytest.approx(integrated_brier_score(y[0], y[1], predicted, grid), abs=1e-12)
    assert result.clipped == "" and 0 < result.index_of_accuracy < 1


def test_horizons_beyond_follow_up_are_cut_and_told() -> None:
    event, time, _ = tied_cohort(100)
    grid = np.array([0.5, 6.0, 12.0, 500.0])
    kept, told = usable_horizons(grid, time=time, censoring=censoring_curve(event, time))
    assert kept.tolist() == [6.0, 12.0] and told.startswith("2 of 4 horizons")
    result = integrated_brier(event, time, np.full((100, 4), 0.5), grid=grid, train_event=event, train_time=time)
    assert (result.start, result.stop) == (6.0, 12.0) and "2 of 4" in result.clipped
    with pytest.raises(ValueError, match="no span"):
        integrated_brier(event, time, np.full((100, 1), 0.5), grid=[500.0], train_event=event, train_time=time)


def test_the_null_model_has_no_accuracy_and_all_censored_is_defined() -> None:
    event, time, _ = tied_cohort(200)
    grid = np.arange(4.0, 30.0)
    null = np.tile(kaplan_meier(event, time).at(grid), (200, 1))
    result = integrated_brier(event, time, null, grid=grid, train_event=event, train_time=time)
    assert result.index_of_accuracy == pytest.approx(0, abs=1e-12)
    nobody = np.zeros(200, bool)
    value = brier_scores(nobody, time, null, horizons=grid, censoring=censoring_curve(event, time)).values
    assert np.isfinite(value).all()


def test_d_calibration_tells_true_curves_from_wrong_ones() -> None:
    random = np.random.default_rng(0)
    scale = np.exp(random.normal(size=3000))
    death, loss = random.exponential(scale), random.exponential(2 * scale)
    event, time = death <= loss, np.minimum(death, loss)
    assert d_calibration(event, np.exp(-time / scale)).p_value > 0.01
    assert d_calibration(event, np.exp(-time / (0.6 * scale))).p_value < 1e-6
    assert d_calibration(event, np.exp(-time / scale)).shares.sum() == pytest.approx(1)


def test_d_calibration_spreads_the_censored_by_hand() -> None:
    # One event at S = 0.95 (last bin of ten); one censored at 0.25: 0.4, 0.4 in the first two, 0.2 in the third.
    shares = d_calibration([True, False], [0.95, 0.25]).shares
    assert shares * 2 == pytest.approx([0.4, 0.4, 0.2, 0, 0, 0, 0, 0, 0, 1])


def test_calibration_at_a_horizon() -> None:
    random = np.random.default_rng(3)
    rate = np.exp(random.normal(-3, 0.7, 4000))
    death, loss = random.exponential(1 / rate), random.uniform(5, 60, 4000)
    event, time = death <= loss, np.minimum(death, loss)
    risk = 1 - np.exp(-rate * 12)
    right = calibration_at(event, time, risk, horizon=12)
    assert right.ici < 0.02 and right.e90 < 0.05
    assert np.abs(right.predicted - right.observed).max() < 0.04
    assert ((right.low <= right.observed) & (right.observed <= right.high)).all() and right.n.sum() == 4000
    wrong = calibration_at(event, time, np.clip(risk * 1.5, 0, 1), horizon=12)
    assert wrong.ici > 0.1


def test_dynamic_auc_equals_scikit_survival() -> None:
    from sksurv.metrics import cumulative_dynamic_auc
    from sksurv.util import Surv

    event, time, risk = tied_cohort()
    risk = np.round(risk, 1)  # ties
    train, test = slice(0, 250), slice(250, None)
    grid = np.arange(4.0, 40.0, 3.0)
    y = [Surv.from_arrays(event[part], time[part]) for part in (train, test)]
    expected = cumulative_dynamic_auc(y[0], y[1], risk[test], grid)[0]
    censoring = censoring_curve(event[train], time[train])
    ours = dynamic_auc(event[test], time[test], risk[test], horizons=grid, censoring=censoring, weights="at time")
    assert ours.values == pytest.approx(expected, abs=1e-12)
    turned = dynamic_auc(event[test], time[test], -risk[test], horizons=grid, censoring=censoring, weights="at time")
    assert turned.values == pytest.approx(1 - expected, abs=1e-12)


def test_dynamic_auc_without_cases_is_undefined() -> None:
    auc = dynamic_auc(EVENT, TIME, TIME, horizons=[0.5, 9], censoring=censoring_curve(EVENT, TIME))
    assert np.isnan(auc.values).all() and auc.cases[0] == 0 and auc.controls[1] == 0


def test_antolini_equals_harrell_for_proportional_hazards() -> None:
    from sksurv.metrics import concordance_index_censored

    event, time, risk = tied_cohort()
    grid = np.unique(time)
    survival = np.exp(-np.outer(np.exp(np.round(risk, 1)), grid / 24))
    expected = concordance_index_censored(event, time, np.round(risk, 1))
    ours = antolini_concordance(event, time, survival, grid=grid)
    assert ours.value == pytest.approx(expected[0], abs=1e-12)
    assert ours.comparable == sum(expected[1:4])


def test_antolini_for_crossing_curves_by_hand() -> None:
    # Patient 0 dies at 1, patient 1 at 3; patient 2 is followed to 5. Pairs: (0,1), (0,2), (1,2).
    survival = [[0.4, 0.4, 0.4], [0.5, 0.2, 0.1], [0.3, 0.3, 0.3]]
    ours = antolini_concordance([True, True, False], [1, 3, 5], survival, grid=[1, 2, 3])
    assert ours.comparable == 3 and ours.value == pytest.approx(2 / 3)  # (0,2) is wrong: 0.4 against 0.3
    assert np.isnan(antolini_concordance([False], [1], [[0.5]], grid=[1]).value)


HARRELL_TIME = np.array([11, 11, 26, 89, 128, 299, 300.0])
HARRELL_EVENT = np.array([1, 0, 0, 1, 0, 1, 0], bool)
HARRELL_RISK = np.array([-0.02, 1.2, -0.56, -1.33, -0.81, 1.02, -1.29])


def test_concordance_on_the_published_fixture() -> None:
    # Discussed in scikit-survival's issue 428: 5 concordant, 5 discordant; Uno at tau 299: 0.3743 there.
    c = concordance(HARRELL_EVENT, HARRELL_TIME, HARRELL_RISK)
    assert (c.value, c.concordant, c.discordant, c.tied) == (0.5, 5, 5, 0)
    g = censoring_curve(HARRELL_EVENT, HARRELL_TIME)
    theirs = uno_concordance(HARRELL_EVENT, HARRELL_TIME, HARRELL_RISK, censoring=g, tau=299, weights="at time")
    assert theirs.value == pytest.approx(0.3743, abs=5e-5)
    # By hand: the event at 11 has weight 1 and 4 of 6 lower, the one at 89 has 0 of 3 lower.
    weight_89 = 1 / g.before(89) ** 2
    ours = uno_concordance(HARRELL_EVENT, HARRELL_TIME, HARRELL_RISK, censoring=g, tau=299)
    assert ours.value == pytest.approx(4 / (6 + 3 * weight_89))


@pytest.mark.parametrize("seed", range(4))
def test_concordance_equals_lifelines_and_scikit_survival(seed: int) -> None:
    from lifelines.utils import concordance_index
    from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
    from sksurv.util import Surv

    event, time, risk = tied_cohort(300, seed)
    risk = np.round(risk, 1)
    ours = concordance(event, time, risk)
    assert ours.value == pytest.approx(concordance_index(time, -risk, event), abs=1e-12)
    theirs = concordance_index_censored(event, time, risk)
    assert (ours.concordant, ours.discordant, ours.tied) == theirs[1:4]
    train, test = slice(0, 150), slice(150, None)
    y = [Surv.from_arrays(event[part], time[part]) for part in (train, test)]
    tau = float(np.quantile(time[train], 0.8))
    uno = uno_concordance(
        event[test],
        time[test],
        risk[test],
        censoring=censoring_curve(event[train], time[train]),
        tau=tau,
        weights="at time",
    )
    assert uno.value == pytest.approx(concordance_index_ipcw(*y, risk[test], tau=tau)[0], abs=1e-12)
