"""nnU-Net raw folder -> Cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import KINDS, Assembly, ImageFile, Map, Progress, choice, import_entry
from tumorboard.datasets.identifiers import natural_key, require_safe
from tumorboard.datasets.nnunet.spec import DatasetSpec
from tumorboard.datasets.tablefile import read_sheet
from tumorboard.io.images import load_image

__all__ = ["CASE_TABLE", "read", "read_cases"]

CASE_TABLE = "case_ids.csv"
"""Columns `case`, `patient_id`, `order`: written when a case's name is not the patient's id."""

_CHANNELS = {"ct": "CT", "pt": "PT", "pet": "PT", "suv": "PT", "mr": "MR", "mri": "MR", "t1": "MR", "t2": "MR"}
_FOLDERS = (("imagesTr", "labelsTr", None), ("imagesTs", "labelsTs", "testing"))


def read(
    source: Path,
    *,
    name: str | None = None,
    channels: str = "",
    pet_unit: str = "",
    progress: Progress | None = None,
    map: Map | None = None,
) -> Cohort:
    """Read a raw nnU-Net data set.

    Parameters
    ----------
    source : the folder with `dataset.json`.
    channels : modalities in channel order, e.g. ``CT,PT``, where the channel names do not say them.
    pet_unit : unit of PET channels; default: what a `dataset.json` of ours says, else SUVbw (recorded).

    Errors: LAY101 no such folder or no cases, LAY102 a channel or file without a meaning, LAY103 `dataset.json`,
    LAY110 labels.
    """
    source = Path(source).resolve()
    spec = DatasetSpec.read(source)
    kinds = _kinds(spec, channels)
    units = _units(spec, kinds, pet_unit)
    assembly = Assembly()
    original = read_cases(source)
    splits: dict[str, str] = {}
    for images, labels, split in _FOLDERS:
        for case, files in _cases(source / images, spec).items():
            patient_id, order = original.get(case, (case, 0))
            if split:
                splits[patient_id] = split
            exam_id = assembly.add_exam(patient_id, order=order, kind="/".join(sorted(set(kinds), reverse=True)))
            _require_all(files, spec, source / images / case)
            for channel, path in sorted(files.items()):
                assembly.files.append(ImageFile(path, kinds[channel], exam_id, unit=units[channel]))
            mask = source / labels / f"{case}{spec.file_ending}"
            if mask.is_file():
                assembly.files.append(ImageFile(mask, "mask", exam_id, labels=spec.labels, prefer=kinds[0]))
    _check_counts(assembly, spec, source, splits)
    stated = [str(unit) for kind, unit in zip(kinds, units, strict=True) if kind == "PT"]
    entry = import_entry(
        "nnunet", source, notes=assembly.notes, channels=",".join(kinds), pet_unit=stated[0] if stated else "",
        regions={name: list(values) for name, values in spec.regions.items()},
    )  # fmt: skip
    patients = [{**row, "split": splits.get(patient)} for patient, row in assembly.patients.items()]
    return Cohort.build(
        name or source.name,
        provenance=[entry],
        loader=load_image,
        patients=sorted(patients, key=lambda row: natural_key(row["patient_id"])),
        exams=assembly.exams,
        images=assembly.image_rows(progress, map),
    )


def _kinds(spec: DatasetSpec, stated: str) -> list[str]:
    words = [word.strip() for word in stated.split(",")] if stated else list(spec.channels)
    kinds = [_CHANNELS.get(word.casefold(), "") for word in words]
    if len(kinds) != len(spec.channels) or not all(kinds):
        raise TumorboardError(
            codes.FILE_ROLE,
            "dataset.json",
            found=f"channels {list(spec.channels)}" + (f" stated as {words}" if stated else ""),
            expected="CT, PT or MR for each",
            fix="state the modalities in channel order, e.g. --set channels=CT,PT",
        )
    return kinds


def _units(spec: DatasetSpec, kinds: list[str], pet_unit: str) -> list[Unit]:
    chosen = choice("pet_unit", pet_unit, [Unit.SUVBW, Unit.BQML, Unit.CNTS, Unit.UNKNOWN]) if pet_unit else ""
    units = []
    for channel, kind in enumerate(kinds):
        own = spec.units[channel] if channel < len(spec.units) else ""
        if kind == "PT":
            own = chosen or own or Unit.SUVBW
        units.append(Unit(choice("tumorboard.units", own, list(Unit))) if own else KINDS[kind][2] or Unit.UNKNOWN)
    return units


def _cases(folder: Path, spec: DatasetSpec) -> dict[str, dict[int, Path]]:
    """Case -> channel -> file. LAY102 for a name that does not end in a channel number."""
    found: dict[str, dict[int, Path]] = {}
    ending = spec.file_ending.lower()
    paths = folder.iterdir() if folder.is_dir() else []
    for path in sorted(paths, key=lambda p: natural_key(p.name)):
        if path.name.startswith(".") or not path.name.lower().endswith(ending):
            continue
        case, _, number = path.name[: -len(ending)].rpartition("_")
        if not (case and number.isdecimal() and len(number) == 4):
            raise TumorboardError(codes.FILE_ROLE, path, found=path.name, expected=f"<case>_0000{spec.file_ending}")
        found.setdefault(require_safe(case, str(path)), {})[int(number)] = path
    return found


def _require_all(files: dict[int, Path], spec: DatasetSpec, where: Path) -> None:
    if sorted(files) != list(range(len(spec.channels))):
        raise TumorboardError(
            codes.FILE_ROLE, where, found=f"channels {sorted(files)}", expected=f"0 to {len(spec.channels) - 1}"
        )


def read_cases(source: Path) -> dict[str, tuple[str, int]]:
    """Case -> patient and order of the exam, from the table that our export writes; nothing where there is none."""
    path = source / CASE_TABLE
    if not path.is_file():
        return {}
    sheet = read_sheet(path)
    sheet.require("case", "patient_id", "order")
    found: dict[str, tuple[str, int]] = {}
    for index, row in enumerate(sheet.rows):
        patient, order = str(row["patient id"] or "").strip(), str(row["order"] or "")
        if not patient or not order.isdecimal() or str(row["case"]) in found or (patient, int(order)) in found.values():
            raise TumorboardError(
                codes.PATIENT_ID,
                sheet.where(index),
                found=f"{row['case']!r}, {patient!r}, {order!r}",
                expected="each once",
            )
        found[str(row["case"])] = (patient, int(order))
    return found


def _check_counts(assembly: Assembly, spec: DatasetSpec, source: Path, splits: dict[str, str]) -> None:
    if not assembly.exams:
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no cases", expected="imagesTr/<case>_0000...")
    training = sum(1 for exam in assembly.exams if exam["patient_id"] not in splits)
    if spec.count is not None and spec.count != training:
        assembly.notes.append(f"dataset.json says {spec.count} training cases, there are {training}")
    masked = {file.exam_id for file in assembly.files if file.kind == "mask"}
    bare: list[Any] = [
        e["exam_id"] for e in assembly.exams if e["patient_id"] not in splits and e["exam_id"] not in masked
    ]
    if bare:
        assembly.notes.append(f"training cases without a label file: {', '.join(bare[:10])}")
