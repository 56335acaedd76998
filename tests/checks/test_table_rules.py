"""Every rule on tables: silent on a clean table, loud on the same table with one fault planted under another name."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tables import clean_columns, codes_of, cohort_of

from tumorboard.checks import run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.variables import Kind, Variable


@pytest.mark.parametrize("seed", [1, 7, 23])
@pytest.mark.parametrize("declared", [False, True])
def test_a_clean_table_raises_neither_error_nor_warning(seed: int, declared: bool) -> None:
    found = run_checks(cohort_of(clean_columns(seed=seed), declared=declared))
    assert [(f.code, f.where, f.message) for f in found if f.severity != "info"] == []


def test_ids_that_differ_in_writing_alone() -> None:
    columns = clean_columns()
    columns["patient_id"][5] = "p_0001"
    (found,) = codes_of(cohort_of(columns), "PAT201")
    assert "P-0001" in found.where and "p_0001" in found.where


def test_a_row_repeated_under_another_id_and_in_another_cohort() -> None:
    columns = clean_columns()
    assert codes_of(cohort_of(columns), "PAT202") == []
    for name, values in columns.items():
        if name not in ("patient_id", "centre"):
            values[100] = values[3]
    (found,) = codes_of(cohort_of(columns), "PAT202")
    assert "P-0004 = P-0101" in found.where

    other = {k: v[:80] for k, v in clean_columns(seed=3).items()}
    original = clean_columns()
    for name in original:
        if name != "patient_id":
            other[name] = other[name][:40] + original[name][40:80]
    other["patient_id"] = [f"X{i}" for i in range(80)]
    (found,) = codes_of(cohort_of(original), "PAT202", against=[cohort_of(other, name="other")])
    assert "40 pairs" in found.message and "P-0041 = X40" in found.where


def test_an_almost_empty_row() -> None:
    columns = clean_columns()
    for name, values in columns.items():
        if name not in ("patient_id", "centre", "sex"):
            values[17] = None
    (found,) = codes_of(cohort_of(columns), "PAT203")
    assert found.where == "patients: P-0018"


def test_cells_kept_as_published() -> None:
    columns = clean_columns()
    columns["Weight (kg) (as published)"] = [None] * 239 + [">150"]
    (found,) = codes_of(cohort_of(columns), "TAB201")
    assert "'>150'" in found.message


@pytest.mark.parametrize("word", ["Not Collected", "n/a", "unknown", "[]", "not reported"])
def test_words_for_missing(word: str) -> None:
    columns = clean_columns()
    columns["T stage"][:9] = [word] * 9
    (found,) = codes_of(cohort_of(columns), "TAB202")
    assert found.where == "patients.T stage" and "9 patients" in found.message


def test_a_class_that_means_not_known() -> None:
    rows = [
        {"patient_id": f"p{i}", "endpoint": "HPV", "run_id": "expert", "class_value": "not tested"} for i in range(4)
    ]
    cohort = Cohort.build("c", patients=[{"patient_id": f"p{i}"} for i in range(4)], outcomes=rows)
    (found,) = codes_of(cohort, "TAB202")
    assert found.severity == "warning" and "4 patients" in found.message


@pytest.mark.parametrize("sentinel", [-1.0, 999.0, -99.0])
def test_numbers_that_stand_for_missing(sentinel: float) -> None:
    columns = clean_columns()
    columns["Weight (kg)"][4:8] = [sentinel] * 4
    (found,) = codes_of(cohort_of(columns), "TAB203")
    assert found.where == "patients.Weight (kg)"


@pytest.mark.parametrize(
    "pair", [("Glottis", "glottis "), ("concomitant", "concurrent"), ("post wall", "Post-Wall"), ("Yes", "Y")]
)
def test_levels_that_mean_the_same(pair: tuple[str, str]) -> None:
    columns = clean_columns()
    columns["Note"] = ([pair[0]] * 200) + [pair[1]] * 40
    (found,) = codes_of(cohort_of(columns), "TAB204")
    assert found.severity == "warning" and repr(pair[1]) in found.message


def test_codes_beyond_the_dictionary() -> None:
    columns = clean_columns()
    columns["gender code"] = [*["0", "1"] * 119, "0", "2"]
    variable = Variable("gender code", Kind.CATEGORICAL, levels={"0": "female", "1": "male"})
    (found,) = codes_of(cohort_of(columns, variables=(variable,)), "TAB205")
    assert found.severity == "error" and "P-0240" in found.where
    columns["gender code"][-1] = "1"
    assert codes_of(cohort_of(columns, variables=(variable,)), "TAB205") == []


@pytest.mark.parametrize("known", [1, 2, 40])
def test_an_impossible_age_is_found_however_few_ages_are_known(known: int) -> None:
    ages = [430.0] + [60.0 + i % 20 for i in range(known - 1)]
    rows = [{"patient_id": f"P{i}", "age_years": ages[i] if i < known else None} for i in range(40)]
    found = [f for f in run_checks(Cohort.build("ages", patients=rows)) if f.code == "TAB208"]
    assert len(found) == 1 and found[0].severity == "error" and "430 (P0)" in found[0].message


@pytest.mark.parametrize(("heading", "value"), [("clinical.N.stage", 4.0), ("M stage", 3.0), ("cT", 5.0)])
def test_stages_that_do_not_exist(heading: str, value: float) -> None:
    columns = clean_columns()
    columns[heading] = [0.0, 1.0] * 119 + [value, value]
    (found,) = codes_of(cohort_of(columns), "TAB206")
    assert found.where == f"patients.{heading}" and "2 patients" in found.message


@pytest.mark.parametrize(
    ("heading", "mean", "spread"),
    [
        ("Age at biopsy (days)", 64, 9),
        ("Height (m)", 172, 9),
        ("Hemoglobin g/dL", 135, 12),
        ("Weight (kg)", 74_000, 9000),
    ],
)
def test_values_that_do_not_fit_their_unit(heading: str, mean: float, spread: float) -> None:
    columns = clean_columns()
    columns[heading] = np.random.default_rng(1).normal(mean, spread, 240).tolist()
    (found,) = codes_of(cohort_of(columns), "TAB207")
    assert found.where == f"patients.{heading}"


def test_ages_that_nobody_has() -> None:
    columns = clean_columns()
    columns["age_years"][2], columns["age_years"][9] = 182.0, -3.0
    (found,) = codes_of(cohort_of(columns), "TAB208")
    assert found.severity == "error" and "P-0003" in found.where and "P-0010" in found.where


def test_dates_impossible_serial_and_mixed() -> None:
    columns = clean_columns()
    columns["Date of last contact"][0] = datetime.date(5011, 5, 24)
    assert any(f.severity == "error" for f in codes_of(cohort_of(columns), "TAB209"))
    columns = clean_columns()
    columns["Date of biopsy"] = np.linspace(40_000, 41_000, 240).tolist()
    assert "serial" in codes_of(cohort_of(columns), "TAB209")[0].message
    columns = clean_columns()
    columns["Imaging date"] = ["13/2/2011", "2/25/2011"] * 120
    assert "month first" in codes_of(cohort_of(columns), "TAB209")[0].message


def test_dates_in_an_impossible_order() -> None:
    columns = clean_columns()
    start = columns["Start of radiotherapy"]
    relapse = [None] * 200 + [s + datetime.timedelta(days=90) for s in start[200:]]
    columns["Date of recurrence"] = relapse
    assert codes_of(cohort_of(columns), "TAB210") == []
    relapse[210] = start[210]
    (found,) = codes_of(cohort_of(columns), "TAB210")
    assert found.where.endswith(": P-0211") and "1 of 40" in found.message


def test_a_duration_that_contradicts_its_dates() -> None:
    columns = clean_columns()
    assert codes_of(cohort_of(columns), "TAB211") == []
    columns["os_days"][11] += 730
    found = [f for f in codes_of(cohort_of(columns), "TAB211") if f.severity == "warning"]
    assert [f.where for f in found] == ["patients.os_days: P-0012"]


def test_headings_with_blanks() -> None:
    columns = clean_columns()
    variable = Variable("N stage", Kind.TEXT, source="'N stage ' in x.csv")
    (found,) = codes_of(cohort_of(columns, variables=(variable,)), "TAB212")
    assert found.severity == "info"


def test_stages_of_two_editions() -> None:
    columns = clean_columns()
    columns["UICC edition"] = [7.0] * 240
    assert codes_of(cohort_of(columns), "TAB213") == []
    columns["UICC edition"][:50] = [8.0] * 50
    (found,) = codes_of(cohort_of(columns), "TAB213")
    assert "8 in 50" in found.message


def test_one_value_for_a_whole_centre() -> None:
    columns = clean_columns()
    values, centres = columns["Haemoglobin (g/dl)"], columns["centre"]
    columns["Haemoglobin (g/dl)"] = [13.1 if c == "Hospital B" else v for v, c in zip(values, centres, strict=True)]
    (found,) = codes_of(cohort_of(columns), "TAB214")
    assert "of Hospital B" in found.message


def test_too_many_positives_for_the_site() -> None:
    rng = np.random.default_rng(0)
    columns = clean_columns()
    usual = {"oropharynx": 0.6, "larynx": 0.05, "oral cavity": 0.05}
    columns["p16 result"] = [float(rng.random() < usual[s]) for s in columns["Site"]]
    assert codes_of(cohort_of(columns), "TAB215") == []
    columns["p16 result"] = [float(rng.random() < 0.6) for _ in columns["Site"]]
    (found,) = codes_of(cohort_of(columns), "TAB215")
    assert "oral cavity" in found.message and "larynx" in found.message


def _with_class(columns: dict, values: list[str | None], endpoint: str = "HPV") -> Cohort:
    plain = {k: v for k, v in columns.items() if k not in ("os_days", "os_event", "rfs_days", "rfs_event")}
    rows = [
        {"patient_id": p, "endpoint": endpoint, "run_id": "expert", "class_value": v}
        for p, v in zip(columns["patient_id"], values, strict=True)
        if v is not None
    ]
    return Cohort.build("c", patients=plain, outcomes=rows)


def test_a_level_that_gives_the_class_away() -> None:
    rng = np.random.default_rng(5)
    columns, truth = clean_columns(), rng.choice(["positive", "negative"], 240).tolist()
    assert codes_of(_with_class(columns, truth), "OUT207") == []
    columns["differentiation"] = [
        "HPV type" if t == "positive" else str(g) for t, g in zip(truth, rng.choice(["G1", "G2"], 240), strict=True)
    ]
    (found,) = codes_of(_with_class(columns, truth), "OUT207")
    assert found.severity == "warning" and "differentiation" in found.message


def test_a_number_that_parts_the_classes() -> None:
    rng = np.random.default_rng(6)
    columns, truth = clean_columns(), rng.choice(["yes", "no"], 240).tolist()
    columns["score"] = [rng.normal(10 if t == "yes" else 0) for t in truth]
    (found,) = codes_of(_with_class(columns, truth, "response"), "OUT207")
    assert "score: AUC 1.000" in found.message


def test_a_feature_that_is_only_good_is_no_leak() -> None:
    rng = np.random.default_rng(8)
    columns, truth = clean_columns(), rng.choice(["yes", "no"], 240).tolist()
    columns["score"] = [rng.normal(2 if t == "yes" else 0) for t in truth]
    assert codes_of(_with_class(columns, truth, "response"), "OUT207") == []


def test_two_versions_of_a_follow_up() -> None:
    old = clean_columns()
    new = {k: list(v) for k, v in old.items()}
    rng = np.random.default_rng(4)
    for i in range(240):
        if old["os_event"][i] == 0.0 and rng.random() < 0.6:
            new["os_days"][i] += 500.0
            new["os_event"][i] = float(rng.random() < 0.7)
    found = codes_of(cohort_of(new), "OUT208", against=[cohort_of(old, name="earlier")])
    assert len(found) == 1 and "earlier" in found[0].where
    assert codes_of(cohort_of(old), "OUT208", against=[cohort_of(clean_columns(seed=9), name="others")]) == []


def test_a_time_without_unit() -> None:
    columns = clean_columns()
    columns["Survival.time"] = columns.pop("os_days")
    (found,) = codes_of(cohort_of(columns), "OUT209")
    assert found.severity == "info" and "days" in found.message


def test_few_patients_in_another_unit() -> None:
    columns = {k: v[:9] for k, v in clean_columns().items()}
    columns["centre"] = ["A"] * 5 + ["B"] * 4
    columns["os_days"] = [900.0, 1100.0, 700.0, 1500.0, 1250.0, 30.1, 38.0, 44.9, 25.5]
    columns["rfs_days"] = list(columns["os_days"])
    found = codes_of(cohort_of(columns, declared=True), "OUT204")
    assert {f.where.split(":")[0] for f in found} == {"outcomes.OS, centre B", "outcomes.RFS, centre B"}


def test_a_level_that_names_the_label_in_a_small_cohort() -> None:
    columns = {k: v[:9] for k, v in clean_columns().items()}
    columns["grading"] = ["HPV associated"] * 4 + ["G1", "G2", "G1", "G3", "G2"]
    truth: list[str | None] = ["positive"] * 4 + ["negative"] * 2 + [None] * 3
    (found,) = codes_of(_with_class(columns, truth), "OUT207")
    assert "names the label" in found.message


def test_an_early_outcome_told_by_its_code() -> None:
    row = {"patient_id": "a", "endpoint": "RFS", "run_id": "expert", "raw": "{}", "problem": "COH104"}
    cohort = Cohort.build("c", patients=[{"patient_id": "a"}], outcomes=[row])
    (found,) = run_checks(cohort)
    assert found.code == "OUT201" and found.severity == "error"


def late_variable(name: str, values: list[float], *, order: bool = False) -> Cohort:
    """The clean cohort with a declared endpoint and one more baseline variable, or sorted by its time."""
    columns = clean_columns()
    cohort = cohort_of(columns, declared=True)
    rows = [{**row, name: v} for row, v in zip(cohort.rows("patients"), values, strict=True)]
    if order:
        rows = [row for _, row in sorted(zip(values, rows, strict=True), key=lambda pair: pair[0])]
    return cohort.replace_tables(patients=rows).with_dictionary([Variable(name, Kind.NUMERIC, baseline=True)])


def follow_up(cohort: Cohort) -> list[float]:
    """Time of overall survival of each patient, in the order of `patients`."""
    outcome = cohort.outcome(cohort.endpoints()[0])
    days = dict(zip(outcome.patient_ids, outcome.time_days, strict=True))  # type: ignore[union-attr]
    return [float(days[patient]) for patient in cohort.patient_ids]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_future_variable_is_named_as_the_column_it_is(sign: int) -> None:
    base = cohort_of(clean_columns(), declared=True)
    noise = np.random.default_rng(0).normal(0, 30, len(base))
    cycles = [sign * (days / 21) + n / 21 for days, n in zip(follow_up(base), noise, strict=True)]
    (found,) = [f for f in codes_of(late_variable("infusions", cycles), "OUT211") if f.severity == "error"]
    assert "infusions (concordance 0.9" in found.message and found.where.startswith("outcomes.")
    honest = np.random.default_rng(1).normal(size=len(base)).tolist()
    assert codes_of(late_variable("infusions", honest), "OUT211") == []


def test_a_baseline_variable_named_like_a_later_thing() -> None:
    honest = np.random.default_rng(1).normal(size=len(clean_columns()["patient_id"])).tolist()
    (found,) = codes_of(late_variable("Date of progression", honest), "OUT211")
    assert found.severity == "warning" and "Date of progression" in found.message


def test_rows_sorted_by_survival_tell_the_time() -> None:
    base = cohort_of(clean_columns(), declared=True)
    cohort = late_variable("x", follow_up(base), order=True)
    assert codes_of(late_variable("x", follow_up(base)), "OUT212") == []
    (found,) = codes_of(cohort, "OUT212")
    assert "the order of the rows" in found.message and "patient_id" not in found.message
    renamed = {patient: f"Q{i:04d}" for i, patient in enumerate(cohort.patient_ids)}
    rows = [{**row, "patient_id": renamed[row["patient_id"]]} for row in cohort.rows("patients")]
    outcomes = [{**row, "patient_id": renamed[row["patient_id"]]} for row in cohort.rows("outcomes")]
    numbered = Cohort.build("numbered", patients=rows[::-1], outcomes=outcomes)
    (found,) = codes_of(numbered, "OUT212")
    assert "the order of the rows" in found.message and "the number in patient_id" in found.message
