"""Folder of CTs with a clinical table -> Cohort.

The cohort of Xing et al. (MICCAI 2025) is not public; this is a layout for cohorts of its kind, of our making:

    dataset.toml                what the CT files show (below)
    clinical.csv, clinical.toml the table and its schema (layout `table`); endpoints PFS and OS
    ct/<ID>.nii.gz              or a folder ct/<ID>/ with one DICOM series
    mask/<ID>.nii.gz            optional: tumours, drawn on that CT

`dataset.toml`:

    crop = "none"               # the CT files are: "none" as acquired, "lesion" boxes round the tumour, "lung"
    labels = "1=GTV"            # values of the masks
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import (
    Assembly,
    ImageFile,
    Progress,
    choice,
    image_suffix,
    import_entry,
    parse_labels,
    row_grid,
)
from tumorboard.datasets.dicom.reader import read as read_dicom
from tumorboard.datasets.identifiers import natural_key, read_ids, require_safe
from tumorboard.datasets.table.reader import read as read_table
from tumorboard.io.images import load_image

__all__ = ["CROPS", "DATASET", "TABLE", "read"]

DATASET, TABLE = "dataset.toml", "clinical.csv"
CROPS = ("none", "lesion", "lung")


def read(source: Path, *, name: str | None = None, progress: Progress | None = None) -> Cohort:
    """Read the folder; patients are those of the table and those with images.

    PFS and OS of which one is not known, or PFS longer than OS, are for the checks to report: nothing is corrected. The
    crop rule is kept in the provenance (`crop`), so that a model can be told whether to crop again.

    Parameters
    ----------
    source : the folder.
    name : of the cohort; default: the folder's name.

    Errors: LAY101 nothing found, LAY106 an unusable id, LAY113 an unknown crop rule; TAB101 to TAB105 for the table.
    """
    source = Path(source)
    crop, labels = _stated(source)
    clinical = read_table(source / TABLE)
    original = read_ids(source)
    assembly, masks = Assembly(), _by_patient(source / "mask")
    series = _by_patient(source / "ct")
    for written, path in series.items():
        if not path.is_dir():
            exam = assembly.add_exam(original.get(written, written), kind="CT")
            assembly.files.append(ImageFile(path, "CT", exam))
            if written in masks:
                assembly.files.append(ImageFile(masks[written], "mask", exam, labels=labels))
    drawn = {w: masks[w] for w, path in series.items() if path.is_dir() and w in masks}
    rows = _dicom(source / "ct", original, assembly, drawn, labels) if any(p.is_dir() for p in series.values()) else []
    rows += assembly.image_rows(progress)
    _attach(rows)
    entry = import_entry("ici-nsclc", source.resolve(), notes=assembly.notes, crop=crop)
    known = set(clinical.patient_ids)
    more = pa.table({"patient_id": [patient for patient in assembly.patients if patient not in known]})
    patients = clinical.patients
    if more.num_rows:
        patients = pa.concat_tables([patients, more], promote_options="default")
    return Cohort.build(
        name or source.resolve().name,
        dictionary=clinical.dictionary.values(),
        provenance=[{**entry, "crop": crop}, *clinical.provenance],
        loader=load_image,
        patients=patients,
        exams=assembly.exams,
        images=rows,
        outcomes=clinical.outcomes,
    )


def _stated(source: Path) -> tuple[str, dict[int, str]]:
    """Crop rule and labels of `dataset.toml`."""
    path = source / DATASET
    if not path.is_file() or not (source / TABLE).is_file():
        found = "a folder" if source.is_dir() else "no such folder"
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found=found, expected=f"{DATASET} and {TABLE}")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, path, found=str(error), expected="a TOML file") from error
    crop = choice("crop", str(said.get("crop", "")), CROPS)
    return crop, parse_labels(str(said.get("labels", "1=GTV")))


def _by_patient(folder: Path) -> dict[str, Path]:
    """Patient -> image file, or folder of DICOM slices; LAY102 for two of one patient."""
    found: dict[str, Path] = {}
    paths = sorted(folder.iterdir(), key=lambda path: natural_key(path.name)) if folder.is_dir() else []
    for path in paths:
        suffix = image_suffix(path)
        if path.name.startswith(".") or not (path.is_dir() or suffix):
            continue
        patient = require_safe(path.name if path.is_dir() else path.name[: -len(suffix or "")], str(path))
        if patient in found:
            raise TumorboardError(codes.FILE_ROLE, path, found=f"a second image of {patient}", expected="one")
        found[patient] = path
    return found


def _dicom(
    folder: Path, original: dict[str, str], assembly: Assembly, masks: dict[str, Path], labels: dict[int, str]
) -> list[dict[str, Any]]:
    """Rows of the CT series below `folder`, a folder per patient; their exams and masks go to `assembly`."""
    found = read_dicom(folder, patient_from="folder")
    kept = [row for row in found.rows("images") if row["modality"] == Modality.CT and row["role"] == Role.IMAGE]
    shown = {row["exam_id"] for row in kept}
    renamed = {}
    for exam in found.rows("exams"):
        if exam["exam_id"] in shown:
            written, _, order = exam["exam_id"].rpartition(".")
            renamed[exam["exam_id"]] = assembly.add_exam(original.get(written, written), order=int(order), kind="CT")
            if written in masks and order == "0":
                assembly.files.append(ImageFile(masks[written], "mask", renamed[exam["exam_id"]], labels=labels))
    rows = []
    for row in kept:
        exam_id = renamed[row["exam_id"]]
        image_id = exam_id + row["image_id"].removeprefix(row["exam_id"])
        rows.append({**row, "exam_id": exam_id, "image_id": image_id})
    return rows


def _attach(rows: list[dict[str, Any]]) -> None:
    """A mask refers to the CT of its exam whose grid it shares, DICOM series included."""
    for mask in (row for row in rows if row["role"] == Role.MASK and row["reference_image_id"] is None):
        for row in rows:
            if (
                row["exam_id"] == mask["exam_id"]
                and row["role"] == Role.IMAGE
                and row_grid(row).same_grid(row_grid(mask))
            ):
                mask["reference_image_id"], mask["problem"] = row["image_id"], None
                break
