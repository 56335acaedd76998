"""Public tables: patients, events and median times as published, and ridge Cox equal to scikit-survival's figures."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.outcome import Survival
from tumorboard.datasets.table.reader import read
from tumorboard.metrics.concordance import concordance
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.protocol import cross_validate, external

SCHEMAS = Path(__file__).parents[2] / "datasets" / "schemas"
# schema, file, endpoint: patients, events, median days or months, C of ridge Cox (scikit-survival 0.28: the reference).
TABLES = {
    ("hn1_clinical", "", "OS"): (137, 74, 2778.0, 0.716),
    ("hn1_with_radiomics", "", "OS"): (137, 74, 2778.0, 0.712),
    ("hn_montreal_clinical", "", "RFS"): (235, 82, 1103.0, 0.666),
    ("hn_montreal_clinical", "", "OS"): (235, 51, 1243.0, 0.730),
    ("hancock", "", "RFS"): (514, 207, 1003.0, 0.647),
    ("hancock", "", "OS"): (523, 151, 1258.0, 0.700),
    ("hancock_with_blood", "", "RFS"): (514, 207, 1003.0, 0.675),
    ("lung1", "lung1_clinical_v3_2019.csv", "OS"): (296, 263, 492.0, 0.552),
    ("lung1", "lung1_clinical_old_followup.csv", "OS"): (296, 178, 392.0, 0.540),
    ("nsclc_radiogenomics_clinical", "", "OS"): (210, 62, 1125.0, 0.667),
    ("nsclc_radiogenomics_clinical", "", "RFS"): (209, 86, 886.0, 0.636),
    ("msk_mind_nsclc_io_2020", "", "PFS"): (168, 143, 2.65 * 30.4375, 0.624),
    ("msk_nsclc_pd1_2018", "", "PFS"): (163, 131, 3.5 * 30.4375, 0.558),
}


def table(folder: Path, schema: str, file: str = "") -> Cohort:
    toml = SCHEMAS / f"{schema}.toml"
    return read(folder / "clinical" / (file or tomllib.loads(toml.read_text())["file"]), schema=toml)


@pytest.mark.parametrize("key", TABLES, ids=lambda key: f"{key[0]}-{key[1][:9]}{key[2]}")
def test_ridge_cox_of_the_reference(real_data: Path, key: tuple[str, str, str]) -> None:
    schema, file, endpoint = key
    n, events, median, published = TABLES[key]
    cohort = table(real_data, schema, file)
    outcome = cohort.outcome(endpoint)
    assert isinstance(outcome, Survival)
    assert (len(outcome), outcome.events) == (n, events)
    assert np.median(outcome.time_days) == pytest.approx(median, rel=1e-4)
    folds = stratified_folds(outcome.event, folds=5, seed=0)
    found = cross_validate(
        "ridge-cox", rows_of(cohort, outcome.patient_ids), outcome,
        variables=covariates_of(cohort), folds=folds, config=PrognosisConfig(),
    )  # fmt: skip
    values = [concordance(outcome.event[p.test], outcome.time_days[p.test], p.risk).value for p in found]
    assert np.mean(values) == pytest.approx(published, abs=0.0055)  # 0.005, and the published figure's last digit


def test_covariates_are_those_of_the_reference(real_data: Path) -> None:
    counts = {
        "radcure_clinical_v04": (2, 10), "hn1_clinical": (5, 5), "hn1_with_radiomics": (17, 5), "hn_montreal_clinical":
        (4, 2), "hnscc_mdacc_clinical": (3, 10), "hancock": (4, 13), "hancock_with_blood": (20, 13), "msk_tmb_io_2018":
        (3, 5), "loris_icb_nsclc": (10, 5), "nsclc_radiogenomics_clinical": (2, 10), "msk_nsclc_pd1_2018": (5, 6),
        "msk_mind_nsclc_io_2020": (10, 10),
    }  # fmt: skip
    for schema, expected in counts.items():
        variables = covariates_of(table(real_data, schema))
        numeric = sum(v.kind == "numeric" for v in variables)
        assert (numeric, len(variables) - numeric) == expected, schema


LORIS = ["TMB", "PDL1_TPS(%)", "Albumin", "NLR", "age_years", "Systemic_therapy_history", "Drug", "sex"]


def part(folder: Path, centre: str) -> Cohort:
    whole = table(folder, "loris_ravi_nsclc" if centre == "Ravi_NSCLC" else "loris_icb_nsclc")
    return whole.subset(row["patient_id"] for row in whole.rows("patients") if row["centre"] == centre)


@pytest.mark.parametrize(
    ("endpoint", "centre", "n", "events", "published"),
    [
        ("PFS", "Chowell_test", 207, 162, 0.627),
        ("PFS", "MSK1", 128, 120, 0.610),
        ("PFS", "Ravi_NSCLC", 297, 232, 0.629),
        ("PFS", "Vanguri_NSCLC", 168, 143, 0.644),
        ("OS", "Chowell_test", 207, 92, 0.686),
        ("OS", "MSK1", 128, 98, 0.650),
        ("OS", "Ravi_NSCLC", 306, 160, 0.604),
        ("OS", "MSK_nonICB", 335, 133, 0.675),
    ],
)
def test_across_immunotherapy_cohorts(
    real_data: Path, endpoint: str, centre: str, n: int, events: int, published: float
) -> None:
    both = external(part(real_data, "Chowell_train"), part(real_data, centre), endpoint)
    assert (len(both.test), int(both.outcome.event[both.test].sum())) == (n, events)
    (found,) = cross_validate(
        "ridge-cox", both.rows, both.outcome, variables=covariates_of(part(real_data, centre), LORIS),
        folds=[both.test], config=PrognosisConfig(),
    )  # fmt: skip
    value = concordance(both.outcome.event[both.test], both.outcome.time_days[both.test], found.risk).value
    assert value == pytest.approx(published, abs=0.0055)


def test_the_cohort_in_days_is_found_and_read_as_such(real_data: Path) -> None:
    days = part(real_data, "Ravi_NSCLC").outcome("OS")
    assert isinstance(days, Survival)
    assert np.median(days.time_days) == pytest.approx(402, rel=0.02)  # data/clinical/README.md
