"""The table layout: schema, reader, draft, twin."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.naming import (
    event_meaning,
    indicator_polarity,
    is_age,
    is_duration,
    pair_endpoints,
    stated_time_unit,
)
from tumorboard.core.variables import Kind
from tumorboard.datasets.table.draft import draft_schema
from tumorboard.datasets.table.reader import read
from tumorboard.datasets.table.schema import load_schema
from tumorboard.datasets.table.writer import write
from tumorboard.io.store import save_cohort

CSV = """Case ID,Age (years),Gender,Pack years,Arm ,Last seen,RT start,Relapse,Relapse on,OS months,Status,p16
A1,61.5,1,>50,chemo,2011-03-04,2010-01-04,yes,2010-01-04,14.0,Dead,2
A2,55,0,20,chemo ,2012-03-04,2010-02-04,no,,25.1,Alive,0
A3,70,1,NA,none,2011-07-04,2010-02-14,yes,2010-05-14,0,Dead,1
A4,,0,12,none,2011-07-04,2010-03-14,no,,,Alive,
"""
TOML = """
name = "Trial"
file = "trial.csv"
id = "Case ID"
missing = ["", "NA"]
[constants]
centre = "North"
[columns."Age (years)"]
as = "age_years"
kind = "numeric"
unit = "years"
[columns.Gender]
as = "sex"
levels = { "1" = "male", "0" = "female" }
[columns."Pack years"]
kind = "numeric"
[endpoints.OS]
time = "OS months"
unit = "months"
event = "Status"
events = ["Dead"]
censored = ["Alive"]
[endpoints.RFS]
start = "RT start"
date_format = "%Y-%m-%d"
censored_on = "Last seen"
[[endpoints.RFS.occurs]]
column = "Relapse"
values = ["yes"]
date = "Relapse on"
[endpoints.HPV]
class = "p16"
levels = { "2" = "positive", "0" = "negative" }
missing = ["1"]
"""


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    (tmp_path / "trial.csv").write_text(CSV)
    (tmp_path / "trial.toml").write_text(TOML)
    return tmp_path / "trial.csv"


def test_a_planned_table(trial: Path) -> None:
    cohort = read(trial)  # by the TOML of the same stem
    assert cohort.name == "Trial" and cohort.patient_ids == ["A1", "A2", "A3", "A4"]
    columns = cohort.patients.to_pydict()
    assert columns["sex"] == ["male", "female", "male", "female"]
    assert columns["age_years"] == [61.5, 55.0, 70.0, None] and columns["centre"] == ["North"] * 4
    assert columns["Pack years"] == [None, 20.0, None, 12.0]
    assert columns["Pack years (as published)"] == [">50", None, None, None]
    assert columns["Arm"] == ["chemo", "chemo ", "none", "none"]
    assert "OS months" not in columns and "p16" not in columns
    assert cohort.dictionary["age_years"].source == "'Age (years)' in trial.csv"
    assert "inferred" in cohort.dictionary["Arm"].note and "inferred" not in cohort.dictionary["age_years"].note


def test_outcomes_by_time_and_by_dates_and_by_class(trial: Path) -> None:
    cohort = read(trial.with_suffix(".toml"))
    survival = {row["patient_id"]: row for row in cohort.rows("outcomes", endpoint="OS")}
    assert survival["A1"]["survival"] == {"event": True, "time_days": pytest.approx(14 * 365.25 / 12)}
    assert survival["A3"]["survival"] is None and "not above 0" in survival["A3"]["problem"]
    assert json.loads(survival["A3"]["raw"]) == {"OS months": "0", "Status": "Dead"}
    assert survival["A4"]["problem"] == "time not known"
    relapse = {row["patient_id"]: row for row in cohort.rows("outcomes", endpoint="RFS")}
    assert relapse["A1"]["survival"] is None and "0 days" in relapse["A1"]["problem"]
    assert relapse["A2"]["survival"] == {"event": False, "time_days": 759.0}  # 2010-02-04 to 2012-03-04
    assert relapse["A3"]["survival"] == {"event": True, "time_days": 89.0}
    hpv = {row["patient_id"]: row["class_value"] for row in cohort.rows("outcomes", endpoint="HPV")}
    assert hpv == {"A1": "positive", "A2": "negative"}


def test_an_event_that_the_schema_does_not_name(trial: Path) -> None:
    trial.write_text(CSV.replace("25.1,Alive", "25.1,Moved"))
    (row,) = [r for r in read(trial).rows("outcomes", endpoint="OS") if r["patient_id"] == "A2"]
    assert row["survival"] is None and "'Moved' is not among" in row["problem"]


def test_without_a_schema_everything_is_a_variable_and_nothing_an_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "trial.csv"
    path.write_text(CSV)
    cohort = read(path)
    assert cohort.patient_ids == ["A1", "A2", "A3", "A4"] and cohort.outcomes.num_rows == 0
    assert "guessed" in cohort.provenance[0]["id"]
    assert cohort.dictionary["RT start"].kind is Kind.DATE
    assert cohort.patients["RT start"].to_pylist()[0] == datetime.date(2010, 1, 4)
    path.write_text(CSV.replace("Case ID", "Ward"))
    cohort = read(path)
    assert cohort.patient_ids == ["1", "2", "3", "4"] and "row number" in cohort.provenance[0]["id"]


def test_a_date_that_reads_two_ways_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("id,date of scan\na,3/4/2010\nb,5/6/2011\n")
    variable = read(path).dictionary["date of scan"]
    assert variable.kind is Kind.TEXT and "equally well" in variable.note


def test_three_heading_rows(tmp_path: Path) -> None:
    path = tmp_path / "ly.csv"
    path.write_text("patient,patient,PET,PET\n#,#,ipsi,contra\nid,age,II,II\nx,50,True,False\ny,60,False,\n")
    cohort = read(path)
    assert set(cohort.dictionary) == {"patient.age", "PET.ipsi.II", "PET.contra.II"}
    assert cohort.patient_ids == ["x", "y"] and "3 heading rows" in cohort.provenance[0]["id"]
    assert cohort.patients["PET.contra.II"].to_pylist() == [False, None]


def test_spreadsheets_joins_filters_and_ids_of_two_columns(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Notes"
    sheet = book.create_sheet("Data")
    for row in (["site", "nr ", "age"], ["N", 1, 50.0], ["S", 1, 61.5], ["S", 2, None]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "b.csv").write_text("key,structure,volume\nN-1,GTV,3.5\nN-1,lung,900\nS-2,GTV,8\nZ-9,GTV,1\n")
    (tmp_path / "a.toml").write_text(
        'file = "a.xlsx"\nsheet = "Data"\nid = ["site", "nr"]\n'
        '[[join]]\nfile = "b.csv"\nid = "key"\nprefix = "ct "\n'
        '[[join.filters]]\ncolumn = "structure"\nkeep = ["GTV"]\n'
    )
    cohort = read(tmp_path / "a.toml")
    assert cohort.patient_ids == ["N-1", "S-1", "S-2", "Z-9"]
    assert cohort.patients["age"].to_pylist() == [50.0, 61.5, None, None]
    assert cohort.patients["ct volume"].to_pylist() == [3.5, None, 8.0, 1.0]


@pytest.mark.parametrize(
    ("edit", "code", "words"),
    [
        (lambda t: t.replace('unit = "months"', 'unit = "fortnights"'), "TAB102", "endpoints.OS.unit"),
        (lambda t: t.replace('kind = "numeric"', 'kindd = "numeric"', 1), "TAB102", "kindd"),
        (lambda t: t.replace('time = "OS months"', 'time = "os months"'), "TAB103", "OS months"),
        (lambda t: t.replace('id = "Case ID"', 'id = "Status"'), "TAB104", "twice"),
        (lambda t: t.replace('id = "Case ID"', 'id = "p16"'), "TAB104", "no id in data row"),
        (lambda t: t + "\n[", "TAB102", "TOML"),
        (lambda t: t.replace('file = "trial.csv"', 'file = "gone.csv"'), "TAB101", "gone.csv"),
        (lambda t: t.replace('as = "sex"', 'as = "age_years"'), "TAB105", "age_years"),
    ],
)
def test_mistakes_in_a_schema_are_named(trial: Path, edit, code: str, words: str) -> None:  # type: ignore[no-untyped-def]
    toml = trial.with_suffix(".toml")
    toml.write_text(edit(TOML))
    with pytest.raises(TumorboardError) as caught:
        read(toml)
    assert caught.value.code.id == code and words in str(caught.value)


def test_ragged_rows_and_wrong_encodings(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("id,a\nx,1\ny\n")
    with pytest.raises(TumorboardError, match=r"TAB101 .*row 3.*1 cells"):
        read(path)
    path.write_bytes("id,a\nx,M\xfcnchen\n".encode("latin-1"))
    with pytest.raises(TumorboardError, match="TAB101"):
        read(path)


def test_a_table_onto_a_cohort(trial: Path, tmp_path: Path) -> None:
    save_cohort(read(trial), tmp_path / "cohort")
    (tmp_path / "lab.csv").write_text("patient_id,LDH\nA3,240\nA9,180\n")
    cohort = read(tmp_path / "lab.csv", onto=tmp_path / "cohort")
    assert cohort.patient_ids == ["A1", "A2", "A3", "A4", "A9"]
    assert cohort.patients["LDH"].to_pylist() == [None, None, 240.0, None, 180.0]
    assert cohort.patients["age_years"].to_pylist()[:2] == [61.5, 55.0]
    assert cohort.outcomes.num_rows == read(trial).outcomes.num_rows and "LDH" in cohort.dictionary


def test_the_draft_is_a_schema_that_reads_the_table(tmp_path: Path) -> None:
    path = tmp_path / "trial.csv"
    path.write_text(CSV)
    draft = draft_schema(path)
    assert '# [endpoints."OS"]' in draft and 'unit = "months"' in draft
    read(path, draft=tmp_path / "trial.toml")
    assert load_schema(tmp_path / "trial.toml").id == "Case ID"
    assert read(path).patient_ids == ["A1", "A2", "A3", "A4"]


def test_a_twin_reads_back_as_the_same_cohort(trial: Path, tmp_path: Path) -> None:
    cohort = read(trial)
    write(cohort, tmp_path / "twin")
    again = read(tmp_path / "twin" / "Trial.toml")
    assert again.patients.equals(cohort.patients)
    assert again.outcomes.equals(cohort.outcomes)
    assert {(v.name, v.kind, v.unit) for v in again.dictionary.values()} == {
        (v.name, v.kind, v.unit) for v in cohort.dictionary.values()
    }


def test_images_are_not_left_out_in_silence(trial: Path, tmp_path: Path) -> None:
    cohort = read(trial).with_rows(
        exams=[{"exam_id": "A1.0", "patient_id": "A1", "order": 0}],
        texts=[{"text_id": "t", "exam_id": "A1.0", "body": "Report."}],
    )
    with pytest.raises(TumorboardError, match="TAB106"):
        write(cohort, tmp_path / "twin")
    write(cohort, tmp_path / "twin", tables_only=True)


def test_what_names_say() -> None:
    assert stated_time_unit("PFS_Months") == "months" and stated_time_unit("Pack years") is None
    assert is_age("age_at_diagnosis") and not is_age("Stage") and not is_age("Percentage")
    assert (
        is_duration("days_to_rfs_event")
        and not is_duration("Date of death")
        and not is_duration("Tube duration (months)")
    )
    assert indicator_polarity("Overall Survival Censor") == "censored" and indicator_polarity("death_event") == "event"
    assert indicator_polarity("HPV status") is None
    assert event_meaning("1:DECEASED") is True and event_meaning("0:LIVING") is False and event_meaning("maybe") is None
    pairs = pair_endpoints(["local_days", "local_event", "OS_Months", "OS_Event", "age"])
    assert [(p.time, p.event) for p in pairs] == [("local_days", "local_event"), ("OS_Months", "OS_Event")]


def test_an_endpoint_that_is_the_first_of_others_and_one_that_starts_later(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "id,ct,wait,relapse,relapsed,last,os,dead\n"
        "A,2010-01-01,10,yes,2010-03-02,2011-01-01,300,1\n"
        "B,2010-01-01,20,no,,2010-02-20,200,0\n"
        "C,2010-01-01,,no,,2010-02-20,100,1\n"
        "D,2010-01-01,5,no,,2010-02-20,,\n"
    )
    (tmp_path / "t.toml").write_text(
        """
