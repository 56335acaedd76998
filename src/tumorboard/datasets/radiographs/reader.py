"""A folder of X-ray images -> Cohort."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import Progress, files_below, import_entry, parse_labels
from tumorboard.datasets.identifiers import natural_key, require_safe
from tumorboard.datasets.radiographs.table import ImageEntry, read_entries
from tumorboard.io.dicom.files import is_dicom, read_header
from tumorboard.io.dicom.identity import DIRECT, count_identifying
from tumorboard.io.dicom.radiograph import MODALITIES, RadiographFacts, radiograph_facts
from tumorboard.io.files import sha256_of
from tumorboard.io.images import load_image
from tumorboard.io.radiograph import PICTURE_SUFFIXES, picture_unit, read_radiograph, read_radiograph_geometry
from tumorboard.ops.lungs import box_of, split_lungs
from tumorboard.ops.radiograph import hanging_of

__all__ = ["read"]

LUNGS = "lungs"
_MASK_FOLDERS = ("masks", "lung_masks", "mask", "labels")
_SIDES = ("right lung", "left lung")


def read(
    source: Path,
    *,
    name: str | None = None,
    images: str = "",
    masks: str = "",
    metadata: str = "",
    mask_labels: str = "",
    exif: str = "",
    progress: Progress | None = None,
) -> Cohort:
    """Read a folder of X-ray images.

    Parameters
    ----------
    source : folder that is searched for PNG, JPEG and DICOM CR or DX files.
    images : folder below `source` that holds the images (default: ``images`` where there is one, else all of it).
    masks : folder below `source` with lung masks named like their images (default: the first of masks, lung_masks,
        mask, labels).
    metadata : table below `source` (default: ``metadata.csv`` where there is one).
    mask_labels : what mask values mean, e.g. ``1=right lung,2=left lung``; default: one value means both lungs.
    exif : ``apply`` or ``ignore`` where pictures say that they are to be turned for display.

    Errors: LAY101 no image, LAY103 and LAY104 for the table, LAY106 for ids, LAY110 masks of several values without
    `mask_labels`. A file that cannot be read keeps its row, with the code in `problem`.
    """
    source = Path(source).resolve()
    folder = source / images if images else source / "images" if (source / "images").is_dir() else source
    drawn = _mask_folder(source, masks)
    table = source / (metadata or "metadata.csv")
    if metadata and not table.is_file():
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, table, found="no such table", expected="one row per image")
    entries = read_entries(table) if table.is_file() else {}
    paths = [path for path in _pictures(folder) if drawn is None or not path.is_relative_to(drawn)]
    if not paths:
        raise TumorboardError(
            codes.LAYOUT_NOT_FOUND, folder, found="no X-ray image", expected="PNG, JPEG or DICOM files"
        )
    rows = _Rows(exif, parse_labels(mask_labels, option="mask_labels") if mask_labels else {})
    for done, (path, exam) in enumerate(_exams(paths, entries, rows), start=1):
        rows.add_image(path, exam, entries.get(path.stem, ImageEntry()), _mask_of(path, drawn, entries))
        if progress:
            progress(done, len(paths))
    unknown = sorted(set(entries) - {path.stem for path in paths}, key=natural_key)
    if unknown:
        rows.notes.append(f"{len(unknown)} rows of {table.name} without an image: {', '.join(unknown[:5])}")
    options = {"images": images, "masks": masks, "metadata": metadata, "mask_labels": mask_labels, "exif": exif}
    return Cohort.build(
        name or source.name,
        patients=list(rows.patients.values()),
        exams=list(rows.exams.values()),
        images=rows.images,
        findings=rows.findings,
        provenance=[import_entry("radiographs", source, notes=rows.notes, identifying=_identifying(paths), **options)],
        loader=load_image,
    )


@dataclass(frozen=True)
class _Exam:
    exam_id: str
    patient_id: str


@dataclass
class _Rows:
    """Rows of the cohort while images are added."""

    exif: str
    labels: Mapping[int, str]
    patients: dict[str, dict[str, Any]] = field(default_factory=dict)
    exams: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Pictures of an exam so far."""

    def add_image(self, path: Path, exam: _Exam, entry: ImageEntry, mask: Path | None) -> None:
        count = self.counts[exam.exam_id] = self.counts.get(exam.exam_id, 0) + 1
        image_id = f"{exam.exam_id}.DX" + (f"-{count}" if count > 1 else "")
        row: dict[str, Any] = {
            "image_id": image_id,
            "exam_id": exam.exam_id,
            "modality": str(Modality.DX),
            "role": str(Role.IMAGE),
            "unit": str(Unit.UNKNOWN),
            "format": "radiograph",
            "path": str(path),
            "sha256": sha256_of(path),
        }
        self.images.append(row)
        try:
            row |= _described(path, entry, self.exif)
        except TumorboardError as error:
            row["problem"] = error.code.id
            row["format"] = "dicom-radiograph" if is_dicom(path) else "radiograph"
            self.notes.append(str(error))
            return
        if mask is not None:
            self._add_mask(mask, row)

    def _add_mask(self, path: Path, image: Mapping[str, Any]) -> None:
        volume = read_radiograph(path, unit=Unit.LABEL, exif=self.exif)
        values = [int(value) for value in np.unique(volume.array) if value]
        if not self.labels and len(values) > 1:
            raise TumorboardError(
                codes.LABELS,
                path,
                found=f"values {values[:6]}",
                expected="one value for both lungs, or --set mask_labels=1=right lung,2=left lung",
            )
        labels = dict(self.labels) or dict.fromkeys(values, LUNGS)
        fits = list(volume.shape) == image["shape"]
        mask_id = f"{image['image_id']}.mask"
        row = {
            "image_id": mask_id,
            "exam_id": image["exam_id"],
            "modality": str(Modality.SEG),
            "role": str(Role.MASK),
            "unit": str(Unit.LABEL),
            "format": "radiograph",
            "path": str(path),
            "shape": list(volume.shape),
            "affine": image["affine"] if fits else volume.affine.ravel().tolist(),
            "sha256": sha256_of(path),
            "run_id": EXPERT,
            "reference_image_id": image["image_id"] if fits else None,
            "labels": labels or None,
            "options": image["options"] if fits else None,
            "problem": None if fits else codes.MASK_WITHOUT_GRID.id,
        }
        self.images.append(row)
        if fits:
            affine = np.asarray(image["affine"], float).reshape(4, 4)
            self.findings += _box_rows(volume.array[:, :, 0].T, labels, image["image_id"], affine)


