"""Folder of CT, PET and mask files -> Cohort."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import (
    Assembly,
    ImageFile,
    Map,
    Progress,
    choice,
    image_suffix,
    import_entry,
    parse_labels,
)
from tumorboard.datasets.identifiers import natural_key, read_ids, require_safe
from tumorboard.datasets.pairs.cuts import FILE_NAME as CUTS
from tumorboard.datasets.pairs.cuts import cut_problem, read_cuts
from tumorboard.datasets.pairs.names import Named, Patterns, role_of
from tumorboard.io.images import load_image

__all__ = ["read"]

_ORDER = ("CT", "PT", "mask", "dose", "CTplan")


def read(
    source: Path,
    *,
    name: str | None = None,
    pet_unit: str = "SUVbw",
    labels: str = "",
    ct: str = "",
    pet: str = "",
    mask: str = "",
    dose: str = "",
    ignore: str = "",
    progress: Progress | None = None,
    map: Map | None = None,
) -> Cohort:
    """Read a folder of images by patient.

    `<ID>/` holds the files of a patient, or one sub-folder per exam (in the order of their names); a folder
    that holds image files itself is read as flat: `<ID>_CT.nii.gz`. Roles are read from the names as
    `datasets.pairs.names` lists them.

    Parameters
    ----------
    source : the folder.
    name : of the cohort; default: the folder's name.
    pet_unit : what the PET files hold (SUVbw, Bq/ml, counts, unknown). Nothing in a NIfTI file says it; this
        statement is recorded in the provenance, and the checks compare it with the values.
    labels : mask values, e.g. ``1=GTVp,2=GTVn``; default ``1=`` and the structure that the file's name says
        (gtvp, gtvn), else GTV.
    ct, pet, mask, dose : file name patterns that state a role above the words of the name.
    ignore : patterns of files to leave out.

    Errors: LAY101 nothing found, LAY102 a role that is unclear or double, LAY106 an unusable id, LAY103, LAY104,
    LAY108 from `cuts.csv`.
    """
    source = Path(source)
    unit = Unit(choice("pet_unit", pet_unit, [Unit.SUVBW, Unit.BQML, Unit.CNTS, Unit.UNKNOWN]))
    stated = parse_labels(labels) if labels else None
    patterns = Patterns({"CT": ct, "PT": pet, "mask": mask, "dose": dose}, ignore)
    assembly = Assembly()
    original = read_ids(source)
    for written, exams in _exams_by_patient(source, patterns, assembly.notes).items():
        patient_id = original.get(written, written)
        for order, files in enumerate(exams):
            _add_exam(assembly, patient_id, order, files, unit, stated)
    rows = assembly.image_rows(progress, map)
    _apply_cuts(source, rows, assembly, original)
    options = {"pet_unit": str(unit), "labels": labels, "ct": ct, "pet": pet, "mask": mask, "dose": dose}
    entry = import_entry("pairs", source.resolve(), notes=assembly.notes, **options, ignore=ignore)
    return Cohort.build(
        name or source.resolve().name,
        provenance=[entry],
        loader=load_image,
        patients=assembly.patients.values(),
        exams=assembly.exams,
        images=rows,
    )


def _exams_by_patient(source: Path, patterns: Patterns, notes: list[str]) -> dict[str, list[dict[Path, Named]]]:
    """Written patient name -> exams in order -> file -> what its name says."""
    if not source.is_dir():
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no such folder", expected="a folder of patients")
    flat = _images_in(source, patterns)
    folders = [path for path in _sorted(source) if path.is_dir() and not path.name.startswith(".")]
    patients: dict[str, list[dict[Path, Named]]] = {}
    if flat:
        _require_flat(source, folders, patterns)
        for path, suffix in flat.items():
            named = role_of(path, suffix, patterns, folder=None)
            exams = patients.setdefault(require_safe(named.patient, str(path)), [{}])
            exams[0][path] = named
    for folder in [] if flat else folders:
        patient = require_safe(folder.name, str(folder))
        exams = [named for place in _exam_folders(folder, patterns) if (named := _named(place, patient, patterns))]
        if exams:
            patients[patient] = exams
        else:
            notes.append(f"{folder.name}: no image files")
    if not patients:
        raise TumorboardError(
            codes.LAYOUT_NOT_FOUND, source, found="no image files", expected="<ID>/CT_image.nii.gz, or <ID>_CT.nii.gz"
        )
    return dict(sorted(patients.items(), key=lambda item: natural_key(item[0])))


def _require_flat(source: Path, folders: list[Path], patterns: Patterns) -> None:
    nested = [folder.name for folder in folders if _images_in(folder, patterns)]
    if nested:
        raise TumorboardError(
            codes.FILE_ROLE,
            source,
            found=f"image files and also folders with image files ({nested[:3]})",
            expected="files of all patients in one folder, or a folder for each patient",
        )


def _exam_folders(folder: Path, patterns: Patterns) -> list[Path]:
    """The patient's folder if it holds images itself, else its sub-folders in the order of their names."""
    below = [path for path in _sorted(folder) if path.is_dir() and _images_in(path, patterns)]
    if not _images_in(folder, patterns):
        return below
    if below:
        raise TumorboardError(
            codes.FILE_ROLE,
            folder,
            found=f"image files and also folders with image files ({[path.name for path in below[:3]]})",
            expected="one exam's files in the folder, or a sub-folder for each exam",
        )
    return [folder]


