"""Scene graphs -> three tables for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import ExamGraph, exam_graphs, sentence_of
from tumorboard.datasets.spreadsheet import CsvTable
from tumorboard.datasets.termcodes import SYSTEMS, TermCodes, read_term_codes

__all__ = ["COLUMNS", "write"]

_IDS = ("patient_id", "exam_id", "order")
_LABEL_CODES = tuple(f"label_{system}" for system in SYSTEMS)
_PLACE_CODES = tuple(f"location_{system}" for system in SYSTEMS)
COLUMNS = {
    "statements": (
        *_IDS,
        "location",
        *_PLACE_CODES,
        "category",
        "label",
        *_LABEL_CODES,
        "polarity",
        "tense",
        "comparison",
        "severity",
        "cues",
        "section",
        "sentence",
        "start",
        "end",
        "rules",
        "confidence",
        "run_id",
        "relation_id",
    ),
    "changes": (
        *_IDS,
        "previous_exam_id",
        "location",
        *_PLACE_CODES,
        "category",
        "label",
        *_LABEL_CODES,
        "change",
        "source",
        "sentence",
        "confidence",
        "run_id",
        "relation_id",
    ),
    "boxes": (
        *_IDS,
        "image_id",
        "location",
        *_PLACE_CODES,
        "x1_source_px",
        "y1_source_px",
        "x2_source_px",
        "y2_source_px",
        "score",
        "run_id",
        "finding_id",
    ),
}


def write(
    cohort: Cohort,
    out: Path,
    *,
    run: str = "",
    boxes: str = "",
    separator: Literal["comma", "tab"] = "comma",
    terms: Path | None = None,
) -> None:
    """Write `statements`, `changes` and `boxes` as `.csv` (or `.tsv`), one row per statement and location.

    `run` and `boxes` are the runs of the statements and of the boxes (default: the only one, else ``expert``);
    `terms` a CSV ``label,cui,radlex,snomed``: without it the code columns are empty. Text that a spreadsheet would
    run as a formula begins with an apostrophe. Errors: LAY111 nothing to write, LAY112, LAY113.
    """
    known = read_term_codes(terms) if terms else TermCodes()
    suffix, delimiter = ("csv", ",") if separator == "comma" else ("tsv", "\t")
    count = 0
    with new_folder(Path(out), cohort) as folder:
        tables = {n: CsvTable(folder / f"{n}.{suffix}", c, delimiter=delimiter) for n, c in COLUMNS.items()}
        try:
            for exam in exam_graphs(cohort, run=run, boxes=boxes):
                count += _put(tables, exam, known)
        finally:
            for table in tables.values():
                table.close()
        if not count:
            raise TumorboardError(codes.NOT_WRITABLE, cohort.name, found="no graph", expected="statements or boxes")


def _put(tables: dict[str, CsvTable], exam: ExamGraph, terms: TermCodes) -> int:
    ids = {"patient_id": exam.patient["patient_id"], "exam_id": exam.exam["exam_id"], "order": exam.exam["order"]}
    bodies, count = exam.bodies, 0
    for row in exam.statements:
        a = row["attributes"]
        category, _, label = row["object"].partition("|")
        common = ids | _codes("label", label, terms)
        common |= {
            "category": category,
            "label": label,
            "polarity": row["predicate"],
            "sentence": sentence_of(row, bodies),
        }
        common |= {key: a.get(key) for key in ("tense", "comparison", "severity", "section")}
        common |= {
            "cues": "; ".join(f"{c}: {x}" for c, x in a.get("cues") or ()),
            "rules": " ".join(a.get("rules") or ()),
        }
        common |= {key: row[key] for key in ("start", "end", "confidence", "run_id", "relation_id")}
        for location in a["locations"] or [""]:
            tables["statements"].add(common | {"location": location} | _codes("location", location, terms))
            count += 1
    for row in exam.changes:
        a = row["attributes"]
        place, label = a.get("location", ""), a.get("attribute", "")
        more: dict[str, Any] = {
            "previous_exam_id": row["object"],
            "location": place,
            "category": a.get("category"),
            "label": label,
            "change": row["predicate"],
            "source": a.get("source"),
        }
        more |= {key: row[key] for key in ("confidence", "run_id", "relation_id")} | {
            "sentence": sentence_of(row, bodies)
        }
        tables["changes"].add(ids | more | _codes("label", label, terms) | _codes("location", place, terms))
        count += 1
    for image_id, rows in exam.boxes.items():
        for row in rows:
            corners = dict(
                zip(("x1_source_px", "y1_source_px", "x2_source_px", "y2_source_px"), row["box"] or (), strict=False)
            )
            more = {"image_id": image_id, "location": row["label"], **corners}
            more |= {key: row[key] for key in ("score", "run_id", "finding_id")}
            tables["boxes"].add(ids | more | _codes("location", row["label"] or "", terms))
            count += 1
    return count


def _codes(prefix: str, label: str, terms: TermCodes) -> dict[str, str]:
    return {f"{prefix}_{system}": code for system, code in terms.of(label).items()}
