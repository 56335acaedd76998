"""HECKTOR, every published layout -> one Cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import (
    Assembly,
    ImageFile,
    Map,
    Progress,
    choice,
    files_below,
    image_suffix,
    import_entry,
)
from tumorboard.datasets.clinical_codes import dictionary
from tumorboard.datasets.hecktor.case import add_cases, find_cases
from tumorboard.datasets.hecktor.clinical import Records, find_tables
from tumorboard.datasets.hecktor.factors import read_factors
from tumorboard.datasets.hecktor.fields import GENDER, TREATMENT
from tumorboard.datasets.hecktor.names import FileName, Ids, parse_file
from tumorboard.datasets.identifiers import natural_key
from tumorboard.io.files import sha256_of
from tumorboard.io.images import FORMATS, load_image

__all__ = ["LABELS", "read"]

LABELS = {1: "GTVp", 2: "GTVn"}
_ORDER = ("CT", "PT", "mask", "dose", "CTplan")
_ADMINISTRATIVE = (
    Variable("tasks", Kind.TEXT, note="tasks of the challenge the patient takes part in; not a covariate"),
    Variable("split", Kind.TEXT, note="`testing` where the folder says so; not a covariate"),
    Variable("published", Kind.TEXT, note="JSON of the published codes by heading; not a covariate"),
)


def read(
    source: Path,
    *,
    name: str | None = None,
    gender_codes: str = GENDER,
    treatment_codes: str = TREATMENT,
    pet_unit: str = "SUVbw",
    suv_factors: Path | None = None,
    conflicts: str = "refuse",
    patient_id: str = "",
    progress: Progress | None = None,
    map: Map | None = None,
) -> Cohort:
    """Read any published layout of HECKTOR.

    Files are recognised by name (`<ID>__CT`, `__PT`, `__CTPlanning`, `__RTDOSE`, the mask `<ID>`) in any folder below
    `source`, tables by their column PatientID; so 2022 (`imagesTr`, `labelsTr`), 2025 (task folders, with blanks or
    underscores; `Defaced ALL` with its workbook) and 2026 are one walk, and a patient in several task folders is one
    patient. Folders with `images/ct` and `ehr.json` are read as Grand Challenge cases.

    Parameters
    ----------
    source : folder of the release, a task folder, a case, or a folder of cases.
    name : of the cohort; default: the folder's name.
    gender_codes, treatment_codes : what the codes mean; the official dictionary unless stated.
    pet_unit : unit of the PET files; the README of the release says SUV.
    suv_factors : table of the patients whose PET is in Bq/ml, with their factors (the organisers' conversion table);
        their images are multiplied when read. Nothing is converted without it.
    conflicts : ``refuse`` (LAY105) or ``first``: copies of a patient that disagree.
    patient_id : of a single Grand Challenge case, which carries none; default: the name of its CT file.

    Errors: LAY101 nothing found, LAY102 file names, LAY103 and LAY104 tables and codes, LAY105, LAY106, LAY113.
    """
    source = Path(source).resolve()
    if not source.is_dir():
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no such folder", expected="a HECKTOR release")
    unit = Unit(choice("pet_unit", pet_unit, [Unit.SUVBW, Unit.BQML, Unit.UNKNOWN]))
    first_wins = choice("conflicts", conflicts, ["refuse", "first"]) == "first"
    records = Records(gender_codes, treatment_codes, first_wins, Ids.of(source))
    assembly = Assembly()
    cases = find_cases(source)
    if cases:
        tasks, splits = add_cases(cases, assembly, records, unit, patient_id=patient_id)
    else:
        tasks, splits = _add_release(source, assembly, records, unit)
    records.finish()
    if suv_factors is not None:
        _state_factors(assembly, read_factors(Path(suv_factors), records.ids))
    assembly.notes += records.notes
    ids = sorted({*assembly.patients, *records.values}, key=natural_key)
    for new in ids:  # tables may know patients of whom no image is here
        assembly.patients[new] = records.patient_row(new, tasks=tasks.get(new, set()), split=splits.get(new))
    options: dict[str, Any] = {"gender_codes": gender_codes, "treatment_codes": treatment_codes}
    options |= {"pet_unit": str(unit), "suv_factors": suv_factors, "conflicts": conflicts, "patient_id": patient_id}
    return Cohort.build(
        name or source.name,
        dictionary=[*dictionary(records.clinical), *_ADMINISTRATIVE],
        provenance=[import_entry("hecktor", source, notes=assembly.notes, **options)],
        loader=load_image,
        patients=[assembly.patients[each] for each in ids],
        exams=assembly.exams,
        images=assembly.image_rows(progress, map),
        outcomes=[row for each in ids for row in records.outcome_rows(each)],
    )


def _add_release(
    source: Path, assembly: Assembly, records: Records, unit: Unit
) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Files and tables below a release; returns the tasks and the split (testing) by patient, as the folders say."""
    by_patient: dict[str, dict[str, list[FileName]]] = {}
    tasks: dict[str, set[str]] = {}
    splits: dict[str, str] = {}
    for path in files_below(source):
        suffix = image_suffix(path)
        if suffix is None:
            continue
        file = parse_file(path, suffix, source, records.ids)
        by_patient.setdefault(file.patient_id, {}).setdefault(file.kind, []).append(file)
        tasks.setdefault(file.patient_id, set()).update({file.task} - {""})
        if file.split:
            splits.setdefault(file.patient_id, file.split)
    tables = find_tables(source, assembly.notes)
    if not by_patient and not tables:
        raise TumorboardError(
            codes.LAYOUT_NOT_FOUND, source, found="no <ID>__CT, <ID>__PT or table of patients", expected="a release"
        )
    for sheet in tables:
        records.add_sheet(sheet)
    for patient_id, kinds in sorted(by_patient.items(), key=lambda item: natural_key(item[0])):
        chosen = {kind: _one_copy(patient_id, kind, kinds[kind], records) for kind in _ORDER if kind in kinds}
        _add_exam(assembly, patient_id, chosen, unit)
        if tables and patient_id not in records.values:
            assembly.notes.append(f"{patient_id}: in no table")
    return tasks, splits


def _one_copy(patient_id: str, kind: str, copies: Sequence[FileName], records: Records) -> Path:
    """The one image that all copies are; copies with other voxels are a conflict."""
    first = copies[0].path
    for other in copies[1:]:
        if not _same_image(first, other.path):
            names = f"{first.parent.name}/{first.name} and {other.path.parent.name}/{other.path.name}"
            records.conflicts.append(f"{patient_id}: {kind} images {names} ({other.path.parent})")
    return first


def _same_image(first: Path, second: Path) -> bool:
    if first.samefile(second):
        return True
    if first.stat().st_size == second.stat().st_size and sha256_of(first) == sha256_of(second):
        return True
    a, b = (load_image(_bare_row(path), None) for path in (first, second))  # packed another way, perhaps
    return a.same_grid(b) and np.array_equal(a.array, b.array)


def _bare_row(path: Path) -> dict[str, Any]:
    suffix = image_suffix(path) or ""
    return {"image_id": path.name, "format": FORMATS[suffix.lower()], "path": str(path), "unit": str(Unit.UNKNOWN)}


def _add_exam(assembly: Assembly, patient_id: str, chosen: Mapping[str, Path], unit: Unit) -> None:
    present = [word for word, kind in (("PET", "PT"), ("CT", "CT")) if kind in chosen]
    exam_id = assembly.add_exam(patient_id, kind="/".join(present) or None)
    for kind, path in chosen.items():
        assembly.files.append(
            ImageFile(
                path,
                kind,
                exam_id,
                unit=unit if kind == "PT" else None,
                labels=LABELS if kind == "mask" else None,
            )
        )


def _state_factors(assembly: Assembly, factors: Mapping[str, float]) -> None:
    """Files of patients with a factor are in Bq/ml and become SUV when read."""
    used = set()
    for index, file in enumerate(assembly.files):
        patient_id = file.exam_id.rpartition(".")[0]
        if file.kind == "PT" and patient_id in factors:
            convert = {"from_unit": str(Unit.BQML), "factor": factors[patient_id]}
            assembly.files[index] = replace(file, unit=Unit.SUVBW, options={**(file.options or {}), "convert": convert})
            used.add(patient_id)
    unused = sorted(set(factors) - used)
    assembly.notes.append(f"PET of {len(used)} patients converted from Bq/ml to SUVbw by the stated factors")
    if unused:
        assembly.notes.append(f"factors of patients without a PET here: {', '.join(unused[:10])}")
