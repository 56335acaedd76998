"""Image series of one exam -> rows of `images`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Role, Unit
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.scan import Scan, SeriesEntry
from tumorboard.io.dicom.series import Series, arrange_series, load_headers
from tumorboard.io.dicom.values import padding_range
from tumorboard.io.files import sha256_of

__all__ = ["ImageOptions", "exam_images", "patient_facts", "series_digest"]

_UNITS = {"CT": Unit.HU, "PT": Unit.SUVBW, "MR": Unit.UNKNOWN}


@dataclass(frozen=True)
class ImageOptions:
    """How the images of an import are read; recorded in every row that it concerns."""

    several: str
    padding_hu: float | None
    allow_shear: bool
    allow_incomplete: bool
    suv: Mapping[str, Any]


def exam_images(
    entries: Sequence[SeriesEntry], exam_id: str, scan: Scan, options: ImageOptions, study: Sequence[SeriesEntry]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of the CT, PT and MR series of one exam, CT first, and notes about choices."""
    rows, notes = [], []
    referred = _referred_series(study)
    for modality, unit in _UNITS.items():
        mine = [entry for entry in entries if entry.modality == modality]
        scouts = [entry for entry in mine if "LOCALIZER" in entry.image_type.upper()]
        if scouts and len(scouts) < len(mine):
            notes.append(f"{exam_id}: {len(scouts)} localizer series of {modality} left out")
            mine = [entry for entry in mine if entry not in scouts]
        mine.sort(key=lambda entry: (entry.series_uid not in referred, -len(entry.files), entry.series_uid))
        if len(mine) > 1:
            notes.append(_choice_note(mine, exam_id, modality, options.several))
            mine = mine[:1] if options.several == "largest" else mine
        for count, entry in enumerate(mine, 1):
            image_id = f"{exam_id}.{modality}" + (f"-{count}" if count > 1 else "")
            row, told = _row(entry, image_id, exam_id, unit, scan, options)
            rows.append(row)
            notes += told
    return rows, notes


def _choice_note(entries: Sequence[SeriesEntry], exam_id: str, modality: str, several: str) -> str:
    sizes = ", ".join(f"{len(entry.files)} files" for entry in entries)
    kept = "the first is kept" if several == "largest" else "all are kept"
    return f"{exam_id}: {len(entries)} {modality} series ({sizes}; those that masks refer to come first), {kept}"


def _referred_series(study: Sequence[SeriesEntry]) -> set[str]:
    """Series that the structure sets and segmentations of a study refer to."""
    from tumorboard.io.dicom.header import walk_items

    chain = ("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence")
    found: set[str] = set()
    for entry in study:
        if entry.modality not in ("RTSTRUCT", "SEG"):
            continue
        for path in entry.files:
            try:
                header = read_header(path, tags=[chain[0], "ReferencedSeriesSequence"])
                items = [*walk_items(header, *chain), *header.items("ReferencedSeriesSequence")]
                found |= {item.text("SeriesInstanceUID") for item in items}
            except TumorboardError:
                continue  # told when its masks are read
    return found


