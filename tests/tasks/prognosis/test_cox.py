"""Cox regression against lifelines, scikit-survival and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tumorboard.tasks.prognosis.cox import fit_cox, log_partial_likelihood


def cohort(n: int = 500, p: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    death = random.exponential(20 * np.exp(-x @ np.linspace(-0.6, 0.8, p)))
    loss = random.uniform(1, 50, n)
    return x, death <= loss, np.ceil(np.minimum(death, loss))


def test_coefficients_errors_and_likelihood_equal_lifelines() -> None:
    from lifelines import CoxPHFitter

    x, event, time = cohort()
    fitter = CoxPHFitter().fit(pd.DataFrame(x).assign(t=time, e=event), "t", "e", fit_options={"precision": 1e-10})
    ours = fit_cox(x, event, time)
    assert ours.coefficients == pytest.approx(fitter.params_.to_numpy(), abs=1e-7)
    assert ours.standard_errors == pytest.approx(fitter.standard_errors_.to_numpy(), abs=1e-7)
    assert ours.log_likelihood == pytest.approx(fitter.log_likelihood_, abs=1e-7)


def test_ridge_equals_scikit_survival() -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    x, event, time = cohort()
    theirs = CoxPHSurvivalAnalysis(alpha=25.0, ties="efron", tol=1e-12).fit(x, Surv.from_arrays(event, time))
    assert fit_cox(x, event, time, ridge=25.0).coefficients == pytest.approx(theirs.coef_, abs=1e-6)


def test_without_covariates_survival_is_close_to_kaplan_meier() -> None:
    from tumorboard.metrics.survival.curves import kaplan_meier

    _, event, time = cohort(2000)
    fit = fit_cox(np.zeros((len(time), 0)), event, time)
    grid = np.arange(1.0, 40.0)
    assert fit.survival(np.zeros((1, 0)), grid)[0] == pytest.approx(kaplan_meier(event, time).at(grid), abs=2e-3)


def test_shifting_a_covariate_changes_neither_coefficients_nor_survival() -> None:
    x, event, time = cohort()
    grid = np.arange(1.0, 30.0)
    here, there = fit_cox(x, event, time), fit_cox(x + 1000, event, time)
    assert there.coefficients == pytest.approx(here.coefficients, abs=1e-6)
    assert there.survival(x[:5] + 1000, grid) == pytest.approx(here.survival(x[:5], grid), abs=1e-6)


def test_impossible_fits_are_refused() -> None:
    x, event, time = cohort(100, 2)
    with pytest.raises(ValueError, match="no event"):
        fit_cox(x, np.zeros(100, bool), time)
    with pytest.raises(ValueError, match="singular"):
        fit_cox(np.column_stack([x[:, 0], x[:, 0]]), event, time)
    with pytest.raises(ValueError, match="separat"):
        fit_cox(-time[:, None], event, time)
    assert np.isfinite(fit_cox(np.column_stack([x[:, 0], x[:, 0]]), event, time, ridge=1.0).coefficients).all()


def test_the_right_order_of_risks_is_likelier_than_the_reversed() -> None:
    # By hand, three events at 1, 2, 3 with log-risks 2, 1, 0: log(e^2/(e^2+e+1)) + log(e/(e+1)) + 0.
    right = log_partial_likelihood([1, 1, 1], [1, 2, 3], [2, 1, 0])
    assert right == pytest.approx(2 - np.log(np.exp(2) + np.e + 1) + 1 - np.log(np.e + 1))
    assert right > log_partial_likelihood([1, 1, 1], [1, 2, 3], [0, 1, 2])


def test_the_likelihood_is_stable_and_blind_to_a_constant() -> None:
    event, time, risk = [1, 0, 1, 1], [5, 4, 3, 2], np.array([0.3, -1.0, 2.0, 0.5])
    value = log_partial_likelihood(event, time, risk)
    assert log_partial_likelihood(event, time, risk + 1000) == pytest.approx(value)
    assert log_partial_likelihood([1], [3], [7]) == 0
    assert log_partial_likelihood([0, 0], [1, 2], [1, 2]) == 0
    assert np.isfinite(log_partial_likelihood(event, time, risk * 300))
