"""The protocol end to end: what is planted is found, nothing leaks, every model is in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.prognosis.benchmark import benchmark
from tumorboard.tasks.prognosis.config import MODELS, PrognosisConfig
from tumorboard.tasks.prognosis.data import endpoints_of, missing
from tumorboard.tasks.prognosis.protocol import cross_validate

VARIABLES = [
    Variable("volume_ml", Kind.NUMERIC, unit="ml", baseline=True),
    Variable("stage", Kind.CATEGORICAL, baseline=True),
    Variable("weeks_on_treatment", Kind.NUMERIC, note="known only later"),
]


def cohort(n: int = 240, *, seed: int = 0, shuffled: bool = False) -> Cohort:
    """Two centres; hazard rises with volume and stage; the third variable gives the time away."""
    random = np.random.default_rng(seed)
    volume, stage = random.lognormal(2, 0.8, n), random.integers(1, 5, n)
    death = random.exponential(1500 * np.exp(-0.8 * (np.log(volume) - 2) - 0.4 * (stage - 2.5)))
    loss = random.uniform(300, 3000, n)
    time, event = np.maximum(np.minimum(death, loss), 1.0), death <= loss
    if shuffled:
        order = random.permutation(n)
        time, event = time[order], event[order]
    ids = [f"P{i:03d}" for i in range(n)]
    return Cohort.build(
        "planted",
        dictionary=VARIABLES,
        patients=[
            {
                "patient_id": patient,
                "centre": "AB"[i % 2],
                "volume_ml": None if i % 11 == 0 else float(volume[i]),
                "stage": str(stage[i]),
                "weeks_on_treatment": float(time[i] / 7),
            }
            for i, patient in enumerate(ids)
        ],
        outcomes=[
            {
                "patient_id": patient,
                "endpoint": "OS",
                "run_id": "expert",
                "survival": {"event": bool(event[i]), "time_days": float(time[i])},
            }
            for i, patient in enumerate(ids)
        ],
    )


def value(scores: list[dict[str, Any]], run: str, metric: str, subset: str = "all") -> dict[str, Any]:
    return next(s for s in scores if (s["run"], s["metric"], s["subset"]) == (run, metric, subset))


QUICK = PrognosisConfig(resamples=100, horizons_days=(730.0,), inner_folds=2, folds=3, trees=30, volume="volume_ml")


def test_every_model_is_scored_beside_the_null(tmp_path: Path) -> None:
    data = cohort()
    result = benchmark(data, tmp_path, config=QUICK)
    assert value(result.scores, "kaplan-meier", "c_index")["value"] == 0.5
    for model in MODELS[1:]:
        c = value(result.scores, model, "c_index")
        assert c["low"] < c["value"] < c["high"] and c["value"] > 0.6 and c["n"] == 240, model
        assert value(result.scores, model, "ipa")["value"] > 0, model
        assert value(result.scores, model, "c_index", "centre A left out")["value"] > 0.6, model
    assert value(result.scores, "kaplan-meier", "ipa")["value"] == pytest.approx(0, abs=1e-12)
    assert value(result.scores, "kaplan-meier", "c_index minus ridge-cox")["high"] < 0
    predicted = data.with_rows(**result.rows)
    assert all(predicted.endpoints(model) == ["OS"] for model in MODELS)
    assert predicted.outcomes.num_rows == 240 * (len(MODELS) + 1)
    curve = predicted.row("outcomes", patient_id="P003", run_id="weibull")["curve_survival"]
    assert (np.diff(curve) <= 1e-12).all() and 0 <= curve[-1] <= curve[0] <= 1


def test_only_baseline_variables_are_used_unless_named() -> None:
    data = cohort(60)
    assert [v.name for v in covariates_of(data)] == ["volume_ml", "stage"]
    assert [v.name for v in covariates_of(data, ["weeks_on_treatment"])] == ["weeks_on_treatment"]
    with pytest.raises(TumorboardError, match="VAR102"):
        covariates_of(data, ["colour"])


def test_what_is_missing_is_said() -> None:
    bare = Cohort.build("bare", patients=[{"patient_id": "a"}])
    assert len(missing(bare)) == 2 and missing(cohort(60)) == []
    with pytest.raises(TumorboardError, match="PRG103"):
        benchmark(bare, Path("unused"))


@pytest.mark.parametrize("model", MODELS)
def test_poisoned_test_rows_change_nothing_but_their_own_predictions(model: str) -> None:
    data = cohort(120)
    outcome = endpoints_of(data)[0]
    rows = rows_of(data, outcome.patient_ids)
    folds = stratified_folds(outcome.event, folds=3, seed=0)[:1]
    clean = cross_validate(model, rows, outcome, variables=VARIABLES[:2], folds=folds, config=QUICK)[0]
    poisoned = list(rows)
    victim = int(folds[0][0])
    poisoned[victim] = {**rows[victim], "volume_ml": 1e9, "stage": "never seen"}
    dirty = cross_validate(model, poisoned, outcome, variables=VARIABLES[:2], folds=folds, config=QUICK)[0]
    assert np.array_equal(clean.risk[1:], dirty.risk[1:])
    assert np.array_equal(clean.survival[1:], dirty.survival[1:])


def test_shuffled_labels_leave_chance(tmp_path: Path) -> None:
    values = []
    for seed in range(3):
        data = cohort(200, seed=seed, shuffled=True)
        result = benchmark(data, tmp_path, config=QUICK.model_copy(update={"models": ("ridge-cox",)}))
        row = value(result.scores, "ridge-cox", "c_index")
        values.append(row["low"] <= 0.5 <= row["high"])
    assert sum(values) >= 2  # each interval misses one half one time in twenty


def test_python_mirrors_the_command_line(tmp_path: Path) -> None:
    import tumorboard as tb

    settings = {"models": ("ridge-cox",), "resamples": 100, "folds": 3}
    assert tb.benchmark(cohort(80), task="prognosis", out=tmp_path, **settings).scores
    with pytest.raises(TumorboardError, match="TSK101"):
        tb.benchmark(cohort(80), task="astrology")
    with pytest.raises(TumorboardError, match="TSK102"):
        tb.benchmark(Cohort.build("bare", patients=[{"patient_id": "a"}]), task="prognosis")
    spoilt = cohort(80).with_rows(patients=[{"patient_id": "P080", "age_years": 430.0}])
    assert {finding.code for finding in tb.check(spoilt)} - {finding.code for finding in tb.check(cohort(80))}


def test_same_seed_same_table(tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"models": ("sign-sum", "boosted-hazard")})
    assert benchmark(cohort(80), tmp_path, config=config) == benchmark(cohort(80), tmp_path, config=config)