def _row(
    entry: SeriesEntry, image_id: str, exam_id: str, unit: Unit, scan: Scan, options: ImageOptions
) -> tuple[dict[str, Any], list[str]]:
    """The row of one series. What cannot be read keeps its place, with the code in `problem`; a PET whose SUV cannot
    be had is kept in Bq/ml where its header says so."""
    folder, files = _place(entry, scan)
    read: dict[str, Any] = {"series_uid": entry.series_uid}
    if files is not None:
        read["files"] = files
    if options.allow_shear:
        read["allow_shear"] = True
    if options.allow_incomplete:
        read["allow_incomplete"] = True
    row: dict[str, Any] = {
        "image_id": image_id,
        "exam_id": exam_id,
        "modality": entry.modality,
        "role": str(Role.IMAGE),
        "unit": str(unit),
        "format": "dicom-series",
        "path": str(folder),
        "sha256": series_digest(entry.files),
        "reference_image_id": None,
        "run_id": None,
    }
    facts: dict[str, Any] = {}
    notes = []
    try:
        headers = load_headers(entry.files, series_uid=entry.series_uid)
        series, unit, error = _arranged(headers, unit, options)
        row["unit"] = str(unit)
        row["shape"] = list(series.geometry.shape)
        row["affine"] = series.geometry.affine.ravel().tolist()
        if unit is Unit.SUVBW and options.suv:
            read["suv"] = dict(options.suv)
        if unit is Unit.HU and options.padding_hu is not None and padding_range(series.first):
            read["padding_as"] = options.padding_hu
        facts = {**_facts(series), **series.facts}
        if error is not None:
            row["problem"] = error.code.id
            notes.append(str(error))
    except TumorboardError as error:
        row["problem"] = error.code.id
        notes.append(str(error))
    row["options"] = json.dumps({"read": read, "dicom": facts}, sort_keys=True)
    return row, notes


def _arranged(headers: Sequence[Any], unit: Unit, options: ImageOptions) -> tuple[Series, Unit, TumorboardError | None]:
    """The series in the unit wanted; a PET for which that fails in Bq/ml, or as `unknown`, with the reason."""
    keywords: dict[str, Any] = {"allow_shear": options.allow_shear, "allow_incomplete": options.allow_incomplete}
    try:
        return arrange_series(headers, unit=unit, suv=options.suv, **keywords), unit, None
    except TumorboardError as error:
        if not error.code.id.startswith("SUV") or error.code.id == "SUV111":
            raise
        for other in (Unit.BQML, Unit.UNKNOWN):
            try:
                return arrange_series(headers, unit=other, **keywords), other, error
            except TumorboardError:
                continue
        raise


def _place(entry: SeriesEntry, scan: Scan) -> tuple[Path, list[str] | None]:
    """The folder of a series, and the names of its files where the folder holds other DICOM files as well."""
    folder = Path(os.path.commonpath([path.parent for path in entry.files]))
    own = set(entry.files)
    others = (path for other in scan.series if other is not entry for path in other.files)
    shared = any(path not in own and path.is_relative_to(folder) for path in others)
    return folder, sorted(path.relative_to(folder).as_posix() for path in own) if shared else None


def _facts(series: Series) -> dict[str, Any]:
    """What is worth keeping of a header: the machine and the reconstruction, nothing about the person."""
    wanted = {
        "manufacturer": "Manufacturer",
        "model": "ManufacturerModelName",
        "kernel": "ConvolutionKernel",
        "reconstruction": "ReconstructionMethod",
        "kvp": "KVP",
        "slice_thickness_mm": "SliceThickness",
        "image_type": "ImageType",
    }
    facts: dict[str, Any] = {name: series.first.text(keyword) for name, keyword in wanted.items()}
    frame = series.first.text("FrameOfReferenceUID")
    facts["frame_of_reference"] = hashlib.sha256(frame.encode()).hexdigest()[:16] if frame else ""
    return {name: value for name, value in facts.items() if value}


def series_digest(files: Sequence[Path]) -> str:
    """Checksum of a series: of the sorted checksums of its files, so that names do not matter."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        digests = sorted(pool.map(sha256_of, files))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def patient_facts(entries: Sequence[SeriesEntry]) -> dict[str, Any]:
    """Sex and age of the patient, from the first series that says them."""
    facts: dict[str, Any] = {"sex": None, "age_years": None}
    for entry in entries:
        header = read_header(entry.files[0], tags=["PatientSex", "PatientAge"])
        age = header.text("PatientAge").upper()
        per_year = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.25}.get(age[-1:], 0.0)
        years = int(age[:-1]) / per_year if per_year and age[:-1].isdecimal() else None
        facts["sex"] = facts["sex"] or {"F": "female", "M": "male"}.get(header.text("PatientSex").upper())
        facts["age_years"] = years if facts["age_years"] is None else facts["age_years"]
        if None not in facts.values():
            break
    return facts
