"""Texts of a cohort -> a table with one row per exam and a column per section."""

from __future__ import annotations

from pathlib import Path

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.spreadsheet import CsvTable

__all__ = ["TABLE", "write"]

TABLE = "reports.csv"


def write(cohort: Cohort, out: Path) -> None:
    """Write `reports.csv` with the columns id, patient, day, order, kind and one per section (``text`` for texts
    without one); cells that a spreadsheet would run begin with an apostrophe. Errors: LAY111 no text, LAY112."""
    texts = cohort.rows("texts")
    if not texts:
        raise TumorboardError(codes.NOT_WRITABLE, cohort.name, found="no text", expected="reports")
    sections = list(dict.fromkeys(row["section"] or "text" for row in texts))
    said: dict[str, dict[str, str]] = {}
    for row in texts:
        mine, section = said.setdefault(row["exam_id"], {}), row["section"] or "text"
        mine[section] = f"{mine[section]}\n{row['body']}" if section in mine else row["body"] or ""
    with new_folder(Path(out), cohort) as folder:
        table = CsvTable(folder / TABLE, ("id", "patient", "day", "order", "kind", *sections))
        for exam in cohort.rows("exams"):
            if exam["exam_id"] in said:
                row = {"id": exam["exam_id"], "patient": exam["patient_id"]}
                table.add(row | {k: exam[k] for k in ("day", "order", "kind")} | said[exam["exam_id"]])
        table.close()
