"""One patient on paper: a single file that holds its pictures and style, to send, print or keep; and what other systems
take (DICOM, FHIR), by the writers of the layouts."""

from __future__ import annotations

import base64
import re
import zipfile
from importlib.resources import files
from pathlib import Path

from tumorboard.board.context import PatientFacts
from tumorboard.board.xrays import is_flat
from tumorboard.core.cohort import Cohort
from tumorboard.core.registry import layouts, resolve
from tumorboard.core.tables import EXPERT
from tumorboard.tasks.scenegraph.rows import is_statement

__all__ = ["EXPORTS", "REPORT_PANES", "export_patient", "exports_of", "self_contained", "sheet"]

REPORT_PANES = (
    "facts",
    "xray",
    "exams",
    "response",
    "marked",
    "prognosis",
    "classes",
    "predicted",
    "patient_scores",
    "quality",
    "origin",
)
"""Panes of the patient's page that stand in the report."""

EXPORTS = {"dicom-seg": "DICOM segmentations", "dicom-sr": "DICOM structured reports", "fhir": "FHIR bundle"}
"""Layouts in which one patient can be taken along."""

_PICTURE = re.compile(r'src="(\.\./[^"]+\.(png|svg))"')
_HIDDEN_PICTURE = re.compile(r"<img(?=[^>]*\shidden[\s>])[^>]*>")
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


def sheet() -> str:
    """The style of the pages, to stand in the report itself."""
    return (files("tumorboard.board") / "static" / "board.css").read_text(encoding="utf-8")


def self_contained(html: str, folder: Path) -> str:
    """A page of `folder`/reports with its visible pictures inside; hidden ones are left out."""

    def inline(match: re.Match[str]) -> str:
        path = (folder / "reports" / match[1]).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            return 'src=""'
        return f'src="data:{_TYPES[match[2]]};base64,{base64.b64encode(path.read_bytes()).decode("ascii")}"'

    return _PICTURE.sub(inline, _HIDDEN_PICTURE.sub("", html)).replace(' loading="lazy"', "")


def exports_of(patient: PatientFacts) -> dict[str, str]:
    """Of `EXPORTS`, those for which this patient has something: masks of the expert, boxes or statements, statements or
    measured lesions."""
    images = [image for exam in patient.exams for image in exam.images]
    masks = any(image["role"] == "mask" and image["run_id"] == EXPERT and not is_flat(image) for image in images)
    statements = any(is_statement(row) for row in patient.relations)
    boxes = any(len(row["box"] or ()) == 4 for row in patient.findings)
    measured = any(row["run_id"] == EXPERT and row["measurements"] for row in patient.findings)
    there = {"dicom-seg": masks, "dicom-sr": statements or boxes, "fhir": statements or measured}
    return {kind: name for kind, name in EXPORTS.items() if there[kind]}


def export_patient(cohort: Cohort, patient_id: str, kind: str, folder: Path) -> Path:
    """One patient in the layout `kind` (of `EXPORTS`), as a ZIP archive in `folder`. Errors: those of the layout's
    writer."""
    out = folder / "out"
    write = resolve(layouts()[kind].write or "")
    write(cohort.subset([patient_id]), out)
    archive = folder / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(path for path in out.rglob("*") if path.is_file()):
            made.write(path, path.relative_to(out).as_posix())
    return archive
