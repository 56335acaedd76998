"""No table that leaves the house runs a formula in a spreadsheet, and what was protected reads back as it was."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets.table.reader import read
from tumorboard.datasets.table.writer import write
from tumorboard.datasets.tablefile import read_sheet, write_csv, write_xlsx

EVIL = ['=HYPERLINK("http://x";"y")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1"]


def starts(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {cell[:1] for row in csv.reader(file) for cell in row}


def test_csv_cells_and_headings(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["id", "=1+1"], [[f"P{n}", cell] for n, cell in enumerate(EVIL)])
    assert not starts(tmp_path / "t.csv") & set("=+-@\t")
    sheet = read_sheet(tmp_path / "t.csv")
    assert [row["=1+1"] for row in sheet.rows] == EVIL


@pytest.mark.parametrize("cell", [-1.5, "-1.5", "-175, 275", "+3", "1e-5", None])
def test_numbers_stay_as_published(cell: object, tmp_path: Path) -> None:
    """Windows of grey values are published as "-175, 275": a protected cell would not be the published form."""
    write_csv(tmp_path / "t.csv", ["a", "b"], [["x", cell]])
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["x", "" if cell is None else str(cell)]


def test_workbooks_hold_text(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "t.xlsx", {"sheet": [["id", "note"], ["P1", "=1+1"], ["P2", 3.5]]})
    cell = openpyxl.load_workbook(tmp_path / "t.xlsx")["sheet"]["B2"]
    assert (cell.data_type, cell.value) == ("s", "=1+1")
    assert read_sheet(tmp_path / "t.xlsx").rows[0]["note"] == "=1+1"


def test_a_cohort_leaves_and_comes_back(tmp_path: Path) -> None:
    patients = [{"patient_id": f"P{n}", "note": text} for n, text in enumerate(EVIL[:4])]
    cohort = Cohort.build("twin", patients=patients, dictionary=[Variable("note", Kind.TEXT)])
    write(cohort, tmp_path / "out")
    assert not starts(tmp_path / "out" / "twin.csv") & set("=+-@")
    assert [row["note"] for row in read(tmp_path / "out" / "twin.toml").rows("patients")] == EVIL[:4]
