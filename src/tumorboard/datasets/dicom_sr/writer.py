"""Scene graphs -> one DICOM structured report per exam."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import ExamGraph, exam_graphs
from tumorboard.datasets.identifiers import file_names, write_ids
from tumorboard.datasets.tablefile import write_csv
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.identity import without_identity
from tumorboard.io.dicom.image_write import StudyIdentity
from tumorboard.io.dicom.sr_write import Evidence, SrGroup, made_evidence, write_report
from tumorboard.io.images import image_path

__all__ = ["IMAGE_TABLE", "write"]

IMAGE_TABLE = "images.csv"
"""Which DICOM instance stands for which image, and whether it exists (``dicom``) or is only named (``made``)."""
_FIRST_DAY = date(2000, 1, 1)
_DICOM = ("dicom-radiograph", "dicom")


def write(
    cohort: Cohort,
    out: Path,
    *,
    run: str = "",
    boxes: str = "",
    lossy: bool = False,
    identity: Literal["remove", "keep"] = "remove",
) -> None:
    """Write `<ID>/<exam>.SR.dcm` for every exam with boxes or statements.

    `run` and `boxes` are the runs of the statements and of the boxes (default: the only one, else ``expert``);
    `lossy` leaves out exams without any image, boxes that are not four numbers, history and changes that only stand
    between two exams. `identity`: ``remove`` what identifies patient and study in an image's DICOM header (all but the
    UIDs that tie a report to its images; PatientID becomes the cohort's id), or ``keep`` it.

    A report refers to the DICOM instance an image came from; other images get made-up identifiers, which `images.csv`
    says. Dates are made up from the days of the exams (day 0 = 1 January 2000). Errors: LAY111, LAY112, LAY113.
    """
    names = file_names(cohort.patient_ids, allowed=r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
    exam_names = file_names(cohort.exams["exam_id"].to_pylist())
    rows: list[tuple[str, ...]] = []
    count = 0
    with new_folder(Path(out), cohort) as folder:
        for exam in exam_graphs(cohort, run=run, boxes=boxes):
            if not exam.statements and not any(exam.boxes.values()):
                continue
            if not exam.images:
                if lossy:
                    continue
                raise TumorboardError(
                    codes.NOT_WRITABLE,
                    exam.exam["exam_id"],
                    found="statements without an image",
                    expected="an image",
                    fix="leave such exams out with --set lossy=true",
                )
            written = names[exam.patient["patient_id"]]
            evidence = {row["image_id"]: _evidence(row, exam, written, cohort.root, identity) for row in exam.images}
            groups = _groups(exam, evidence, lossy=lossy)
            target = folder / written / f"{exam_names[exam.exam['exam_id']]}.SR.dcm"
            runs = {row["run_id"] for row in exam.statements} or {b["run_id"] for m in exam.boxes.values() for b in m}
            algorithm = min(runs)
            write_report(
                groups,
                target,
                evidence=list(evidence.values()),
                by_people=algorithm == EXPERT,
                algorithm=algorithm,
                description=exam.exam["exam_id"],
            )
            for image in exam.images:
                known = "dicom" if image["format"] in _DICOM else "made"
                rows.append((evidence[image["image_id"]].uid, image["image_id"], exam.exam["exam_id"], known))
            count += 1
        if not count:
            raise TumorboardError(codes.NOT_WRITABLE, cohort.name, found="no graph", expected="boxes or statements")
        write_csv(folder / IMAGE_TABLE, ["sop_instance_uid", "image_id", "exam_id", "source"], rows)
        write_ids(folder, names)


def _evidence(row: Mapping[str, Any], exam: ExamGraph, written: str, root: Path | None, identity: str) -> Evidence:
    if row["format"] in _DICOM and row["path"]:
        header = read_header(image_path(row, root))
        return Evidence(row["image_id"], header if identity == "keep" else without_identity(header, patient_id=written))
    day = exam.exam["day"]
    study = StudyIdentity(
        written,
        exam.exam["exam_id"],
        (_FIRST_DAY + timedelta(days=round(day))).strftime("%Y%m%d") if day is not None else "",
        int(exam.exam["order"] or 0),
        exam.patient.get("sex") or "",
        exam.patient.get("age_years"),
    )
    return made_evidence(row["image_id"], study)


def _groups(exam: ExamGraph, evidence: Mapping[str, Evidence], *, lossy: bool) -> list[SrGroup]:
    """A group per box, then one per statement (with the region of its one location, on the first image that has it)."""
    groups: list[SrGroup] = []
    place_of: dict[str | None, tuple[Evidence, list[float]]] = {}
    for image_id, rows in exam.boxes.items():
        for row in rows:
            if not row["box"] or len(row["box"]) != 4:
                if lossy or not row["box"]:
                    continue
                raise TumorboardError(
                    codes.NOT_WRITABLE,
                    row["finding_id"],
                    found=f"a box of {len(row['box'])} numbers",
                    expected="4",
                    fix="leave such boxes out with --set lossy=true",
                )
            image = evidence[image_id]
            place_of.setdefault(row["label"], (image, row["box"]))
            groups.append(SrGroup(row["finding_id"], (row["label"],) if row["label"] else (), image, row["box"]))
    for row in exam.current:
        a = row["attributes"]
        category, _, label = row["object"].partition("|")
        places = tuple(a["locations"])
        known = place_of.get(places[0]) if len(places) == 1 else None
        groups.append(
            SrGroup(
                row["relation_id"],
                places,
                known[0] if known else None,
                known[1] if known else None,
                label or "unnamed",
                category,
                row["predicate"],
                a.get("comparison"),
                a.get("severity"),
                tuple((str(kind), str(word)) for kind, word in a.get("cues") or ()),
            )
        )
    return groups
