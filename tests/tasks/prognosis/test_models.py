"""The models against other implementations, closed forms and their own definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.variables import Kind, Variable
from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.survival.curves import kaplan_meier, log_rank
from tumorboard.tasks.prognosis.config import MODELS, PrognosisConfig
from tumorboard.tasks.prognosis.explain import hazard_ratios, moved_by
from tumorboard.tasks.prognosis.models.discrete import curve, interval_edges, intervals_of
from tumorboard.tasks.prognosis.models.elastic import elastic_path
from tumorboard.tasks.prognosis.models.ensemble import Blend, brier_weights
from tumorboard.tasks.prognosis.models.forest import fit_forest
from tumorboard.tasks.prognosis.models.recalibration import fit_recalibration
from tumorboard.tasks.prognosis.models.registry import add_model, fit_model, is_known, summaries
from tumorboard.tasks.prognosis.models.trees import log_rank_statistic
from tumorboard.tasks.prognosis.patients import Training

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def cohort(n: int = 300, p: int = 4, seed: int = 0) -> Arrays:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    death = random.exponential(20 * np.exp(-x @ np.linspace(-0.6, 0.8, p)))
    loss = random.uniform(1, 50, n)
    return x, death <= loss, np.ceil(np.minimum(death, loss))


def training(n: int = 120, **settings: object) -> Training:
    x, event, time = cohort(n, 3)
    rows = [{"a": a, "volume": b, "c": "yes" if c > 0 else "no"} for a, c, b in x]
    variables = (
        Variable("a", Kind.NUMERIC),
        Variable("volume", Kind.NUMERIC, unit="ml"),
        Variable("c", Kind.CATEGORICAL),
    )
    config = PrognosisConfig(inner_folds=2, trees=20, **settings)  # type: ignore[arg-type]
    return Training.of(rows, event, time, variables=variables, config=config)


def test_the_split_statistic_is_the_log_rank_test() -> None:
    x, event, time = cohort(120)
    order = np.argsort(time, kind="stable")
    statistic = log_rank_statistic(x[order, 0], 0.2, event[order], time[order])
    assert statistic == pytest.approx(log_rank(event, time, x[:, 0] <= 0.2).statistic, rel=1e-12)


def test_the_forest_is_as_good_as_scikit_survivals() -> None:
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    x, event, time = cohort(240)
    kept, tested = np.arange(160), np.arange(160, 240)
    theirs = RandomSurvivalForest(60, min_samples_leaf=15, max_features="sqrt", random_state=0)
    theirs.fit(x[kept], Surv.from_arrays(event[kept], time[kept]))
    ours = fit_forest(x[kept], event[kept], time[kept], trees=60, seed=0)
    both = [
        concordance(event[tested], time[tested], risk).value
        for risk in (ours.risk(x[tested]), theirs.predict(x[tested]))
    ]
    assert abs(both[0] - both[1]) < 0.03 and both[0] > 0.65
    grid = np.array([5.0, 10.0, 20.0])
    curves = np.array([[f(t) for t in grid] for f in theirs.predict_survival_function(x[tested])])
    assert np.abs(ours.survival(x[tested], grid) - curves).mean() < 0.05


def test_a_forest_of_one_leaf_is_nelson_aalen() -> None:
    # Smallest leaf as large as the sample: no split, every tree a bootstrap estimate, their mean close to the whole's.
    x, event, time = cohort(400, 2)
    forest = fit_forest(x, event, time, trees=100, seed=1, smallest_leaf=400)
    from lifelines import NelsonAalenFitter

    expected = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(time, event).predict([10.0, 20.0]).to_numpy()
    assert -np.log(forest.survival(x[:1], np.array([10.0, 20.0]))[0]) == pytest.approx(expected, rel=0.06)


def test_the_elastic_net_equals_scikit_survivals_path() -> None:
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    x, event, _ = cohort(200, 6)
    time = np.random.default_rng(5).permutation(200) + 1.0  # no ties: Efron is Breslow
    penalties = np.array([0.1, 0.05, 0.02])
    theirs = CoxnetSurvivalAnalysis(l1_ratio=0.5, alphas=penalties, tol=1e-12, max_iter=100_000)
    theirs.fit(x, Surv.from_arrays(event, time))
    assert elastic_path(x, event, time, penalties=penalties) == pytest.approx(theirs.coef_.T, abs=1e-5)


def test_intervals_one_convention() -> None:
    # Events at 1, 2, 3, 4 in two intervals. On an edge: the interval that ends there. Censored: what is completed.
    edges = interval_edges(np.array([True] * 4), np.array([1.0, 2.0, 3.0, 4.0]), intervals=2)
    assert edges.tolist() == [2.5, 4.0]
    time = np.array([2.5, 2.6, 4.0, 9.0, 2.5, 2.4, 4.0, 9.0])
    event = np.array([True, True, True, True, False, False, False, False])
    completed, happened = intervals_of(event, time, edges)
    assert completed.tolist() == [0, 1, 1, 2, 1, 0, 2, 2]
    assert happened.tolist() == [True, True, True, False, False, False, False, False]


def test_discrete_losses_by_hand() -> None:
    import torch

    from tumorboard.tasks.prognosis.models.networks import hazard_loss, hazard_survival, mtlr_loss, mtlr_survival

    zeros = torch.zeros(3, 2, dtype=torch.float64)
    done, hit = torch.tensor([0, 1, 2]), torch.tensor([True, False, False])
    # Hazards of one half: event in the first interval 1/2; one interval survived 1/2; both 1/4.
    assert float(hazard_loss(zeros, done, hit)) == pytest.approx(-(np.log(0.5) + np.log(0.5) + np.log(0.25)) / 3)
    assert hazard_survival(zeros)[0].tolist() == pytest.approx([0.5, 0.25])
    # MTLR with no weights: the two intervals and the tail are equally likely, a third each.
    assert float(mtlr_loss(zeros, done, hit)) == pytest.approx(-(np.log(1 / 3) + np.log(2 / 3) + np.log(1 / 3)) / 3)
    assert mtlr_survival(zeros)[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    wild = torch.tensor([[1e3, -1e3]], dtype=torch.float64)
    for loss in (hazard_loss, mtlr_loss):
        assert np.isfinite(float(loss(wild, torch.tensor([2]), torch.tensor([False]))))
        assert np.isfinite(float(loss(-wild, torch.tensor([0]), torch.tensor([True]))))


def test_interpolated_curves_pass_through_the_edges_and_fall() -> None:
    ends = np.array([[0.8, 0.5]])
    made = curve(ends, np.array([2.0, 4.0]), np.array([0.0, 1.0, 2.0, 3.0, 4.0, 9.0]))
    assert made[0, [0, 2, 4, 5]] == pytest.approx([1, 0.8, 0.5, 0.5])
    assert (np.diff(made[0]) <= 0).all() and made[0, 1] == pytest.approx(np.sqrt(0.8))


def test_stacking_weighs_the_better_curve() -> None:
    x, event, time = cohort(400)
    grid = np.quantile(time[event], [0.2, 0.4, 0.6])
    true = np.exp(-np.outer(np.exp(x @ np.linspace(-0.6, 0.8, 4)) / 20, grid))
    noise = np.tile(np.random.default_rng(0).random((400, 1)), (1, 3))
    weights = brier_weights(np.array([true, noise]), event, time, grid)
    assert weights[0] > 0.9 and weights.sum() == pytest.approx(1)


def test_level_and_spread_are_found_on_curves_that_are_off() -> None:
    """Hazards planted as exp(z), told as exp(2 z) / 3: the level is log 3 and the slope a half less one."""
    random = np.random.default_rng(5)
    z = random.normal(0, 0.7, 20_000)
    death, loss = random.exponential(1 / np.exp(z)), random.uniform(0.2, 2.0, len(z))
    time, event = np.minimum(death, loss), death <= loss
    told = np.exp(2 * z) / 3
    found = fit_recalibration(told * time, event, np.log(told))
    assert found.slope == pytest.approx(-0.5, abs=0.03)
    factors = found.factors(np.log(told))
    assert np.median(factors * told / np.exp(z)) == pytest.approx(1, abs=0.04)
    assert (np.diff((factors * told)[np.argsort(z)]) >= 0).all(), "nobody changes places"
    few = fit_recalibration(told[:3] * time[:3], event[:3], np.log(told[:3]))
    assert abs(few.level) < 1 and abs(few.slope) < 0.5, "three patients teach little"


def test_the_blend_leans_on_cox_and_its_curves_come_true() -> None:
    given = training(400)
    blend = fit_model("best-by-inner-folds", given)
    assert isinstance(blend, Blend)
    assert blend.weights.sum() == pytest.approx(1) and blend.weights[0] >= 5 / 12 and blend.weights.min() >= 1 / 12
    grid = np.quantile(given.time_days[given.event], [0.3, 0.5])
    told = 1 - blend.survival(given.patients, grid).mean(axis=0)
    happened = 1 - kaplan_meier(given.event, given.time_days).at(grid)
    assert told == pytest.approx(happened, abs=0.06)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_gives_falling_curves_and_the_same_bits_again(model: str) -> None:
    given = training()
    grid = np.array([1.0, 5.0, 20.0, 100.0])
    first, second = (fit_model(model, given) for _ in range(2))
    curves, risk = first.survival(given.patients, grid), first.risk(given.patients)
    assert curves.shape == (120, 4) and risk.shape == (120,)
    assert ((curves >= 0) & (curves <= 1)).all() and (np.diff(curves, axis=1) <= 1e-9).all()
    assert risk.tobytes() == second.risk(given.patients).tobytes()
    if model != "kaplan-meier":
        value = concordance(given.event, given.time_days, risk).value
        assert value is not None and value > 0.55


def test_a_plug_in_model_takes_part() -> None:
    add_model("twice-ridge", "the ridge again", lambda given: fit_model("ridge-cox", given))
    assert is_known("twice-ridge") and summaries()["twice-ridge"] == "the ridge again"
    assert PrognosisConfig(models=("twice-ridge",)).models == ("twice-ridge",)
    given = training()
    assert np.array_equal(
        fit_model("twice-ridge", given).risk(given.patients), fit_model("ridge-cox", given).risk(given.patients)
    )
    with pytest.raises(ValueError, match="no model sorcery"):
        PrognosisConfig(models=("sorcery",))


def test_what_moved_a_risk_is_named() -> None:
    given = training(200)
    model = fit_model("ridge-cox", given)
    high = int(np.argmax(given.patients.x[:, 1]))
    parts = moved_by(model, given.patients, given.patients, horizon_days=10.0)
    assert set(parts) == {"a", "volume", "c"} and all(part.shape == (200,) for part in parts.values())
    coefficient = model.model.coefficients[1]  # type: ignore[attr-defined]
    assert np.sign(parts["volume"][high]) == np.sign(coefficient)
    nobody = moved_by(fit_model("kaplan-meier", given), given.patients, given.patients, horizon_days=10.0)
    assert all((part == 0).all() for part in nobody.values())


def test_hazard_ratios_by_hand() -> None:
    ((name, ratio, low, high),) = hazard_ratios(("age",), np.array([np.log(2.0)]), np.array([0.1]))
    assert (name, ratio) == ("age", pytest.approx(2.0))
    assert (low, high) == pytest.approx((2 * np.exp(-0.1959964), 2 * np.exp(0.1959964)))