file = "t.csv"
id = "id"
missing = [""]
[endpoints.REL]
start = "ct"
start_plus_days = "wait"
date_format = "%Y-%m-%d"
censored_on = "last"
[[endpoints.REL.occurs]]
column = "relapse"
values = ["yes"]
date = "relapsed"
[endpoints.OS]
time = "os"
unit = "days"
event = "dead"
events = ["1"]
censored = ["0"]
[endpoints.RFS]
first_of = ["REL", "OS"]
"""
    )
    cohort = read(tmp_path / "t.toml")
    days = {
        (row["patient_id"], row["endpoint"]): row["survival"]
        and (row["survival"]["event"], row["survival"]["time_days"])
        for row in cohort.rows("outcomes")
    }
    # 2010-03-02 is 60 days after the CT, 50 after surgery; 2010-02-20 is 50 days after the CT.
    assert days["A", "REL"] == (True, 50) and days["B", "REL"] == (False, 30) and days["C", "REL"] is None
    assert days["A", "RFS"] == (True, 50) and days["B", "RFS"] == (False, 30)
    assert days["C", "RFS"] is None  # the relapse is unknown: not the time of death in its place
    assert days["D", "RFS"] is None  # nothing is known of the survival
    (wrong,) = [row for row in cohort.rows("outcomes") if (row["patient_id"], row["endpoint"]) == ("C", "RFS")]
    assert "is not known" in wrong["problem"]
    text = (tmp_path / "t.toml").read_text().replace('["REL", "OS"]', '["REL", "PFS"]')
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(TumorboardError, match="TAB102"):
        read(tmp_path / "t.toml")


def test_a_spreadsheet_of_another_country(tmp_path: Path) -> None:
    """Semicolons without a TOML are no table of one column; a note says that no endpoint was made."""
    path = tmp_path / "export.csv"
    path.write_text("patient_id;age;os_months;os_event\nA;61;12.5;1\nB;54;48;0\n")
    cohort = read(path, draft=tmp_path / "draft.toml")
    assert cohort.patient_ids == ["A", "B"] and cohort.patients["age"].to_pylist() == [61.0, 54.0]
    assert "';'" in cohort.provenance[0]["id"] and "no endpoint" in cohort.provenance[0]["notes"][0]
    assert read(path, schema=tmp_path / "draft.toml").patients["age_years"].to_pylist() == [61.0, 54.0]
    path.write_text("patient_id,note;more\nA,x;y\n")
    assert read(path).patients["note;more"].to_pylist() == ["x;y"]
