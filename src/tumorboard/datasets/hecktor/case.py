"""Grand Challenge cases: `images/ct/<uuid>.mha`, `images/pet/<uuid>.mha`, `ehr.json`, from 2026 on `inputs.json`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import Assembly, ImageFile, image_suffix
from tumorboard.datasets.hecktor.clinical import Records
from tumorboard.datasets.identifiers import natural_key
from tumorboard.datasets.tablefile import heading
from tumorboard.io.confine import confined
from tumorboard.io.files import atomic_write_text
from tumorboard.io.jsonfile import read_json

__all__ = ["EHR_KEYS", "SOCKETS", "add_cases", "find_cases", "write_case"]

SOCKETS = {
    "CT": ("ct-image", "images/ct"),
    "PT": ("pet-image", "images/pet"),
    "CTplan": ("ct-planning-image", "images/ct-planning"),
    "dose": ("rt-dose-map", "images/rt-dose"),
}
"""Kind of image -> socket slug, folder."""
_EHR_SLUG = "electronic-health-record"

EHR_KEYS = {
    "centre_code": "CenterID",
    "age_years": "Age",
    "sex": "Gender",
    "tobacco": "Tobacco Consumption",
    "alcohol": "Alcohol Consumption",
    "performance_status": "Performance Status",
    "treatment": "Treatment",
    "m_stage": "M-stage",
    "hpv": "HPV Status",
}
"""Clinical variable -> key of `ehr.json`."""
_NUMBERS = {"centre_code", "age_years", "sex", "tobacco", "alcohol", "performance_status", "treatment", "hpv"}


def find_cases(source: Path) -> list[Path]:
    """The case folders: `source` itself, or its sub-folders; empty when `source` is another layout."""
    if _is_case(source):
        return [source]
    below = [path for path in source.iterdir() if path.is_dir() and _is_case(path)]
    return sorted(below, key=lambda path: natural_key(path.name))


def _is_case(folder: Path) -> bool:
    images = any((folder / place).is_dir() for _, place in SOCKETS.values())
    return images or (folder / "ehr.json").is_file()


def add_cases(
    cases: Sequence[Path], assembly: Assembly, records: Records, unit: Unit, *, patient_id: str
) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Images and records of all cases; no case says a task or a split."""
    if patient_id and len(cases) > 1:
        raise TumorboardError(
            codes.OPTION, "option patient_id", found=f"one id for {len(cases)} cases", expected="a single case"
        )
    for case in cases:
        sockets = _sockets(case, assembly.notes)
        files = {kind: path for kind, place in sockets.items() if (path := _one_image(case / place))}
        named = patient_id or (case.name if len(cases) > 1 or records.ids.table else _file_id(case, files, assembly))
        patient = records.ids.patient(named, str(case))
        if patient in assembly.patients:
            raise TumorboardError(codes.COPIES_DISAGREE, case, found=f"a second case {patient}", expected="one case")
        present = [word for word, kind in (("PET", "PT"), ("CT", "CT")) if kind in files]
        exam_id = assembly.add_exam(patient, kind="/".join(present) or None)
        for kind, path in files.items():
            assembly.files.append(ImageFile(path, kind, exam_id, unit=unit if kind == "PT" else None))
        records.add(patient, _health_record(case, assembly.notes), f"{case.name}/ehr.json")
    return {}, {}


def _file_id(case: Path, files: Mapping[str, Path], assembly: Assembly) -> str:
    """The name of the CT (or else the PET) file, the only id that a lone case carries."""
    path = files.get("CT") or files.get("PT")
    if path is None:
        raise TumorboardError(
            codes.LAYOUT_NOT_FOUND, case, found="a case without CT and PET", expected="images/ct/<uuid>.mha"
        )
    name = path.name[: -len(image_suffix(path) or "")]
    assembly.notes.append(f"the case carries no patient id; its file name {name} is used")
    return name


def _one_image(folder: Path) -> Path | None:
    found = sorted(path for path in folder.iterdir() if image_suffix(path)) if folder.is_dir() else []
    if len(found) > 1:
        raise TumorboardError(codes.FILE_ROLE, folder, found=f"{[p.name for p in found[:4]]}", expected="one image")
    return found[0] if found else None


def _inputs(case: Path) -> list[Mapping[str, Any]]:
    path = case / "inputs.json"
    if not path.is_file():
        return []
    listed, _ = read_json(path)
    entries = listed if isinstance(listed, list) else [None]
    if not all(
        isinstance(entry, dict) and isinstance(entry.get("socket", entry.get("interface")), dict) for entry in entries
    ):
        raise TumorboardError(
            codes.TABLE_FORM, path, found=f"{type(listed).__name__}", expected="a list of objects with a socket each"
        )
    return entries


def _sockets(case: Path, notes: list[str]) -> dict[str, str]:
    """Kind of image -> folder below the case, as `inputs.json` says, else the usual one."""
    places = {kind: place for kind, (_, place) in SOCKETS.items()}
    kinds = {slug: kind for kind, (slug, _) in SOCKETS.items()}
    for entry in _inputs(case):
        socket = entry.get("socket", entry.get("interface"))
        slug, place = str(socket.get("slug")), socket.get("relative_path")
        if slug not in kinds:
            if slug != _EHR_SLUG:
                notes.append(f"{case.name}: socket {slug} is not known, not read")
            continue
        if place is None:
            continue
        places[kinds[slug]] = (
            confined(case, str(place), where=case / "inputs.json").relative_to(case.resolve()).as_posix()
        )
    return places


def _health_record(case: Path, notes: list[str]) -> dict[str, Any]:
    """The record by normalised key; empty when the case has none."""
    path = case / "ehr.json"
    inline = [e.get("value") for e in _inputs(case) if e.get("socket", e.get("interface")).get("slug") == _EHR_SLUG]
    record = next((value for value in inline if value is not None), {})
    if path.is_file():
        record, remarks = read_json(path)
        notes += [str(remark) for remark in remarks]
    keys = [heading(key) for key in record] if isinstance(record, dict) else []
    if not isinstance(record, dict) or len(set(keys)) != len(keys):
        raise TumorboardError(
            codes.TABLE_FORM, path, found=type(record).__name__, expected="an object with each key once"
        )
    return {heading(key): value for key, value in record.items()}


def write_case(
    cohort: Cohort, images: Mapping[str, Mapping[str, Any]], folder: Path, codes_by_column: Mapping[str, str | None]
) -> None:
    """One patient as a case. `images` are rows by kind, `codes_by_column` the published codes of the clinical
    variables; what is not known is null."""
    from tumorboard.io.itk import write_itk

    inputs = []
    for kind, row in images.items():
        slug, place = SOCKETS[kind]
        name = f"{uuid.uuid5(uuid.NAMESPACE_OID, row['image_id'])}.mha"
        (folder / place).mkdir(parents=True)
        write_itk(cohort.image(row["image_id"]), folder / place / name)
        inputs.append({"socket": {"slug": slug, "relative_path": place}, "image": {"name": name}})
    record = {key: _json_value(column, codes_by_column.get(column)) for column, key in EHR_KEYS.items()}
    inputs.append({"socket": {"slug": _EHR_SLUG, "relative_path": "ehr.json"}, "value": record})
    atomic_write_text(folder / "ehr.json", json.dumps(record, indent=1) + "\n")
    atomic_write_text(folder / "inputs.json", json.dumps(inputs, indent=1) + "\n")


def _json_value(column: str, code: str | None) -> int | float | str | None:
    if code is None or column not in _NUMBERS:
        return code
    try:
        value = float(code)
    except ValueError:
        return code
    return int(value) if value.is_integer() else value