def _named(folder: Path, patient: str, patterns: Patterns) -> dict[Path, Named]:
    return {
        path: role_of(path, suffix, patterns, folder=patient) for path, suffix in _images_in(folder, patterns).items()
    }


def _images_in(folder: Path, patterns: Patterns) -> dict[Path, str]:
    found = {path: image_suffix(path) for path in _sorted(folder) if path.is_file() and not patterns.ignored(path)}
    return {path: suffix for path, suffix in found.items() if suffix}


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: natural_key(path.name))


def _add_exam(
    assembly: Assembly,
    patient_id: str,
    order: int,
    files: Mapping[Path, Named],
    unit: Unit,
    stated: Mapping[int, str] | None,
) -> None:
    kinds = [named.kind for named in files.values()]
    for kind in (kind for kind in _ORDER if kind != "mask"):
        if kinds.count(kind) > 1:
            doubled = [path.name for path, named in files.items() if named.kind == kind]
            raise TumorboardError(
                codes.FILE_ROLE, f"patient {patient_id}", found=f"{doubled}, all {kind}", expected="one of them"
            )
    present = [word for word, kind in (("PET", "PT"), ("CT", "CT")) if kind in kinds]
    exam_id = assembly.add_exam(patient_id, order=order, kind="/".join(present) or None)
    for path, named in sorted(
        files.items(), key=lambda item: ["CT", "PT", "mask", "dose", "CTplan"].index(item[1].kind)
    ):
        assembly.files.append(
            ImageFile(
                path,
                named.kind,
                exam_id,
                unit=unit if named.kind == "PT" else None,
                labels=(stated or {1: named.structure or "GTV"}) if named.kind == "mask" else None,
                prefer=named.prefer,
            )
        )


def _apply_cuts(source: Path, rows: list[dict[str, Any]], assembly: Assembly, original: Mapping[str, str]) -> None:
    """Put each cut into the row of its CT; note a cut that takes a part of the mask away (LAY108 in `problem`)."""
    path = source / CUTS
    if not path.is_file():
        return
    by_exam = {exam["patient_id"]: exam["exam_id"] for exam in reversed(assembly.exams)}
    for written, cut in read_cuts(path).items():
        patient = original.get(written, written)
        images = [row for row in rows if row["exam_id"] == by_exam.get(patient)]
        ct = next((row for row in images if row["image_id"].endswith(".CT")), None)
        if ct is None:
            assembly.notes.append(f"{CUTS}: a cut for {require_safe(written, CUTS)}, of whom no CT is here")
            continue
        masks = [row for row in images if row["reference_image_id"] == ct["image_id"]]
        ct["options"] = json.dumps({"evaluation_cut": cut})
        problem = cut_problem(cut, patient=patient, ct=ct, masks=masks)
        if problem:
            ct["problem"] = codes.EVALUATION_CUT.id
            assembly.notes.append(problem)
