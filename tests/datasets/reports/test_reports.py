"""Any reports as text: files, tables, sections, dates; nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.reports.reader import read
from tumorboard.datasets.reports.writer import write
from tumorboard.io.store import save_cohort


def test_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "r10.txt").write_bytes(b"\xef\xbb\xbfNo effusion.\r\nLungs clear.")
    (tmp_path / "r2.txt").write_text("Heart normal.")
    (tmp_path / "P7").mkdir()
    (tmp_path / "P7" / "first.txt").write_text("One.")
    (tmp_path / "P7" / "second.txt").write_text("Two.")
    cohort = read(tmp_path, kind="X-ray")
    assert [(r["patient_id"], r["exam_id"], r["order"]) for r in cohort.rows("exams")] == [
        ("P7", "P7.first", 0), ("P7", "P7.second", 1), ("r2", "r2", 0), ("r10", "r10", 0),
    ]  # fmt: skip
    assert cohort.row("texts", exam_id="r10")["body"] == "No effusion.\r\nLungs clear."
    assert set(cohort.exams["kind"].to_pylist()) == {"X-ray"}


def test_a_table_with_sections_and_dates(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "id,patient,day,order,findings,impression\ne2,P1,40,,Worse.,Pneumonia.\ne1,P1,3.5,,Clear.,\ne3,P2,,4,,'=1+1\n"
    )
    cohort = read(path)
    assert [(r["exam_id"], r["day"], r["order"]) for r in cohort.rows("exams")] == [
        ("e1", 3.5, 0), ("e2", 40.0, 1), ("e3", None, 4),
    ]  # fmt: skip
    texts = {(r["exam_id"], r["section"]): r["body"] for r in cohort.rows("texts")}
    assert texts == {
        ("e1", "findings"): "Clear.", ("e2", "findings"): "Worse.", ("e2", "impression"): "Pneumonia.",
        ("e3", "impression"): "=1+1",
    }  # fmt: skip
    write(cohort, tmp_path / "out")
    again = read(tmp_path / "out" / "reports.csv")
    assert again.texts.equals(cohort.texts) or {(r["text_id"], r["body"]) for r in again.rows("texts")} == {
        (r["text_id"], r["body"]) for r in cohort.rows("texts")
    }
    assert again.exams.equals(cohort.exams)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("r.csv", b"id,text\na,x\na,y\n", "LAY104"), ("r.csv", b"name,text\na,x\n", "LAY103"),
        ("r.csv", b"id,text,day\na,x,soon\n", "LAY104"), ("r.csv", b"id,text\n../a,x\n", "LAY106"),
        ("r.txt", b"\xff\xfe\x00", "LAY103"), ("r.txt", b"x" * (2**20 + 1), "FIL105"), ("note.md", b"x", "LAY101"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(name: str, data: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TumorboardError, match=code):
        read(tmp_path / name if name.endswith(".csv") else tmp_path)


def test_the_encoding_is_stated_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_bytes("Erguß".encode("latin-1"))
    with pytest.raises(TumorboardError, match="encoding=latin-1"):
        read(tmp_path)
    assert read(tmp_path, encoding="latin-1").row("texts")["body"] == "Erguß"


def test_reports_join_the_scans_of_their_patients(tmp_path: Path) -> None:
    """By the exam's name, by the patient's where there is one exam, else as an exam of their own."""
    exams = [("P1.0", "P1"), ("P2.0", "P2"), ("P2.1", "P2")]
    base = Cohort.build(
        "scans",
        patients=[{"patient_id": p, "centre": "A"} for p in ("P1", "P2")],
        exams=[{"exam_id": e, "patient_id": p, "order": int(e[-1]), "kind": "PET/CT"} for e, p in exams],
    )
    save_cohort(base, tmp_path / "cohort")
    reports = tmp_path / "reports"
    reports.mkdir()
    for name, body in {"P1": "One exam.", "P2.1": "The second.", "P2": "Which?", "P9": "Somebody new."}.items():
        (reports / f"{name}.txt").write_text(body)
    joined = read(reports, onto=tmp_path / "cohort")
    assert {row["exam_id"]: row["body"] for row in joined.rows("texts")} == {
        "P1.0": "One exam.", "P2.1": "The second.", "P2": "Which?", "P9": "Somebody new.",
    }  # fmt: skip
    assert joined.row("exams", exam_id="P2")["order"] == 2
    assert joined.patient_ids == ["P1", "P2", "P9"] and joined.patients["centre"].to_pylist() == ["A", "A", None]
    save_cohort(joined, tmp_path / "cohort")
    with pytest.raises(TumorboardError, match="LAY104"):
        read(reports, onto=tmp_path / "cohort")
