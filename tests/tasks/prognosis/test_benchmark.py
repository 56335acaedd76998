"""The protocol end to end: what is planted is found, nothing leaks, every model is in the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.metrics.concordance import concordance
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.prognosis.benchmark import benchmark
from tumorboard.tasks.prognosis.competing import competition
from tumorboard.tasks.prognosis.config import MODELS, PrognosisConfig
from tumorboard.tasks.prognosis.data import endpoints_of, missing
from tumorboard.tasks.prognosis.pictures import risk_groups
from tumorboard.tasks.prognosis.protocol import FoldPrediction, cross_validate, external

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


QUICK = PrognosisConfig(
    resamples=100, horizons_days=(730.0,), inner_folds=2, folds=3, trees=30, volume="volume_ml", pictures=False
)


def test_every_model_is_scored_beside_the_null(tmp_path: Path) -> None:
    data = cohort(160)
    result = benchmark(data, tmp_path, config=QUICK)
    assert value(result.scores, "kaplan-meier", "c_index")["value"] == 0.5
    assert not {row["run"] for row in result.scores} & {"radiomics-cox", "fusion-cox"}  # no image features here
    for model in MODELS[1:]:
        c = value(result.scores, model, "c_index")
        assert c["low"] < c["value"] < c["high"] and c["value"] > 0.55 and c["n"] == 160, model
    for model in ("ridge-cox", "best-by-inner-folds"):
        assert value(result.scores, model, "ipa")["value"] > 0, model
        left_out = value(result.scores, model, "c_index", "centre A left out")
        assert left_out["value"] > 0.6 and left_out["n"] == 80, model
        assert value(result.scores, model, "c_index", "centre = A")["n"] == 80
    assert value(result.scores, "kaplan-meier", "ipa")["value"] == pytest.approx(0, abs=1e-12)
    assert value(result.scores, "kaplan-meier", "c_index minus ridge-cox")["high"] < 0
    predicted = data.with_rows(**result.rows)
    assert all(predicted.endpoints(model) == ["OS"] for model in MODELS)
    assert predicted.outcomes.num_rows == 160 * (len(MODELS) + 1)
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


@pytest.mark.parametrize("model", [m for m in MODELS if m != "mtlr"])  # the other network is fitted by the same code
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


@pytest.mark.parametrize("model", ["ridge-cox", "best-by-inner-folds"])
def test_shuffled_labels_leave_chance(model: str, tmp_path: Path) -> None:
    settings = {"models": (model,), "across_centres": (), "trees": 10}
    values = []
    for seed in range(3):
        result = benchmark(cohort(150, seed=seed, shuffled=True), tmp_path, config=QUICK.model_copy(update=settings))
        row = value(result.scores, model, "c_index")
        values.append(row["low"] <= 0.5 <= row["high"])
    assert sum(values) >= 2  # each interval misses one half one time in twenty


def test_a_planted_future_variable_is_left_out_and_named(tmp_path: Path) -> None:
    data = cohort(160)
    late = replace(VARIABLES[2], baseline=True)
    result = benchmark(
        data.with_dictionary([late]), tmp_path, config=QUICK.model_copy(update={"models": ("ridge-cox",)})
    )
    assert any("weeks_on_treatment left out" in note and "tells the time of OS" in note for note in result.notes)
    clean = benchmark(data, tmp_path, config=QUICK.model_copy(update={"models": ("ridge-cox",)}))
    assert result.scores == clean.scores
    kept = benchmark(
        data.with_dictionary([late]),
        tmp_path,
        config=QUICK.model_copy(update={"models": ("ridge-cox",), "leaks": "keep"}),
    )
    assert value(kept.scores, "ridge-cox", "c_index")["value"] > 0.9
    assert any("KEPT" in note for note in kept.notes)
    only = QUICK.model_copy(update={"models": ("ridge-cox",), "covariates": ("weeks_on_treatment",)})
    with pytest.raises(TumorboardError, match="PRG106"):
        benchmark(data.with_dictionary([late]), tmp_path, config=only)


def test_a_variable_that_names_the_event_is_left_out(tmp_path: Path) -> None:
    data = cohort(120)
    outcome = data.outcome("OS")
    rows = [
        {**row, "second_line": "yes" if e else None}
        for row, e in zip(data.rows("patients"), outcome.event, strict=True)
    ]
    spoilt = data.replace_tables(patients=rows).with_dictionary(
        [Variable("second_line", Kind.CATEGORICAL, baseline=True)]
    )
    result = benchmark(spoilt, tmp_path, config=QUICK.model_copy(update={"models": ("ridge-cox",)}))
    assert any("second_line left out, since it tells who had OS" in note for note in result.notes)


def test_a_patient_in_two_folds_is_an_error() -> None:
    data = cohort(60)
    outcome = endpoints_of(data)[0]
    rows = rows_of(data, outcome.patient_ids)
    with pytest.raises(TumorboardError, match="PRG105"):
        cross_validate(
            "ridge-cox", rows, outcome, variables=VARIABLES[:2], config=QUICK, folds=[np.arange(20), np.arange(19, 40)]
        )


def test_same_seed_same_folds_and_each_patient_once() -> None:
    event = cohort(90).outcome("OS").event
    folds = stratified_folds(event, folds=4, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(folds, stratified_folds(event, folds=4, seed=3), strict=True))
    assert sorted(np.concatenate(folds)) == list(range(90))
    assert any(not np.array_equal(a, b) for a, b in zip(folds, stratified_folds(event, folds=4, seed=4), strict=True))


def test_trained_on_one_cohort_tested_on_another() -> None:
    here, there = cohort(120), cohort(100, seed=1)
    renamed = [{**row, "patient_id": "X" + row["patient_id"]} for row in there.rows("patients")]
    outcomes = [{**row, "patient_id": "X" + row["patient_id"]} for row in there.rows("outcomes")]
    other = Cohort.build("other", dictionary=VARIABLES, patients=renamed, outcomes=outcomes)
    both = external(here, other, "OS")
    assert len(both.rows) == 220 and both.test.tolist() == list(range(120, 220))
    (found,) = cross_validate(
        "ridge-cox", both.rows, both.outcome, variables=VARIABLES[:2], folds=[both.test], config=QUICK
    )
    value = concordance(both.outcome.event[found.test], both.outcome.time_days[found.test], found.risk).value
    assert value is not None and value > 0.6
    with pytest.raises(TumorboardError, match="PRG105"):
        external(here, there, "OS")


def test_a_model_asked_for_by_name_is_not_left_out_in_silence(tmp_path: Path) -> None:
    small = QUICK.model_copy(update={"models": ("volume", "ridge-cox"), "volume": "", "covariates": ("stage",)})
    with pytest.raises(TumorboardError, match="PRG104"):
        benchmark(cohort(60), tmp_path, config=small)


def test_death_that_competes_is_told_with_both_figures(tmp_path: Path) -> None:
    data = cohort(160)
    os = data.outcome("OS")
    random = np.random.default_rng(0)
    relapse = random.exponential(900, 160)
    rows = [
        {
            "patient_id": patient,
            "endpoint": "LRR",
            "run_id": "expert",
            "survival": {"event": bool(r < t), "time_days": float(min(r, t))},
        }
        for patient, t, r in zip(os.patient_ids, os.time_days, relapse, strict=True)
    ]
    config = QUICK.model_copy(update={"models": ("ridge-cox",), "endpoints": ("LRR",)})
    (note,) = benchmark(data.with_rows(outcomes=rows), tmp_path, config=config).notes
    assert note.startswith("LRR: ") and "Aalen-Johansen" in note
    found = competition(data.with_rows(outcomes=rows), data.with_rows(outcomes=rows).outcome("LRR"), horizon_days=730.0)
    assert found is not None and found.naive > found.incidence + 0.02
    assert found.died_without == sum(1 for e, t, r in zip(os.event, os.time_days, relapse, strict=True) if e and r >= t)
    assert competition(data, os, horizon_days=730.0) is None


def test_bounds_miss_about_as_many_as_they_may(tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"models": ("ridge-cox",), "across_centres": (), "folds": 4})
    missed = [
        value(benchmark(cohort(400, seed=seed), tmp_path, config=config).scores, "ridge-cox", "bound_missed")
        for seed in (0, 1)
    ]
    assert all(row["low"] <= 0.1 <= row["high"] for row in missed)
    assert 0.05 < np.mean([row["value"] for row in missed]) < 0.15


def test_pictures_are_drawn_and_say_the_same_twice(tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"models": ("kaplan-meier", "ridge-cox"), "across_centres": (), "pictures": True})
    for folder in ("a", "b"):
        result = benchmark(cohort(120), tmp_path / folder, config=config)
    assert sorted(picture.path.name for picture in result.pictures) == sorted(
        path.name for path in (tmp_path / "b" / "pictures").glob("*.svg")
    )
    assert all(picture.title.startswith("OS: ") and len(picture.alt) > 30 for picture in result.pictures)
    drawn = sorted(path.name for path in (tmp_path / "a" / "pictures").iterdir())
    names = ("auc-in-time", "calibration", "hazard-ratios", "net-benefit", "one-patient", "risk-groups")
    assert drawn == [f"OS-{name}.{suffix}" for name in names for suffix in ("png", "svg")]
    for name in drawn:
        first, again = (tmp_path / folder / "pictures" / name for folder in ("a", "b"))
        if name.endswith("png"):
            assert first.read_bytes() == again.read_bytes() and first.stat().st_size > 8_000, name


def test_risk_groups_are_cut_on_training_patients() -> None:
    def prediction(test: list[int], risk: list[float], cuts: list[float]) -> FoldPrediction:
        none = np.zeros((len(test), 1))
        return FoldPrediction(np.array(test), np.array([9]), np.array(risk), none, np.ones(1), cuts=np.array(cuts))

    parts = [prediction([0, 2], [0.1, 5.0], [0.0, 1.0]), prediction([1], [5.0], [6.0, 7.0])]
    assert risk_groups(parts, 4).tolist() == [1, 0, 2, -1]


def test_python_mirrors_the_command_line(tmp_path: Path) -> None:
    import tumorboard as tb

    settings = {"models": ("ridge-cox",), "resamples": 100, "folds": 3, "pictures": False}
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
