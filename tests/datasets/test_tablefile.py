"""Tables from elsewhere: read as published, or refused with a code."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import tablefile
from tumorboard.datasets.hecktor.reader import read
from tumorboard.datasets.identifiers import file_names, natural_key, require_safe
from tumorboard.datasets.tablefile import heading, read_sheet, write_csv, write_xlsx


def test_headings_without_differences_that_do_not_matter():
    assert {heading(text) for text in ("T-stage", "t_stage ", "T stage", "T  - stage")} == {"t stage"}


@pytest.mark.parametrize(
    "data",
    [
        b"id,a b\nx,1\n",
        b"\xef\xbb\xbfid,a b\r\nx,1\r\n",
        b"id;a b\nx;1",
        b"id\ta b\nx\t1\n\n",
        b'"id","a b",\n"x","1",\n',
    ],
)
def test_csv_in_its_usual_forms(data, tmp_path):
    (tmp_path / "t.csv").write_bytes(data)
    sheet = read_sheet(tmp_path / "t.csv")
    assert sheet.columns == ("id", "a b")
    assert [dict(row) for row in sheet.rows] == [{"id": "x", "a b": "1"}]
    assert sheet.where(0) == "t.csv, row 2"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        "id,Größe\nx,1\n".encode("latin-1"),
        "id,a\nx,1\n".encode("utf-16"),
        b"id,a;b\n1,2;3\n",  # which separator?
        b"id,a,A \n1,2,3\n",  # doubled heading
        b"id,a\n1,2,3\n",  # more cells than headings
        b'id,a\n1,"2\n',  # quote never closed
        b"id,a\n1," + b"9" * 200_000 + b"\n",  # a cell without end
    ],
)
def test_no_table(data, tmp_path):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(TumorboardError, match="LAY103"):
        read_sheet(tmp_path / "t.csv")


@settings(deadline=None, max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")),
        st.text(alphabet='PatientID,;\t"\n\r01.-_ /', max_size=200).map(
            lambda text: b"PatientID,Age\n" + text.encode()
        ),
    )
)
def test_any_bytes_are_a_cohort_or_a_coded_error(data):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.csv").write_bytes(data)
        try:
            cohort = read(Path(folder))
        except TumorboardError as error:
            assert error.code.id in {"LAY101", "LAY103", "LAY104", "LAY105", "LAY106"}
        else:
            assert all(require_safe(patient, "") for patient in cohort.patient_ids)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tablefile, "MAX_TABLE_BYTES", 100)
    (tmp_path / "t.csv").write_text("id\n" + "x\n" * 200)
    with pytest.raises(TumorboardError, match=r"LAY103.*at most 100"):
        read_sheet(tmp_path / "t.csv")
    with pytest.raises(TumorboardError, match="LAY103"):
        read_sheet(tmp_path / "absent.csv")


def test_workbooks(tmp_path):
    path = tmp_path / "t.xlsx"
    write_xlsx(path, {"Data": [["id", "n "], ["x", 1], [None, None], ["y", 2.5]], "Notes": [["a"]]})
    sheet = read_sheet(path, sheet=" data ")
    assert [dict(row) for row in sheet.rows] == [{"id": "x", "n": 1}, {"id": "y", "n": 2.5}]
    assert sheet.where(1) == "t.xlsx, row 4"
    for wrong in (None, "Sheet1"):
        with pytest.raises(TumorboardError, match=r"LAY103.*Notes"):
            read_sheet(path, sheet=wrong)
    data = path.read_bytes()
    for broken in (b"no zip", data[: len(data) // 2], b"PK\x05\x06" + b"\0" * 18):
        path.write_bytes(broken)
        with pytest.raises(TumorboardError, match="LAY103"):
            read_sheet(path, sheet="Data")


def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.save(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * 2_000_000)
    monkeypatch.setattr(tablefile, "MAX_TABLE_BYTES", 200_000)
    with pytest.raises(TumorboardError, match=r"LAY103.*unpacked"):
        read_sheet(path)


def test_csv_is_written_as_read(tmp_path):
    rows = [["x", 'a,"b"\n', None], ["y", "", "ü"]]
    write_csv(tmp_path / "t.csv", ["id", "text", "n"], rows)
    sheet = read_sheet(tmp_path / "t.csv")
    assert [list(row.values()) for row in sheet.rows] == [["x", 'a,"b"\n', None], ["y", None, "ü"]]


@pytest.mark.parametrize(
    "wrong", [None, "", " ", "../x", "a/b", "a\\b", ".hidden", "-a", "a b", "x" * 200, "a\0", "end."]
)
def test_ids_that_are_no_file_names_are_refused(wrong):
    with pytest.raises(TumorboardError, match="LAY106"):
        require_safe(wrong, "here")


def test_names_for_files():
    names = file_names(["A", "a", "B/1", "B 1", "ß"])
    assert names["A"] == "A"
    assert len({name.casefold() for name in names.values()}) == 5
    assert all(require_safe(name, "") for name in names.values())
    assert sorted(["P10", "P2", "p1"], key=natural_key) == ["p1", "P2", "P10"]
