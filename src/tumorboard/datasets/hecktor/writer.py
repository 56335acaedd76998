"""Cohort -> HECKTOR, in any of its published layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.datasets.assembly import choice
from tumorboard.datasets.export import export_nifti, new_folder
from tumorboard.datasets.hecktor.case import write_case
from tumorboard.datasets.hecktor.editions import EDITIONS, TASK_KINDS
from tumorboard.datasets.hecktor.plan import Plan, Written, make_plan, needs_centres, written_names
from tumorboard.datasets.identifiers import write_ids
from tumorboard.datasets.tablefile import write_csv, write_xlsx

__all__ = ["write"]

_SHIPPED = {"CT": "__CT", "PT": "__PT", "mask": "", "CTplan": "__CTPlanning", "dose": "__RTDOSE"}
_ANNOUNCED = {**_SHIPPED, "CTplan": "__dosimetry_CT", "dose": "__radiotherapy_dosemaps"}


def write(cohort: Cohort, out: Path, *, edition: str = "2025-all", lossy: bool = False) -> None:
    """Write a cohort as HECKTOR published it: the synthetic twin of that edition.

    Parameters
    ----------
    edition : ``2022``, ``2025-announced``, ``2025`` (task folders), ``2025-all`` (one folder and a workbook), ``2026``
        or ``case`` (Grand Challenge inputs, one folder per patient).
    lossy : leave out what the edition has no place for, such as an endpoint OS or a second exam.

    Ids that the file names cannot say, and centres that the ids do not say, go to `patient_ids.csv`.
    Errors: LAY111 what has no place (unless lossy), LAY112 `out` is not empty, LAY113 another edition.
    """
    edition = choice("edition", edition, list(EDITIONS))
    plan = make_plan(cohort, EDITIONS[edition], lossy=lossy)
    names = written_names(cohort)
    with new_folder(out, cohort) as folder:
        _WRITERS[edition](cohort, plan, folder)
        centres = needs_centres(cohort, names)
        write_ids(folder, names, centres=centres)


def _write_2022(cohort: Cohort, plan: Plan, folder: Path) -> None:
    columns = list(plan.edition.columns.items())
    for word, short, testing in (("training", "Tr", False), ("testing", "Ts", True)):
        patients = [w for w in plan.patients.values() if w.testing is testing]
        if testing and not patients:
            continue
        base = folder / f"hecktor2022_{word}"
        base.mkdir()
        for one in patients:
            for kind in one.images:
                place = base / (f"labels{short}" if kind == "mask" else f"images{short}")
                _put(cohort, one, kind, place / f"{one.name}{_SHIPPED[kind]}.nii.gz")
        flags = [] if testing else ["Task 1", "Task 2"]
        write_csv(
            base / f"hecktor2022_clinical_info_{word}.csv",
            ["PatientID", *flags, *(heading for _, heading in columns)],
            [[w.name, *(int(f[-1] in w.tasks) for f in flags), *(w.clinical[c] for c, _ in columns)] for w in patients],
        )
        known = [w for w in patients if w.rfs is not None or w.relapse is not None]
        if not testing:
            write_csv(
                base / "hecktor2022_endpoint_training.csv",
                ["PatientID", "Relapse", "RFS"],
                [[w.name, w.relapse, w.rfs] for w in known],
            )


def _write_announced(cohort: Cohort, plan: Plan, folder: Path) -> None:
    base = folder / "hecktor2025_training"
    base.mkdir()
    places = {"mask": "labelsTr", "dose": "doseTr"}
    for one in plan.patients.values():
        for kind in one.images:
            place = base / places.get(kind, "imagesTr")
            _put(cohort, one, kind, place / f"{one.name}{_ANNOUNCED[kind]}.nii.gz")
    _write_table(plan, base / "hecktor2025_clinical_info_training.csv", plan.patients.values())


def _write_tasks(cohort: Cohort, plan: Plan, folder: Path) -> None:
    for task, allowed in TASK_KINDS.items():
        patients = [one for one in plan.patients.values() if task in one.tasks]
        base = folder / f"Task {task}"
        base.mkdir()
        for one in patients:
            for kind in one.images.keys() & allowed:
                _put(cohort, one, kind, base / one.name / f"{one.name}{_SHIPPED[kind]}.nii.gz")
        _write_table(plan, base / f"HECKTOR_2025_Training_Task_{task}.csv", patients)


def _write_all(cohort: Cohort, plan: Plan, folder: Path) -> None:
    _write_folders(cohort, plan, folder / "HECKTOR 2025 Training Data Defaced ALL")
    columns = list(plan.edition.columns.items())
    head = ["PatientID", "Task 1", "Task 2", "Task 3", *(heading for _, heading in columns), "Relapse", "RFS"]
    rows = [
        [
            one.name,
            *(int(task in one.tasks) for task in "123"),
            *(_number(one.clinical[column]) for column, _ in columns),
            _number(one.relapse),
            _number(one.rfs),
        ]
        for one in plan.patients.values()
    ]
    meanings = [["Column", "Code", "Meaning"], ["Gender", 0, "female"], ["Gender", 1, "male"]]
    meanings += [["Treatment", 0, "radiotherapy only"], ["Treatment", 1, "chemoradiation"]]
    path = folder / "HECKTOR_2025_Training_EHR_with_Data_Dictionary.xlsx"
    write_xlsx(path, {"Data": [head, *rows], "Data Dictionary": meanings})


def _write_2026(cohort: Cohort, plan: Plan, folder: Path) -> None:
    base = folder / "hecktor2026_training"
    _write_folders(cohort, plan, base)
    _write_table(plan, base / "HECKTOR_2026_Training.csv", plan.patients.values())


def _write_cases(cohort: Cohort, plan: Plan, folder: Path) -> None:
    for one in plan.patients.values():
        (folder / one.name).mkdir()
        write_case(cohort, one.images, folder / one.name, one.clinical)


def _write_folders(cohort: Cohort, plan: Plan, base: Path) -> None:
    base.mkdir(parents=True)
    for one in plan.patients.values():
        for kind in one.images:
            _put(cohort, one, kind, base / one.name / f"{one.name}{_SHIPPED[kind]}.nii.gz")


def _write_table(plan: Plan, path: Path, patients: Iterable[Written]) -> None:
    """The clinical CSV of 2025 and 2026: codes as floats, as published."""
    columns = list(plan.edition.columns.items())
    rows = [
        [one.name, *(_float_text(one.clinical[c]) for c, _ in columns), _float_text(one.relapse), _float_text(one.rfs)]
        for one in patients
    ]
    write_csv(path, ["PatientID", *(heading for _, heading in columns), "Relapse", "RFS"], rows)


def _put(cohort: Cohort, one: Written, kind: str, target: Path) -> None:
    export_nifti(cohort, one.images[kind], target)


def _number(code: str | None) -> Any:
    """A code as an XLSX cell: whole numbers as numbers."""
    if code is None:
        return None
    try:
        value = float(code)
    except ValueError:
        return code
    return int(value) if value.is_integer() else value


def _float_text(code: str | None) -> str | None:
    number = _number(code)
    return code if number is None or isinstance(number, str) else repr(float(number))


_WRITERS: dict[str, Callable[[Cohort, Plan, Path], None]] = {
    "2022": _write_2022,
    "2025-announced": _write_announced,
    "2025": _write_tasks,
    "2025-all": _write_all,
    "2026": _write_2026,
    "case": _write_cases,
}
