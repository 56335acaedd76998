"""The traps of real published tables and images, each found by a general rule."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sts import read_sts

from tumorboard.checks import CheckFinding, run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.datasets.table.reader import read

SCHEMAS = Path(__file__).parents[1] / "datasets" / "schemas"


def table(folder: Path, name: str, schema: str = "", *, planned: bool = True) -> Cohort:
    path = folder / "clinical" / f"{name}.csv"
    return read(path, schema=SCHEMAS / f"{schema or name}.toml") if planned else read(path)


def of(cohort: Cohort, code: str, **options: object) -> list[CheckFinding]:
    return [finding for finding in run_checks(cohort, **options) if finding.code == code]


@pytest.mark.parametrize("planned", [True, False])
def test_grading_gives_p16_away(real_data: Path, planned: bool) -> None:
    name = "hancock_clinical" if planned else "hancock_pathological"
    said = of(table(real_data, name, "hancock", planned=planned), "OUT207")
    assert len(said) == 1 + planned  # p16 is an endpoint, and a covariate of survival
    found = said[0]
    assert found.severity == "warning" and "grading: '3'" in found.message and "98 patients, 100%" in found.message


@pytest.mark.parametrize("planned", [True, False])
def test_one_cohort_in_days_among_months(real_data: Path, planned: bool) -> None:
    found = of(table(real_data, "loris_icb_nsclc", planned=planned), "OUT204")
    assert len(found) == 2 and all("Ravi_NSCLC" in f.where and "months written as days" in f.message for f in found)


def test_values_filled_in_for_a_whole_cohort(real_data: Path) -> None:
    found = of(table(real_data, "loris_icb_nsclc"), "TAB214")
    assert {f.where.split(",")[0] for f in found} == {"patients.Albumin", "patients.NLR"}


def test_persistent_disease_at_time_zero_is_reported_not_dropped(real_data: Path) -> None:
    cohort = table(real_data, "radcure_clinical_v04")
    (found,) = of(cohort, "OUT201")
    assert "56 patients" in found.message  # data/clinical/README.md
    rows = [row for row in cohort.rows("outcomes", endpoint="RFS") if row["survival"] is None]
    assert len(rows) == 56 and all(row["raw"] and row["problem"] for row in rows)
    assert len(cohort.rows("outcomes", endpoint="RFS")) == 2346


def test_relapses_before_treatment_and_follow_up_against_dates(real_data: Path) -> None:
    cohort = table(real_data, "radcure_clinical_v04", planned=False)
    assert len(of(cohort, "TAB210")) == 3  # local, regional, distant
    found = of(cohort, "TAB211")
    assert any("28 of 2346 patients" in f.message for f in found) and any("44 days" in f.message for f in found)


@pytest.mark.parametrize("planned", [True, False])
def test_survival_known_for_the_dead_alone(real_data: Path, planned: bool) -> None:
    (found,) = of(table(real_data, "msk_mind_nsclc_io_2020", planned=planned), "OUT205")
    assert "104" in found.message


def test_an_empty_row_serial_dates_and_an_open_age(real_data: Path) -> None:
    found = run_checks(table(real_data, "msk_mind_nsclc_io_2020"))
    codes = {f.code for f in found}
    assert {"PAT203", "TAB209", "TAB201"} <= codes


def test_censor_columns_that_mean_events(real_data: Path) -> None:
    found = of(table(real_data, "hnscc_mdacc_clinical", planned=False), "OUT206")
    assert len(found) == 3 and all("Censor" in f.where for f in found)


def test_an_age_in_days_that_is_in_years(real_data: Path) -> None:
    (found,) = of(table(real_data, "msk_tmb_io_2018", planned=False), "TAB207")
    assert "they fit years" in found.message


def test_hpv_positive_where_it_is_rare(real_data: Path) -> None:
    (found,) = of(table(real_data, "lydata_2023-isb-multisite", "lydata"), "TAB215")
    assert "122 of 205" in found.message and "18 of 24" in found.message  # data/clinical/README.md
    for good in ("lydata_2023-clb-multisite", "radcure_clinical_v04", "hn1_clinical"):
        assert of(table(real_data, good), "TAB215") == []


def test_two_tnm_editions(real_data: Path) -> None:
    assert of(table(real_data, "lydata_2021-usz-oropharynx", "lydata"), "TAB213")
    assert not of(table(real_data, "lydata_2021-clb-oropharynx", "lydata"), "TAB213")


def test_two_versions_of_lung1(real_data: Path) -> None:
    new = table(real_data, "lung1_clinical_v3_2019", "lung1")
    old = table(real_data, "lung1_clinical_old_followup", "lung1")
    (found,) = of(new, "OUT208", against=[old])
    assert "178 events in the older, 263 in the newer" in found.message
    assert {f.where for f in of(new, "TAB206")} == {"patients.Clinical.N.Stage", "patients.Clinical.M.Stage"}


@pytest.mark.parametrize("planned", [True, False])
def test_one_cohort_inside_another(real_data: Path, planned: bool) -> None:
    loris = table(real_data, "loris_icb_nsclc", planned=planned)
    mind = table(real_data, "msk_mind_nsclc_io_2020", planned=planned)
    (found,) = of(loris, "PAT202", against=[mind])
    assert int(found.message.split()[1]) >= 60
    montreal = table(real_data, "hn_montreal_clinical")
    assert of(loris, "PAT202", against=[montreal]) == []


def test_spellings_of_missing_and_of_levels(real_data: Path) -> None:
    found = run_checks(table(real_data, "nsclc_radiogenomics_clinical", planned=False))
    assert any(f.code == "TAB204" and "'Not Collected'" in f.message and "'Not collected'" in f.message for f in found)
    found = run_checks(table(real_data, "hn1_clinical"))
    assert any(f.code == "TAB204" and "'concomitant' (26) = 'concurrent' (11)" in f.message for f in found)
    found = run_checks(table(real_data, "radcure_clinical_v04"))
    assert any(f.code == "TAB212" and "'M '" in f.message for f in found)


@pytest.mark.parametrize(
    "name", ["hn1_clinical", "hn1_radiomics", "hn_montreal_clinical", "hnscc_mdacc_clinical", "msk_nsclc_pd1_2018",
             "msk_mind_nsclc_io_2020", "lydata_2023-clb-multisite"]
)  # fmt: skip
def test_no_error_on_tables_without_one(real_data: Path, name: str) -> None:
    assert [f for f in run_checks(table(real_data, name)) if f.severity == "error"] == []


def test_events_before_surgery_are_named(real_data: Path) -> None:
    found = of(table(real_data, "nsclc_radiogenomics_clinical"), "OUT201")
    counts = {f.where.split(":")[0]: (f.severity, f.message.split("found ")[1].split(" ")[0]) for f in found}
    assert counts == {"outcomes.OS": ("error", "1"), "outcomes.RFS": ("error", "2")}  # as many as the reference drops


def test_real_petct(real_data: Path) -> None:
    found = run_checks(read_sts(real_data / "sts_petct"))
    assert [f for f in found if f.severity == "error"] == []
    grids = {f.where.split(".")[0] for f in found if f.code == "IMG204"}
    assert len(grids) == 24
    outside = {f.where.split(":")[0] for f in found if f.code == "IMG205"}
    assert outside >= {"STS_001", "STS_006", "STS_018", "STS_026", "STS_031", "STS_044", "STS_050"}  # geometry.csv
    (given_away,) = [f for f in found if f.code == "IMG213"]
    dice = float(given_away.message.split("mean Dice of ")[1].split()[0])
    assert 0.65 < dice < 0.75  # data/README.md: 0.70 at a margin of 50 mm
    assert {f.code for f in found} == {"IMG204", "IMG205", "IMG213"}
    json.dumps([f.to_json() for f in found])