def _described(path: Path, entry: ImageEntry, exif: str) -> dict[str, Any]:
    """What the row says of the picture: unit, grid and the facts of its projection."""
    read: dict[str, Any] = {}
    facts: RadiographFacts | None = None
    if is_dicom(path):
        facts = radiograph_facts(path)
        unit, geometry, spacing_mm, view = facts.unit, facts.geometry, facts.spacing_mm, facts.view
    else:
        read = {"exif": exif} if exif else {}
        unit, geometry, view = picture_unit(path), read_radiograph_geometry(path, exif=exif), ""
        spacing_mm = _spacing(entry, geometry.shape)
        if spacing_mm is not None:
            read["spacing_mm"] = list(spacing_mm)
            geometry = read_radiograph_geometry(path, exif=exif, spacing_mm=spacing_mm)
    projection: dict[str, Any] = {
        "pixel_spacing_mm": None if spacing_mm is None else list(spacing_mm),
        "view": entry.view or view,
    }
    if facts is not None:
        projection |= {"orientation": facts.orientation, "inverted": facts.inverted, "lateral": facts.is_lateral}
        projection["spacing_source"] = facts.spacing_source
    return {
        "unit": str(unit),
        "format": "radiograph" if facts is None else "dicom-radiograph",
        "shape": list(geometry.shape),
        "affine": geometry.affine.ravel().tolist(),
        "options": json.dumps({"projection": projection, **({"read": read} if read else {})}, sort_keys=True),
    }


def _spacing(entry: ImageEntry, shape: Sequence[int]) -> tuple[float, float] | None:
    """Pixel spacing of the file, from that of the original size where the table names both."""
    if entry.spacing_mm is None or entry.spaced_size is None:
        return entry.spacing_mm
    column, row = (mm * was / now for mm, was, now in zip(entry.spacing_mm, entry.spaced_size, shape, strict=False))
    return (column, row)


def _box_rows(labels: Any, names: Mapping[int, str], image_id: str, affine: Any) -> list[dict[str, Any]]:
    """Boxes of the lungs in a mask (rows, columns), in source pixels."""
    hanging = hanging_of(affine)
    masks = {name: labels == value for value, name in names.items() if name in _SIDES}
    if LUNGS in names.values() and hanging is not None:
        both = np.isin(labels, [value for value, name in names.items() if name == LUNGS])
        if not hanging.is_as_it_should_be:
            return []  # sides cannot be told before the picture is turned
        masks |= dict(zip(_SIDES, split_lungs(both), strict=True))
    return [
        {
            "finding_id": f"{image_id}.{side}",
            "image_id": image_id,
            "run_id": EXPERT,
            "kind": "anatomical location",
            "label": side,
            "box": list(box),
            "measurements": {"area_px": float(mask.sum())},
        }
        for side, mask in masks.items()
        if (box := box_of(mask)) is not None
    ]


