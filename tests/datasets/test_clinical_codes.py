"""Trap 7: the same code from every kind of file is the same value, and what has no meaning is a named error."""

from __future__ import annotations

import datetime
import json
import math

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.clinical_codes import Decoder, cell_code, cell_number, parse_levels, survival_outcome
from tumorboard.datasets.hecktor.reader import read

HEADINGS = [
    "Age",
    "Gender",
    "Tobacco Consumption",
    "Alcohol Consumption",
    "Performance Status",
    "Treatment",
    "HPV Status",
]
# One patient as each source writes her: the values are by hand from the official dictionary.
EXPECTED = {
    "age_years": 63.0,
    "sex": "male",
    "tobacco": "no",
    "alcohol": None,
    "performance_status": "2",
    "treatment": "chemoradiation",
    "hpv": "positive",
}
FORMS = {
    "csv floats": ["63.0", "1.0", "0.0", "", "2.0", "1.0", "1.0"],
    "csv integers": ["63", "1", "0", "nan", "2", "1", "1"],
    "csv blanks": [" 63 ", "1 ", " 0", "  ", "2 ", " 1", "1 "],
    "csv letters": ["63", "M", "0", "NA", "2", "1", "1"],
    "json numbers": [63, 1, 0, None, 2, 1, 1],
    "json floats": [63.0, 1.0, 0.0, None, 2.0, 1.0, 1.0],
    "json text": ["63", "1", "0", "", "2", "1", "1"],
    "json truth values": [63, True, False, None, 2, True, True],
    "xlsx": [63, 1, 0, None, 2, 1, 1],
    "xlsx floats": [63.0, 1.0, 0.0, "N/A", 2.0, 1.0, 1.0],
}


def import_form(folder, form, *, absent=(), headings=HEADINGS):
    cells = FORMS[form]
    pairs = [(h, c) for h, c in zip(headings, cells, strict=True) if h not in absent]
    folder.mkdir()
    if form.startswith("json"):
        (folder / "P").mkdir()
        (folder / "Q").mkdir()
        text = json.dumps(dict(pairs))
        for case in "PQ":
            (folder / case / "ehr.json").write_text(text[:-1] + ",\n}")  # the official sample's trailing comma
    elif form.startswith("xlsx"):
        book = openpyxl.Workbook()
        book.active.append(["PatientID ", *(f"{h} " for h, _ in pairs)])
        book.active.append(["P", *(c for _, c in pairs)])
        book.save(folder / "table.xlsx")
    else:
        head, cells = ",".join(["PatientID", *(h for h, _ in pairs)]), ",".join(["P", *(c for _, c in pairs)])
        (folder / "table.csv").write_text(f"{head}\n{cells}\n")
    return read(folder).row("patients", patient_id="P")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_vector(form, tmp_path):
    record = import_form(tmp_path / "x", form)
    assert {name: record[name] for name in EXPECTED} == EXPECTED


@pytest.mark.parametrize("form", ["csv floats", "json numbers", "xlsx"])
def test_an_absent_key_is_an_empty_cell(form, tmp_path):
    with_null = import_form(tmp_path / "null", form)
    without = import_form(tmp_path / "absent", form, absent=["Alcohol Consumption"])
    assert with_null == without


def test_published_codes_are_kept(tmp_path):
    record = import_form(tmp_path / "x", "csv letters")
    assert json.loads(record["published"])["gender"] == "M"
    numeric = import_form(tmp_path / "y", "csv floats")
    assert json.loads(numeric["published"])["gender"] == "1"


def test_an_unseen_category_is_a_named_error(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("PatientID,Gender,Treatment,Age\nA,1,0,50\nB,2,2,50\nC,2,1,\n")
    with pytest.raises(TumorboardError) as error:
        read(tmp_path)
    assert error.value.code.id == "LAY104"
    assert "Gender '2' in 2 rows (first: t.csv, row 3)" in error.value.found
    assert "Treatment '2' in 1 rows" in error.value.found
    assert "gender_codes" in error.value.fix
    assert "treatment_codes" in error.value.fix


def test_the_reader_is_told_what_the_codes_mean(tmp_path):
    (tmp_path / "t.csv").write_text("PatientID,Gender,Treatment\nA,1,1\nB,2,2\n")
    options = {"gender_codes": "1=male,2=female", "treatment_codes": "1=radiotherapy,2=chemoradiation"}
    cohort = read(tmp_path, **options)
    assert cohort.patients["sex"].to_pylist() == ["male", "female"]
    assert cohort.patients["treatment"].to_pylist() == ["radiotherapy", "chemoradiation"]
    assert dict(cohort.dictionary["sex"].levels) == {"1": "male", "2": "female"}
    assert {k: cohort.provenance[0]["options"][k] for k in options} == options
    for wrong in ("male", "1=male,1.0=female", "=x", "1="):
        with pytest.raises(TumorboardError, match="LAY113"):
            parse_levels(wrong, option="gender_codes")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Age", "63,5"),
        ("Age", "sixty"),
        ("Age", "2021-03-01"),
        ("Age", "inf"),
        ("HPV Status", "positive?"),
        ("RFS", "1e999"),
    ],
)
def test_cells_without_a_meaning(column, cell, tmp_path):
    (tmp_path / "t.csv").write_text(f'PatientID,{column}\nA,"{cell}"\n')
    with pytest.raises(TumorboardError, match="LAY104"):
        read(tmp_path)


def test_an_excel_date_in_a_number_column_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["PatientID", "RFS", "Relapse"])
    book.active.append(["A", datetime.datetime(1901, 5, 3), 1])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(TumorboardError, match=r"LAY104.*the date 1901-05-03"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("stage", "expected"), [("T4a", "T4"), ("4b", "T4"), ("t2", "T2"), ("3.0", "T3"), ("T0", "T0"), ("TX", "TX")]
)
def test_substages_belong_to_their_stage(stage, expected, tmp_path):
    (tmp_path / "t.csv").write_text(f"PatientID,T_stage,N-stage\nA,{stage},N2c\n")
    cohort = read(tmp_path)
    assert cohort.patients["t_stage"].to_pylist() == [expected]
    assert cohort.outcome("N stage").values == ("N2",)


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.sampled_from(["{}", " {} ", "{}.0", "{}.00\t", "\n{}"]))
def test_one_number_has_one_code(value, form):
    assert cell_code(form.format(value)) == cell_code(value) == cell_code(float(value)) == str(value)
    assert cell_number(form.format(value)) == value


@settings(deadline=None)
@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.dates(), st.lists(st.integers())))
def test_any_cell_is_a_code_or_a_value_error(cell):
    for function in (cell_code, cell_number):
        try:
            value = function(cell)
        except ValueError:
            continue
        assert (
            value is None or (isinstance(value, str) and value) or (isinstance(value, float) and math.isfinite(value))
        )


def test_outcomes_need_an_event_and_a_time_above_zero():
    def row(event, time):
        return survival_outcome("P", "RFS", event=event, time_days=time, raw="{}")

    assert row(None, None) is None
    assert row(True, 5.0)["survival"] == {"event": True, "time_days": 5.0}
    for event, time in ((True, 0.0), (False, -3.0), (None, 10.0), (True, None)):
        assert (row(event, time)["survival"], row(event, time)["problem"]) == (None, "LAY109")


def test_the_decoder_reports_all_at_once():
    decoder = Decoder([])
    decoder.finish()
