"""The ten traps of multimodal survival that concern tables, metrics and folds, one test each.

Those of networks on volumes (tokens, masks, slices) belong to the image models' tests.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Kind, Variable
from tumorboard.metrics.concordance import LATER, concordance
from tumorboard.metrics.survival.curves import censoring_curve, kaplan_meier
from tumorboard.metrics.survival.error import brier_scores, usable_horizons
from tumorboard.metrics.survival.uno import uno_concordance
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.prognosis.benchmark import benchmark
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.cox import fit_cox, log_partial_likelihood
from tumorboard.tasks.prognosis.models.discrete import interval_edges, intervals_of
from tumorboard.tasks.prognosis.protocol import cross_validate

AGE = Variable("age", Kind.NUMERIC, missing=("na",), baseline=True)
SITE = Variable("site", Kind.CATEGORICAL, missing=("na",), baseline=True)
QUICK = PrognosisConfig(models=("kaplan-meier", "ridge-cox"), resamples=100, folds=3, pictures=False)


def test_trap_2_a_variable_missing_in_everybody_is_finite() -> None:
    rows = [{"age": None, "site": "a" if i % 2 else "b"} for i in range(40)]
    x = ClinicalEncoder.fit(rows, [AGE, SITE]).transform(rows)
    fit = fit_cox(x, [True] * 40, np.arange(1, 41), ridge=1.0)
    assert np.isfinite(x).all() and np.isfinite(fit.risk(x)).all()


@pytest.mark.parametrize("nothing", [None, math.nan, "", "na", " "])
def test_trap_3_missing_is_one_state_and_moves_no_statistics(nothing: object) -> None:
    rows = [{"age": 50.0 + i, "site": "ab"[i % 2]} for i in range(20)] + [{"age": nothing, "site": nothing}] * 6
    known = [{"age": 50.0 + i, "site": "ab"[i % 2]} for i in range(20)] + [{"age": None, "site": None}] * 6
    mine, theirs = ClinicalEncoder.fit(rows, [AGE, SITE]), ClinicalEncoder.fit(known, [AGE, SITE])
    assert mine == theirs and mine.transform(rows).tobytes() == theirs.transform(known).tobytes()
    zero = mine.transform([{"age": 0, "site": "a"}])
    assert not np.array_equal(zero, mine.transform([{"age": nothing, "site": "a"}]))


def test_trap_4_the_order_of_patients_changes_no_prediction() -> None:
    random = np.random.default_rng(0)
    rows = [
        {"age": a, "site": s} for a, s in zip(random.normal(60, 9, 80), random.choice(list("abc"), 80), strict=True)
    ]
    time, event = random.permutation(80) + 1.0, random.random(80) < 0.6
    encoder = ClinicalEncoder.fit(rows, [AGE, SITE])
    order = random.permutation(80)
    shuffled = [rows[i] for i in order]
    other = ClinicalEncoder.fit(shuffled, [AGE, SITE])
    here = fit_cox(encoder.transform(rows), event, time, ridge=1.0).risk(encoder.transform(rows))
    there = fit_cox(other.transform(shuffled), event[order], time[order], ridge=1.0).risk(other.transform(rows))
    assert there == pytest.approx(here, abs=1e-9)


def test_trap_5_cox_with_one_patient_without_events_and_with_wild_risks() -> None:
    assert log_partial_likelihood([True], [3.0], [0.7]) == 0  # one patient: nothing to compare with
    assert log_partial_likelihood([False, False], [3.0, 4.0], [0.7, -2.0]) == 0
    with pytest.raises(ValueError, match="no event"):
        fit_cox([[1.0], [2.0]], [False, False], [1, 2])
    risk = np.array([1e3, -1e3, 0.0])
    value = log_partial_likelihood([True, True, True], [1, 2, 3], risk)
    assert np.isfinite(value) and value == pytest.approx(log_partial_likelihood([True] * 3, [1, 2, 3], risk + 123.0))
    with pytest.raises(TumorboardError, match="PRG103"):
        benchmark(made_up(event=np.zeros(60, bool)), Path("unused"), config=QUICK)


def test_trap_6_discrete_time_on_edges_beyond_them_and_at_zero() -> None:
    edges = interval_edges(np.ones(4, bool), np.array([1.0, 2.0, 3.0, 4.0]), intervals=4)
    assert edges.tolist() == [1.75, 2.5, 3.25, 4.0]
    completed, happened = intervals_of(np.array([1, 1, 0, 0], bool), np.array([1.75, 7.0, 1.75, 1.0]), edges)
    assert completed.tolist() == [0, 4, 1, 0] and happened.tolist() == [True, False, False, False]
    with pytest.raises(TumorboardError):  # an event at time 0 is no observation, and never reaches a model
        made_up(time=np.r_[0.0, np.arange(1.0, 60.0)])


def test_trap_7_censoring_is_reverse_kaplan_meier_and_brier_uses_its_left_limit() -> None:
    time, event = np.array([1, 2, 2, 3, 4, 5.0]), np.array([1, 1, 0, 1, 0, 1], bool)
    assert censoring_curve(event, time).at(2) == pytest.approx(0.75)
    assert kaplan_meier(~event, time).at(2) == pytest.approx(0.80)  # labels merely exchanged: not what is used
    curves = np.tile([0.8, 0.5, 0.3], (6, 1))
    found = brier_scores(
        event, time, curves, horizons=[1.5, 2.5, 3.5], censoring=censoring_curve(event, time), weights="at time"
    )
    assert found.values == pytest.approx([0.1400, 0.2639, 0.2728], abs=5e-5)  # scikit-survival 0.28


def test_trap_8_concordance_fixture_sign_ties_and_unos_choice() -> None:
    time = np.array([11, 11, 26, 89, 128, 299, 300.0])
    event = np.array([1, 0, 0, 1, 0, 1, 0], bool)
    risk = np.array([-0.02, 1.2, -0.56, -1.33, -0.81, 1.02, -1.29])
    found = concordance(event, time, risk)
    assert (found.value, found.concordant, found.discordant) == (0.5, 5, 5)
    uno = [
        uno_concordance(event, time, risk, censoring=censoring_curve(event, time), tau=299.0, weights=weights).value
        for weights in ("left limit", "at time")
    ]
    # Published programs differ (0.3743 scikit-survival, 0.4129 survAUC); the default is the estimator's definition.
    assert uno[1] == pytest.approx(0.3743, abs=5e-5) and uno[0] != uno[1]
    right = concordance([True, True, True], [1, 2, 3], [3.0, 2.0, 1.0]).value
    assert right == 1.0 and concordance([True, True, True], [1, 2, 3], [1.0, 2.0, 3.0]).value == 0.0
    assert concordance([True, True, True], [1, 2, 3], [1.0, 2.0, 3.0], higher_means=LATER).value == 1.0
    assert concordance([True, True], [1, 2], [5.0, 5.0]).value == 0.5


def test_trap_9_horizons_beyond_follow_up_are_cut_and_told() -> None:
    event, time = np.array([True, False, True, True]), np.array([1.0, 2.0, 3.0, 4.0])
    kept, told = usable_horizons([0.5, 2.0, 3.5, 50.0], time=time, censoring=censoring_curve(event, time))
    assert kept.tolist() == [2.0, 3.5] and "2 of 4 horizons" in told


@pytest.mark.parametrize("censored", ["everybody but ten", "nobody", "six of sixteen"])
def test_trap_9_folds_of_one_fate_give_values_or_a_named_gap(censored: str, tmp_path: Path) -> None:
    event = np.ones(60, bool) if censored == "nobody" else np.arange(60) % 6 == 0
    if censored == "six of sixteen":
        event = np.arange(16) < 10
    result = benchmark(made_up(len(event), event=event), tmp_path, config=QUICK)
    assert result.scores
    for row in result.scores:
        assert all(row[key] is None or math.isfinite(row[key]) for key in ("value", "low", "high")), row
        assert row["value"] is not None or row["metric"].startswith(("auc", "ibs", "ipa", "uno")), row


def test_trap_10_one_patient_in_two_folds_is_an_error_and_folds_repeat() -> None:
    cohort = made_up()
    outcome = cohort.outcome("OS")
    assert isinstance(outcome, Survival)
    folds = stratified_folds(outcome.event, folds=3, seed=0)
    assert [f.tolist() for f in folds] == [f.tolist() for f in stratified_folds(outcome.event, folds=3, seed=0)]
    with pytest.raises(TumorboardError, match="PRG105"):
        cross_validate(
            "ridge-cox", cohort.rows("patients"), outcome, variables=[AGE], folds=[folds[0], folds[0]], config=QUICK
        )


def test_trap_10_bins_and_scales_come_from_training_patients() -> None:
    cohort = made_up(n=90)
    outcome, rows = cohort.outcome("OS"), cohort.rows("patients")
    assert isinstance(outcome, Survival)
    folds = stratified_folds(outcome.event, folds=3, seed=0)[:1]
    later = Survival("OS", outcome.patient_ids, outcome.event, outcome.time_days.copy())
    later.time_days[folds[0]] *= 1000.0  # what the tested patients live to see must not move bins, grids or curves
    for model in ("logistic-hazard", "boosted-hazard", "ridge-cox"):
        before, after = (
            cross_validate(model, rows, one, variables=[AGE], folds=folds, config=QUICK)[0] for one in (outcome, later)
        )
        assert np.array_equal(before.grid, after.grid) and np.array_equal(before.survival, after.survival)


def made_up(n: int = 60, *, time: np.ndarray | None = None, event: np.ndarray | None = None) -> Cohort:
    """Patients with an age that matters a little."""
    random = np.random.default_rng(0)
    age = random.normal(60, 10, n)
    time = random.exponential(1500 * np.exp(-(age - 60) / 20)) + 5 if time is None else time
    event = random.random(n) < 0.6 if event is None else event
    ids = [f"P{i:02d}" for i in range(n)]
    return Cohort.build(
        "made up",
        dictionary=[AGE],
        patients=[{"patient_id": patient, "age": float(a)} for patient, a in zip(ids, age, strict=True)],
        outcomes=[
            {
                "patient_id": patient,
                "endpoint": "OS",
                "run_id": "expert",
                "survival": {"event": bool(e), "time_days": float(t)},
            }
            for patient, e, t in zip(ids, event, time, strict=True)
        ],
    )
