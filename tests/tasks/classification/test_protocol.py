"""Nobody can fool the protocol: chance, poisoned test rows, planted leaks, stages that depend on the label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hpv_cohorts import build

from tumorboard.core.cohort import Cohort
from tumorboard.core.variables import Kind, Variable
from tumorboard.metrics.classification import auc
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import Problem, missing, problems_of, variables_of
from tumorboard.tasks.classification.protocol import cross_validate, prepare, held_out_folds, transfer, unreadable
from tumorboard.tasks.classification.stages import depends_on_hpv, harmonised, nodes_present

FAST = ClassificationConfig(models=("logistic", "boosted", "ensemble"), trees=20, inner_folds=2, folds=3)
PLAIN = FAST.model_copy(update={"models": ("logistic",)})


def problem_of(cohort: Cohort, config: ClassificationConfig = FAST) -> Problem:
    (problem,) = problems_of(cohort, config)
    return problem


def out_of_fold(cohort: Cohort, config: ClassificationConfig = FAST) -> Any:
    problem = problem_of(cohort, config)
    variables, _ = variables_of(problem, config)
    folds = held_out_folds(problem, folds=config.folds, seed=0)
    return problem, cross_validate(problem, variables=variables, folds=folds, config=config)


def joined(run: Any, model: str, n: int) -> np.ndarray:
    p = np.full((n, 2), np.nan)
    for fold in run.predictions[model]:
        p[fold.test] = fold.probabilities
    return p


def test_what_is_there_is_found_and_chance_is_not(cohort: Cohort) -> None:
    problem, run = out_of_fold(cohort, FAST.model_copy(update={"models": ("logistic", "boosted")}))
    for model in run.predictions:
        assert auc(problem.y == 1, joined(run, model, len(problem))[:, 1]) > 0.75, model
    found = []
    for seed in range(4):
        dealt, chance = out_of_fold(build(seed=seed, permute=True), PLAIN)
        found.append(auc(dealt.y == 1, joined(chance, "logistic", len(dealt))[:, 1]))
    assert min(found) < 0.5 < max(found) or abs(np.mean(found) - 0.5) < 0.04
    assert abs(np.mean(found) - 0.5) < 0.07


def test_poisoned_test_rows_change_nothing_that_is_fitted(cohort: Cohort) -> None:
    problem = problem_of(cohort)
    variables, _ = variables_of(problem, FAST)
    train, test = np.arange(0, 110), np.arange(110, 160)
    poisoned_rows = [dict(row) for row in problem.rows]
    y = problem.y.copy()
    for i in test:
        poisoned_rows[i] |= {"packs": 1e9, "subsite": f"planted {i}", "age_years": -1e6, "alcohol": None}
        y[i] = 1 - y[i]
    table = cohort.replace_tables(patients=poisoned_rows)
    poisoned = replace(problem, rows=tuple(poisoned_rows), y=y, cohort=table)
    clean, dirty = (prepare(one, train, variables, FAST).training for one in (problem, poisoned))
    assert clean.encoder.to_json() == dirty.encoder.to_json() and clean.variables == dirty.variables
    from tumorboard.tasks.classification.fitting import fit_models

    fitted = [fit_models(t, FAST.models)[0] for t in (clean, dirty)]
    for name in FAST.models:
        a, b = (one[name].probabilities(clean.patients) for one in fitted)
        assert np.array_equal(a, b), name
        assert fitted[0][name].answers.to_json() == fitted[1][name].answers.to_json()
        assert fitted[0][name].calibration.to_json() == fitted[1][name].calibration.to_json()


@pytest.mark.parametrize("name", ["leaky", "future"])
def test_a_planted_leak_is_left_out_by_itself_and_named(name: str) -> None:
    kind = Kind.CATEGORICAL if name == "leaky" else Kind.NUMERIC
    cohort = build(more={name: [None] * 160}, variables=(Variable(name, kind, baseline=True),))
    problem, run = out_of_fold(cohort, PLAIN)
    assert any(f"{name!r} left out, it gives HPV away" in note for note in run.told())
    assert auc(problem.y == 1, joined(run, "logistic", len(problem))[:, 1]) < 0.93
    kept = PLAIN.model_copy(update={"keep": (name,)})
    problem, run = out_of_fold(cohort, kept)
    assert auc(problem.y == 1, joined(run, "logistic", len(problem))[:, 1]) > 0.98


def test_only_baselines_and_never_the_endpoint(cohort: Cohort) -> None:
    names = [v.name for v in variables_of(problem_of(cohort), FAST)[0]]
    assert names == ["age_years", "packs", "subsite", "alcohol"], "later is no baseline"
    more = {"hpv p16": ["x"] * 160, "packs (as published)": ["y"] * 160, "published site": ["z"] * 160}
    variables = tuple(Variable(n, Kind.CATEGORICAL, baseline=True) for n in more)
    found, notes = variables_of(problem_of(build(more=more, variables=variables)), FAST)
    assert [v.name for v in found] == names and len(notes) == 3
    assert missing(cohort) == []
    assert missing(cohort.replace_tables(outcomes=[]))


def test_alike_ids_stay_together() -> None:
    cohort = build()
    rows = cohort.rows("patients")
    twin = rows[0]["patient_id"].lower() + " "
    old = rows[77]["patient_id"]
    rows[77]["patient_id"] = twin
    outcomes = [{**row, "patient_id": twin if row["patient_id"] == old else row["patient_id"]}
                for row in cohort.rows("outcomes")]  # fmt: skip
    problem = problem_of(cohort.replace_tables(outcomes=[]).replace_tables(patients=rows, outcomes=outcomes))
    for seed in range(5):
        folds = held_out_folds(problem, folds=4, seed=seed)
        places = [problem.patient_ids.index(p) for p in (rows[0]["patient_id"], twin)]
        assert len({next(n for n, fold in enumerate(folds) if place in fold) for place in places}) == 1
        assert sorted(np.concatenate(folds).tolist()) == list(range(160))


def test_stages_that_depend_on_hpv() -> None:
    n, edition = Variable("n_stage", Kind.NUMERIC, baseline=True), Variable("tnm_edition", Kind.NUMERIC)
    overall = Variable("Stage", Kind.CATEGORICAL, baseline=True)
    rows = [{"n_stage": 2.0, "tnm_edition": 7.0}, {"n_stage": 1.0, "tnm_edition": 8.0}]
    assert depends_on_hpv(rows, [n]) and not depends_on_hpv(rows[:1], [n])
    kept, staged, notes = harmonised([n, overall, edition], how="presence")
    assert [v.name for v in kept] == ["n_stage", "tnm_edition"] and list(staged) == ["n_stage"] and len(notes) == 2
    assert [v.name for v in harmonised([n, overall], how="drop")[0]] == []
    same, none, warned = harmonised([n], how="as-published")
    assert same == [n] and not none and "leak" in warned[0]
    coded = Variable("pN", Kind.CATEGORICAL, levels={"0": "pNX", "1": "pN0", "4": "pN2", "6": "pN2b"})
    assert [nodes_present(c, coded) for c in ("0", "1", 4, 6.0, None)] == [None, "N0", "N+", "N+", None]
    mixed = [{"pN": "4"}] * 6 + [{"pN": "6"}] * 6
    assert depends_on_hpv(mixed, [coded]), "N2 without a letter beside N2b: two definitions in one column"
    assert not depends_on_hpv([{"pN": "6"}] * 12, [coded])


def test_in_the_protocol_the_stage_becomes_presence() -> None:
    rng = np.random.default_rng(0)
    more = {"n_stage": rng.integers(0, 4, 160).astype(float).tolist(), "tnm_edition": [8.0] * 160}
    cohort = build(more=more, variables=(Variable("n_stage", Kind.NUMERIC, baseline=True),))
    problem = problem_of(cohort)
    prepared = prepare(problem, np.arange(120), variables_of(problem, FAST)[0], FAST)
    assert any(name.startswith("n_stage = N") for name in prepared.training.encoder.names)
    assert any("depends on HPV" in note for note in prepared.notes)


def test_another_cohort_may_lack_variables_and_have_new_levels(cohort: Cohort) -> None:
    other = build(60, seed=9)
    rows = [{k: v for k, v in row.items() if k != "packs"} | {"subsite": "unheard of"} for row in other.rows("patients")]
    first, second = problem_of(cohort), problem_of(other.replace_tables(patients=rows))
    variables, _ = variables_of(first, FAST)
    few = FAST.model_copy(update={"models": ("logistic", "forest")})
    run = transfer(first, second, variables=variables, config=few)
    shifted = transfer(first, second, variables=variables, config=few, transductive=True)
    for model, (fold,) in run.predictions.items():
        assert np.isfinite(fold.probabilities).all() and len(fold.told) == 60
        assert np.array_equal(fold.told, shifted.predictions[model][0].told), "shares do not move the class told"


def test_a_cell_that_is_no_value_is_named_not_guessed() -> None:
    variables = [Variable("packs", Kind.NUMERIC), Variable("sex", Kind.CATEGORICAL)]
    rows = [{"packs": "40", "sex": "M"}, {"packs": "forty"}, {"sex": 2}, {}]
    assert {i: error.code.id for i, error in unreadable(rows, variables).items()} == {1: "VAR101", 2: "VAR103"}
