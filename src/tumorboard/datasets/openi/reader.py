"""Open-i reports -> Cohort."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import Progress, import_entry
from tumorboard.datasets.identifiers import natural_key, require_safe
from tumorboard.datasets.openi import codes
from tumorboard.datasets.openi.crosswalk import read_code, split_codes
from tumorboard.datasets.openi.xml import Report, parse_report, report_files
from tumorboard.io.images import load_image
from tumorboard.io.inflate import is_gzip, read_gzip

__all__ = ["read"]

_SECTIONS = ("comparison", "indication", "findings", "impression")
_MAX_TABLE_BYTES = 256 * 2**20


def read(
    source: Path,
    *,
    name: str | None = None,
    projections: Path | None = None,
    damaged: Literal["error", "skip"] = "error",
    codes_as_relations: bool = True,
    progress: Progress | None = None,
) -> Cohort:
    """Read Open-i's reports.

    Parameters
    ----------
    source : `ecgen-radiology` as a folder or `.tar.gz`, one XML file, or the CSV form (``uid,MeSH,...,findings,
        impression``; also `.csv.gz`).
    projections : table ``uid,filename,projection`` of the CSV form (default: `*projections*.csv` beside `source`).
    damaged : ``error`` stops at a report that cannot be read; ``skip`` leaves it out and lists it.
    codes_as_relations : the human codes as statements of the run ``expert``, where the crosswalk has a label for them.

    Every code is also kept as published: a relation ``coded`` to ``mesh|<code>``. Images are listed with their view and
    without a file. Errors: LAY101 no report, OPI101 to OPI104, LAY103, LAY106, FIL103, FIL105, FIL106.
    """
    source = Path(source).resolve()
    if not source.exists():
        raise TumorboardError(
            layout_codes.LAYOUT_NOT_FOUND, source, found="nothing there", expected="XML files or a CSV"
        )
    table = source.name.lower().endswith((".csv", ".csv.gz"))
    skipped: list[str] = []
    reports: dict[str, Report] = {}
    for report in _from_table(source, projections) if table else _from_xml(source, damaged, skipped):
        uid = require_safe(report.uid, f"{source.name}, report {report.uid[:40]!r}")
        if uid in reports:
            raise TumorboardError(codes.REPORT_TWICE, source, found=f"{uid} again", expected="each report once")
        reports[uid] = report
        if progress:
            progress(len(reports), len(reports))
    if not reports:
        raise TumorboardError(layout_codes.LAYOUT_NOT_FOUND, source, found="no report", expected="XML files or a CSV")
    rows = _Rows(codes_as_relations)
    for uid in sorted(reports, key=natural_key):
        rows.add(uid, reports[uid])
    notes = [f"{rows.unmapped} codes without a label in the crosswalk"] if rows.unmapped else []
    entry = import_entry(
        "openi",
        source,
        notes=notes + [f"left out: {words}" for words in skipped],
        damaged=damaged,
        codes_as_relations=codes_as_relations,
        projections=projections,
    )
    return Cohort.build(name or source.name.partition(".")[0], provenance=[entry], loader=load_image, **rows.tables)


def _from_xml(source: Path, damaged: str, skipped: list[str]) -> Iterator[Report]:
    for place, data in report_files(source):
        try:
            yield parse_report(data, place)
        except TumorboardError as error:
            if damaged == "error":
                raise
            skipped.append(str(error))


def _from_table(source: Path, projections: Path | None) -> Iterator[Report]:
    beside = sorted(source.parent.glob("*projections*.csv")) if projections is None else [projections]
    images: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for path in beside:
        for row in _csv_rows(path, "uid", "filename", "projection"):
            image = row["filename"].partition(".")[0]
            view = row["projection"].strip().casefold()
            images.setdefault(row["uid"].strip(), []).append((f"CXR{image}", {"view": view} if view else {}))
    for row in _csv_rows(source, "uid", "findings", "impression"):
        uid = row["uid"].strip()
        sections = [(name, row[name].strip()) for name in _SECTIONS if (row.get(name) or "").strip()]
        report = Report(f"CXR{uid}", sections, split_codes(row.get("MeSH", "")), images=images.get(uid, []))
        if (row.get("image") or "").strip():
            report.facts["title"] = row["image"].strip()
        yield report


def _csv_rows(path: Path, *required: str) -> Iterator[dict[str, str]]:
    try:
        if is_gzip(path):
            data = read_gzip(path, max_bytes=_MAX_TABLE_BYTES)
        else:
            with path.open("rb") as file:
                data = file.read(min(_MAX_TABLE_BYTES, path.stat().st_size) + 1)
        if len(data) > _MAX_TABLE_BYTES:
            raise _form(path, f"more than {_MAX_TABLE_BYTES:,} bytes", "a table of reports")
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        missing = [name for name in required if name not in (reader.fieldnames or ())]
        if missing:
            raise _form(path, f"columns {reader.fieldnames}", f"also {missing}")
        for row in reader:
            if None in row:
                raise _form(path, f"line {reader.line_num} with more cells than the heading", "as many")
            yield {key: value or "" for key, value in row.items()}
    except UnicodeDecodeError as error:
        raise _form(path, f"byte {error.start} that is not UTF-8", "UTF-8 text") from error
    except (csv.Error, OSError) as error:
        raise _form(path, f"{error}", "a readable table") from error


def _form(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(layout_codes.TABLE_FORM, path, found=found, expected=expected)


class _Rows:
    """Rows of the cohort while reports are added."""

    def __init__(self, codes_as_relations: bool) -> None:  # noqa: FBT001
        self.tables: dict[str, Any] = {name: [] for name in ("patients", "exams", "images", "texts", "relations")}
        self.unmapped = 0
        self._coded = codes_as_relations

    def add(self, uid: str, report: Report) -> None:
        exam_id = f"{uid}.0"
        self.tables["patients"].append({"patient_id": uid})
        self.tables["exams"].append({"exam_id": exam_id, "patient_id": uid, "order": 0, "kind": "X-ray"})
        taken: dict[str, int] = {}
        for section, words in report.sections:
            taken[section] = taken.get(section, 0) + 1
            number = f"-{taken[section]}" if taken[section] > 1 else ""
            text_id = f"{exam_id}.{section or 'report'}{number}"
            self.tables["texts"].append({"text_id": text_id, "exam_id": exam_id, "section": section, "body": words})
        for image_id, facts in dict(report.images).items():
            self.tables["images"].append(
                {
                    "image_id": require_safe(image_id, f"{uid}, image"),
                    "exam_id": exam_id,
                    "modality": str(Modality.DX),
                    "role": str(Role.IMAGE),
                    "unit": str(Unit.UNKNOWN),
                    "options": json.dumps({**facts, **report.facts}, sort_keys=True),
                }
            )
        for level, listed in (("major", report.major), ("automatic", report.automatic)):
            for code in [code for text in listed for code in split_codes(text)]:
                self._code(exam_id, code, level)

    def _code(self, exam_id: str, code: str, level: str) -> None:
        """The code as published, and as a statement where it is a human's and has a label."""
        relations = self.tables["relations"]
        row = {"subject": exam_id, "run_id": EXPERT}
        relations.append(
            row
            | {
                "relation_id": f"{exam_id}.mesh.{len(relations)}",
                "predicate": "coded",
                "object": f"mesh|{code}",
                "attributes": json.dumps({"level": level}),
            }
        )
        if level != "major" or not self._coded:
            return
        said = read_code(code)
        if said is None:
            self.unmapped += 1
            return
        attributes: dict[str, Any] = {
            "locations": list(said.locations),
            "tense": "current",
            "comparison": None,
            "severity": said.severity,
            "cues": [],
            "section": "",
            "rules": [],
            "measures": {},
            "mesh": code,
        }
        relations.append(
            row
            | {
                "relation_id": f"{exam_id}.coded.{len(relations)}",
                "predicate": "yes",
                "object": f"{said.category}|{said.label}",
                "attributes": json.dumps(attributes),
            }
        )