def _identifying(paths: Sequence[Path]) -> dict[str, int]:
    """DICOM attributes that identify persons, by number of files; files that cannot be read are told elsewhere."""
    headers = []
    for path in paths:
        with suppress(TumorboardError):
            if is_dicom(path):
                headers.append(read_header(path, tags=("PatientID", *DIRECT)))
    return count_identifying(headers)


def _pictures(folder: Path) -> list[Path]:
    """PNG, JPEG and DICOM CR or DX files below a folder, in natural order."""
    found = []
    for path in files_below(folder) if folder.is_dir() else []:
        if path.suffix.lower() in PICTURE_SUFFIXES:
            found.append(path)
        elif path.suffix.lower() in ("", ".dcm", ".dicom", ".ima") and is_dicom(path):
            try:
                modality = read_header(path, tags=["Modality"]).text("Modality")
            except TumorboardError:
                continue  # not an image that could be one of ours: `import dicom` tells of it
            found += [path] if modality in MODALITIES else []
    return found


def _mask_folder(source: Path, masks: str) -> Path | None:
    if masks:
        if not (source / masks).is_dir():
            raise TumorboardError(codes.LAYOUT_NOT_FOUND, source / masks, found="no such folder", expected="lung masks")
        return source / masks
    return next((source / name for name in _MASK_FOLDERS if (source / name).is_dir()), None)


def _mask_of(path: Path, drawn: Path | None, entries: Mapping[str, ImageEntry]) -> Path | None:
    if drawn is None:
        return None
    entry = entries.get(path.stem, ImageEntry())
    candidates = [drawn / Path(entry.mask).name] if entry.mask else [drawn / f"{path.stem}.png"]
    return next((mask for mask in candidates if mask.is_file()), None)


def _exams(paths: Sequence[Path], entries: Mapping[str, ImageEntry], rows: _Rows) -> list[tuple[Path, _Exam]]:
    """Each picture with its exam. Exams of a patient are ordered by day, then by stated order, then by name; patients
    and exams that nobody names are the file's own."""
    stated = [(path, _stated(path, entries.get(path.stem, ImageEntry()))) for path in paths]
    exams: dict[str, dict[str, list[tuple[Path, ImageEntry]]]] = {}
    for path, entry in stated:
        patient = require_safe(entry.patient, str(path))
        exams.setdefault(patient, {}).setdefault(entry.exam or path.stem, []).append((path, entry))
    listed = []
    for patient, studies in sorted(exams.items(), key=lambda item: natural_key(item[0])):
        ordered = sorted(studies.items(), key=lambda item: (*_when(item[1]), natural_key(item[0])))
        everyone = [entry for _, members in ordered for _, entry in members]
        rows.patients[patient] = {
            "patient_id": patient,
            "sex": next((entry.sex for entry in everyone if entry.sex), None),
            "age_years": next((entry.age_years for entry in everyone if entry.age_years is not None), None),
        }
        for order, (_, members) in enumerate(ordered):
            exam = _Exam(f"{patient}.{order}", patient)
            day = next((entry.day for _, entry in members if entry.day is not None), None)
            rows.exams[exam.exam_id] = {
                "exam_id": exam.exam_id,
                "patient_id": patient,
                "day": day,
                "order": order,
                "kind": "X-ray",
            }
            listed += [(path, exam) for path, _ in members]
    return listed


def _when(members: Sequence[tuple[Path, ImageEntry]]) -> tuple[float, float]:
    entry = members[0][1]
    return (np.inf if entry.day is None else entry.day, np.inf if entry.order is None else entry.order)


def _stated(path: Path, entry: ImageEntry) -> ImageEntry:
    """The entry with patient and exam of the DICOM header, or of the file name, where the table does not say them."""
    from dataclasses import replace

    if entry.patient:
        return entry
    if not is_dicom(path):
        return replace(entry, patient=path.stem)
    header = read_header(path, tags=["PatientID", "StudyInstanceUID", "PatientSex", "StudyDate"])
    date = header.text("StudyDate")
    return replace(
        entry,
        patient=header.text("PatientID") or path.stem,
        exam=header.text("StudyInstanceUID"),
        order=float(date) if date.isdecimal() else None,
        sex={"F": "female", "M": "male"}.get(header.text("PatientSex").upper()),
    )
