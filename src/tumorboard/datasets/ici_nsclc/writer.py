"""Cohort -> folder of CTs with a clinical table, PFS and OS."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import choice
from tumorboard.datasets.export import export_nifti, new_folder, rows_by_patient
from tumorboard.datasets.ici_nsclc.reader import CROPS, DATASET, TABLE
from tumorboard.datasets.identifiers import file_names, write_ids
from tumorboard.datasets.table.writer import write as write_table

__all__ = ["write"]


def write(cohort: Cohort, out: Path, *, crop: str = "none", lossy: bool = False) -> None:
    """Write the CT and the experts' mask of every patient as `.nii.gz`, the table, PFS and OS.

    `crop` states what the CT files show: ``none`` as acquired, ``lesion`` or ``lung``. A patient of several exams, and
    images of other kinds, have no place here: LAY111 unless `lossy` takes the first exam's CT and leaves out the rest.
    LAY112 when `out` is not empty.
    """
    crop = choice("crop", crop, CROPS)
    names = file_names(cohort.patient_ids)
    labels: dict[int, str] = {}
    with new_folder(out, cohort) as folder:
        for patient in rows_by_patient(cohort):
            if len(patient.exams) > 1 and not lossy:
                raise _unwritable(patient.patient_id, f"{len(patient.exams)} exams", "one")
            first = patient.images_of(patient.exams[0]["exam_id"]) if patient.exams else []
            for kind in ("ct", "mask"):
                rows = [row for row in first if _kind(row) == kind]
                if len(rows) > 1 and not lossy:
                    raise _unwritable(patient.patient_id, f"{len(rows)} images of the kind {kind}", "one")
                for row in rows[:1]:
                    labels |= {int(value): text for value, text in (row["labels"] or {}).items()}
                    export_nifti(cohort, row, folder / kind / f"{names[patient.patient_id]}.nii.gz")
            others = [row["image_id"] for row in first if _kind(row) == ""]
            if others and not lossy:
                raise _unwritable(patient.patient_id, f"image {others[0]}", "a CT and its mask")
        _write_clinical(cohort, folder)
        stated = ",".join(f"{value}={text}" for value, text in sorted(labels.items())) or "1=GTV"
        lines = ["# What the files of ct/ show, and the values of mask/.", f'crop = "{crop}"']
        (folder / DATASET).write_text("\n".join([*lines, f"labels = {json.dumps(stated)}"]) + "\n", encoding="utf-8")
        write_ids(folder, names)


def _kind(row: dict[str, object]) -> str:
    if row["role"] == Role.MASK:
        return "mask"
    return "ct" if row["modality"] == Modality.CT and row["role"] == Role.IMAGE else ""


def _unwritable(patient_id: str, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.NOT_WRITABLE, f"patient {patient_id}", found=found, expected=expected)


def _write_clinical(cohort: Cohort, folder: Path) -> None:
    """The table's own writer names its files after the cohort; here they have a fixed name."""
    part = folder / ".table"
    write_table(cohort, part, tables_only=True)
    for path in part.iterdir():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            stem = json.dumps(f"{path.stem}.csv", ensure_ascii=False)
            text = text.replace(f"file = {stem}", f'file = "{TABLE}"')
        (folder / Path(TABLE).with_suffix(path.suffix)).write_text(text, encoding="utf-8")
    shutil.rmtree(part)
