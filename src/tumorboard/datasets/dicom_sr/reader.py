"""DICOM structured reports -> boxes and statements of a cohort."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import files_below, import_entry
from tumorboard.datasets.dicom_sr.writer import IMAGE_TABLE
from tumorboard.datasets.identifiers import read_ids, require_safe
from tumorboard.datasets.imagenome.objects import KIND
from tumorboard.datasets.tablefile import read_sheet
from tumorboard.io.dicom.files import is_dicom, read_header
from tumorboard.io.dicom.identity import DIRECT, count_identifying
from tumorboard.io.dicom.sr_read import SrFinding, SrReport, read_report
from tumorboard.io.images import load_image

__all__ = ["read"]


def read(
    source: Path, *, name: str | None = None, run_id: str = "", damaged: Literal["error", "skip"] = "error"
) -> Cohort:
    """Read structured reports of template 1500.

    Parameters
    ----------
    source : a folder that is searched for DICOM files, or one file.
    run_id : whose findings they are; default: ``expert`` where a person is the observer, else ``sr``.
    damaged : ``error``, or ``skip`` and list files that are no such report.

    A group with a region and without a finding is a box; one with a finding is a statement about its site. Images
    are named by `images.csv` where there is one, else by their UID, and have no pixels. Errors: LAY101, LAY106,
    SRD101, DCM101 ...
    """
    source = Path(source).resolve()
    paths = [source] if source.is_file() else [path for path in files_below(source) if is_dicom(path)]
    folder = source if source.is_dir() else source.parent
    rows = _Rows(run_id, _image_names(folder), read_ids(folder))
    notes = []
    reports: list[SrReport] = []
    whole: list[Path] = []
    for path in paths:
        try:
            reports.append(read_report(path))
            whole.append(path)
        except TumorboardError as error:
            if damaged == "error":
                raise
            notes.append(f"left out: {error}")
    if not reports:
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no structured report", expected="DICOM SR files")
    for report in sorted(reports, key=lambda r: (r.patient_id, r.study_date, r.study_time, r.study_uid)):
        rows.add(report)
    entry = import_entry(
        "dicom-sr",
        source,
        notes=notes,
        identifying=count_identifying(read_header(path, tags=("PatientID", *DIRECT)) for path in whole),
        run_id=run_id,
        damaged=damaged,
        space="boxes in source pixels",
    )
    return Cohort.build(name or source.stem, provenance=[entry], loader=load_image, **rows.tables)


def _image_names(folder: Path) -> dict[str, tuple[str, str]]:
    """SOP instance -> (image, exam), from `images.csv`."""
    path = folder / IMAGE_TABLE
    if not path.is_file():
        return {}
    sheet = read_sheet(path)
    sheet.require("sop_instance_uid", "image_id", "exam_id")
    return {str(r["sop instance uid"]): (str(r["image id"]), str(r["exam id"])) for r in sheet.rows}


class _Rows:
    """Rows of the cohort while reports are added."""

    def __init__(self, run_id: str, images: dict[str, tuple[str, str]], ids: dict[str, str]) -> None:
        self.tables: dict[str, Any] = {
            name: [] for name in ("patients", "exams", "images", "findings", "relations", "runs")
        }
        self._run_id, self._images, self._ids = run_id, images, ids
        self._exams: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._known: set[str] = set()

    def add(self, report: SrReport) -> None:
        written = require_safe(report.patient_id, "PatientID")
        patient_id = self._ids.get(written, written)
        if patient_id not in self._counts:
            self._counts[patient_id] = 0
            self.tables["patients"].append({"patient_id": patient_id, "sex": report.sex or None})
        run_id = self._run_id or (EXPERT if report.by_people else "sr")
        if run_id != EXPERT and run_id not in {row["run_id"] for row in self.tables["runs"]}:
            self.tables["runs"].append({"run_id": run_id, "kind": "import"})
        exam_id = self._exam(report, patient_id)
        for uid in dict.fromkeys([*report.image_uids, *(f.image_uid for f in report.findings if f.image_uid)]):
            self._image(uid, exam_id)
        for number, finding in enumerate(report.findings):
            if finding.label and finding.polarity:
                self._statement(finding, number, exam_id, run_id)
            elif finding.box and finding.image_uid:
                self._box(finding, number, exam_id, run_id)

    def _exam(self, report: SrReport, patient_id: str) -> str:
        if report.study_uid not in self._exams:
            order = self._counts[patient_id]
            self._counts[patient_id] += 1
            named = next((self._images[uid][1] for uid in report.image_uids if uid in self._images), None)
            exam_id = named or f"{patient_id}.{order}"
            self._exams[report.study_uid] = exam_id
            self.tables["exams"].append({"exam_id": exam_id, "patient_id": patient_id, "order": order, "kind": "X-ray"})
        return self._exams[report.study_uid]

    def _image(self, uid: str, exam_id: str) -> str:
        image_id = self._images.get(uid, (uid, ""))[0]
        if image_id not in self._known:
            self._known.add(image_id)
            self.tables["images"].append(
                {
                    "image_id": image_id,
                    "exam_id": exam_id,
                    "modality": str(Modality.DX),
                    "role": str(Role.IMAGE),
                    "unit": str(Unit.UNKNOWN),
                    "options": json.dumps({"facts": {"SOPInstanceUID": uid}}),
                }
            )
        return image_id

    def _box(self, finding: SrFinding, number: int, exam_id: str, run_id: str) -> None:
        self.tables["findings"].append(
            {
                "finding_id": finding.identifier or f"{run_id}.{exam_id}.box-{number}",
                "run_id": run_id,
                "image_id": self._image(finding.image_uid, exam_id),
                "kind": KIND,
                "label": " ".join(finding.locations[:1]),
                "box": list(finding.box or ()),
            }
        )

    def _statement(self, finding: SrFinding, number: int, exam_id: str, run_id: str) -> None:
        attributes: dict[str, Any] = {
            "locations": list(finding.locations),
            "tense": "current",
            "comparison": finding.comparison,
            "severity": finding.severity,
            "cues": [list(cue) for cue in finding.cues],
            "section": "",
            "rules": [],
            "measures": {},
        }
        label = "" if finding.label == "unnamed" else finding.label
        self.tables["relations"].append(
            {
                "relation_id": finding.identifier or f"{run_id}.{exam_id}.{number}",
                "subject": exam_id,
                "predicate": finding.polarity,
                "object": f"{finding.category}|{label}",
                "run_id": run_id,
                "attributes": json.dumps(attributes),
            }
        )
