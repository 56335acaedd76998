"""Any folder of report texts, or a table of them -> Cohort. Nothing is read out of the words: that is a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import files_below, import_entry
from tumorboard.datasets.identifiers import natural_key, require_safe
from tumorboard.datasets.tablefile import heading, read_sheet
from tumorboard.io import codes as io_codes
from tumorboard.io.store import open_cohort

__all__ = ["read"]

_MAX_TEXT_BYTES = 2**20
_FACTS = ("id", "patient", "day", "order", "kind")


def read(
    source: Path,
    *,
    name: str | None = None,
    id_column: str = "id",
    text_columns: str = "",
    encoding: str = "utf-8-sig",
    kind: str = "",
    onto: Path | None = None,
) -> Cohort:
    """Read report texts.

    Parameters
    ----------
    source : a folder of `.txt` files (named ``<patient>`` or, in one folder per patient, ``<patient>/<exam>``), one
        `.txt`, or a CSV or XLSX with one row per report.
    id_column : column with the report's id (its exam). A column ``patient`` says whose it is (default: one patient per
        report), ``day`` and ``order`` when it was.
    text_columns : sections by column, e.g. ``findings,impression``; default: ``text``, or every column that is none
        of the above.
    encoding : of the `.txt` files; one that does not fit is LAY103.
    kind : what the exams are, e.g. ``X-ray`` or ``PET/CT``.
    onto : an existing cohort that gets these reports. One that is named after an exam goes to it, one that is named
        after a patient with a single exam to that; any other becomes an exam of its own, of a patient who is added when
        new. LAY104 where the exam has the section already.

    The body stays whole and as written. Errors: LAY101, LAY103, LAY104, LAY106, FIL105.
    """
    source = Path(source).resolve()
    if source.is_file() and source.suffix.lower() != ".txt":
        rows = _from_table(source, id_column, text_columns)
    else:
        rows = _from_files(source, encoding)
    exams: dict[str, dict[str, Any]] = {}
    texts = []
    for row in rows:
        exam_id = row["exam_id"]
        if exam_id in exams:
            raise TumorboardError(
                codes.TABLE_VALUE, row["where"], found=f"id {exam_id!r} again", expected="each id once"
            )
        exams[exam_id] = {k: row[k] for k in ("exam_id", "patient_id", "day", "order")} | {
            "kind": row["kind"] or kind or None
        }
        texts += [
            {"text_id": f"{exam_id}.{section or 'report'}", "exam_id": exam_id, "section": section, "body": body}
            for section, body in row["sections"]
        ]
    listed = _ordered(list(exams.values()))
    entry = import_entry(
        "reports", source, id_column=id_column, text_columns=text_columns, encoding=encoding, kind=kind, onto=onto
    )
    if onto is not None:
        return _onto(open_cohort(onto), listed, texts).with_provenance(entry)
    patients = [{"patient_id": p} for p in dict.fromkeys(exam["patient_id"] for exam in listed)]
    return Cohort.build(name or source.stem, provenance=[entry], patients=patients, exams=listed, texts=texts)


def _onto(base: Cohort, exams: Sequence[Mapping[str, Any]], texts: Sequence[Mapping[str, Any]]) -> Cohort:
    """`base` with these reports, at the exams that they are named after."""
    known: dict[str, list[str]] = {patient: [] for patient in base.patient_ids}
    for row in base.rows("exams"):
        known[row["patient_id"]].append(row["exam_id"])
    there = {exam_id for listed in known.values() for exam_id in listed}
    place: dict[str, str] = {}
    new_patients, new_exams = [], []
    for exam in exams:
        own, patient = exam["exam_id"], exam["patient_id"]
        if own in there:
            place[own] = own
        elif own == patient and len(known.get(patient, ())) == 1:
            place[own] = known[patient][0]
        else:
            if patient not in known:
                new_patients.append({"patient_id": patient})
            listed = known.setdefault(patient, [])
            place[own] = own
            new_exams.append({**exam, "order": len(listed)})
            listed.append(own)
    taken = set(base.texts["text_id"].to_pylist())
    moved = []
    for text in texts:
        exam_id = place[text["exam_id"]]
        text_id = f"{exam_id}.{text['section'] or 'report'}"
        if text_id in taken:
            raise TumorboardError(
                codes.TABLE_VALUE, f"report {text['exam_id']}", found=f"{text_id} again", expected="a section once"
            )
        taken.add(text_id)
        moved.append({**text, "exam_id": exam_id, "text_id": text_id})
    return base.with_rows(patients=new_patients, exams=new_exams, texts=moved)


def _ordered(exams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Exams patient by patient in time; the order within a patient is filled in where it is not stated."""
    ordered = sorted(
        exams,
        key=lambda e: (
            natural_key(e["patient_id"]),
            e["order"] is None,
            e["order"] or 0,
            e["day"] is None,
            e["day"] or 0,
            natural_key(e["exam_id"]),
        ),
    )
    counts: dict[str, int] = {}
    for exam in ordered:
        number = counts[exam["patient_id"]] = counts.get(exam["patient_id"], -1) + 1
        if exam["order"] is None:
            exam["order"] = number
    return ordered


def _from_files(source: Path, encoding: str) -> list[dict[str, Any]]:
    paths = [source] if source.is_file() else [p for p in files_below(source) if p.suffix.lower() == ".txt"]
    if not paths:
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no .txt file", expected="one file per report")
    rows = []
    for path in paths:
        inside = path.relative_to(source).parent.parts if source.is_dir() else ()
        exam_id = require_safe(".".join((*inside, path.stem)), str(path))
        patient_id = require_safe(inside[-1], str(path)) if inside else exam_id
        body = _text(path, encoding)
        rows.append(
            {
                "exam_id": exam_id,
                "patient_id": patient_id,
                "day": None,
                "order": None,
                "kind": None,
                "sections": [("", body)],
                "where": str(path),
            }
        )
    return rows


def _text(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_TEXT_BYTES + 1)
    if len(data) > _MAX_TEXT_BYTES:
        raise TumorboardError(
            io_codes.FILE_TOO_LARGE, path, found=f"more than {_MAX_TEXT_BYTES:,} bytes", expected="the text of a report"
        )
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise TumorboardError(
            codes.TABLE_FORM,
            path,
            found=f"{error}"[:100],
            expected=f"{encoding} text",
            fix="state the encoding, e.g. --set encoding=latin-1",
        ) from error


def _from_table(source: Path, id_column: str, text_columns: str) -> list[dict[str, Any]]:
    sheet = read_sheet(source)
    names = {heading(column): column for column in sheet.columns}
    wanted = [heading(c) for c in text_columns.split(",") if c.strip()]
    known = {heading(id_column), *_FACTS}
    columns = wanted or (["text"] if "text" in names else [c for c in names if c not in known])
    sheet.require(id_column, *columns)
    if not columns:
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no column of text", expected="id, text")
    rows = []
    for index, row in enumerate(sheet.rows):
        where = sheet.where(index)
        exam_id = require_safe(row[heading(id_column)], where)
        patient = row.get("patient")
        sections = [("" if c == "text" else c, str(row[c])) for c in columns if row.get(c) is not None]
        order = _number(row.get("order"), where)
        rows.append(
            {
                "exam_id": exam_id,
                "patient_id": exam_id if patient is None else require_safe(patient, where),
                "day": _number(row.get("day"), where),
                "order": None if order is None else int(order),
                "kind": row.get("kind"),
                "sections": sections,
                "where": where,
            }
        )
    return rows


def _number(cell: Any, where: str) -> float | None:
    if cell is None:
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = float("nan")
    if not abs(value) < 2**31:
        raise TumorboardError(codes.TABLE_VALUE, where, found=repr(cell)[:40], expected="a number of days, or an order")
    return value
