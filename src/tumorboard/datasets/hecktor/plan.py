"""What of a cohort goes into an edition of HECKTOR, and what it cannot say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.datasets import codes
from tumorboard.datasets.clinical_codes import code_of, parse_levels
from tumorboard.datasets.export import PatientRows, rows_by_patient
from tumorboard.datasets.hecktor.clinical import CLASS_ENDPOINTS
from tumorboard.datasets.hecktor.editions import TASK_KINDS, Edition
from tumorboard.datasets.hecktor.fields import GENDER, TREATMENT, clinical_fields
from tumorboard.datasets.hecktor.names import canonical_id, centre_of
from tumorboard.datasets.identifiers import file_names

__all__ = ["Plan", "Written", "make_plan", "needs_centres", "written_names"]

_ADMINISTRATIVE = {"patient_id", "centre", "tasks", "split", "published"}
_FIELDS = {f.name: f for f in clinical_fields(parse_levels(GENDER, option=""), parse_levels(TREATMENT, option=""))}
# No "__" and no "_" at the end, since "__" separates id and role; one spelling only of ids such as MDA-001.
_NAME = r"(?!.*__)(?![A-Za-z]+_\d+$)(?![A-Z]*[a-z][A-Za-z]*-\d+$)[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"


@dataclass
class Written:
    """One patient as the edition says it."""

    name: str
    images: dict[str, dict[str, Any]]
    """Kind of image -> row of `images`."""
    clinical: dict[str, str | None]
    """Patients column -> published code."""
    relapse: str | None
    rfs: str | None
    tasks: set[str]
    testing: bool


@dataclass
class Plan:
    """All patients, and in words what has no place in the edition."""

    edition: Edition
    patients: dict[str, Written] = field(default_factory=dict)
    unsaid: list[str] = field(default_factory=list)


def written_names(cohort: Cohort) -> dict[str, str]:
    """Patient id -> id as HECKTOR's file names can say it."""
    names = file_names(cohort.patient_ids, allowed=_NAME)
    return {patient_id: canonical_id(name, patient_id) for patient_id, name in names.items()}


def make_plan(cohort: Cohort, edition: Edition, *, lossy: bool) -> Plan:
    """Decide for every patient; LAY111 with all that the edition cannot say, unless `lossy`."""
    plan = Plan(edition)
    names = written_names(cohort)
    units = {row["unit"] for row in cohort.rows("images", modality=str(Modality.PT), role=str(Role.IMAGE))}
    if len(units) > 1:
        plan.unsaid.append(f"PET images in {sorted(units)}")
    for patient in rows_by_patient(cohort):
        plan.patients[patient.patient_id] = _written(patient, names[patient.patient_id], plan)
    if plan.unsaid and not lossy:
        raise TumorboardError(
            codes.NOT_WRITABLE,
            cohort.name,
            found="; ".join(plan.unsaid[:5]) + (f" and {len(plan.unsaid) - 5} more" if len(plan.unsaid) > 5 else ""),
            expected=f"what edition {edition.name} has a place for",
            fix="choose another edition, or leave it out on purpose with --set lossy=true",
        )
    return plan


def _written(patient: PatientRows, name: str, plan: Plan) -> Written:
    record = patient.record
    outcomes = {row["endpoint"]: row for row in patient.outcomes}
    clinical = _clinical(record, outcomes, plan)
    relapse, rfs = _survival_cells(outcomes.get("RFS"))
    images = _images(patient, plan)
    testing = record.get("split") == "testing"
    if (relapse or rfs) and not (plan.edition.survival and not (testing and plan.edition.name == "2022")):
        plan.unsaid.append(f"{patient.patient_id}: RFS")
    if testing and "mask" in images:
        plan.unsaid.append(f"{patient.patient_id}: mask of a testing patient")
        del images["mask"]
    stated = set((record.get("tasks") or "").split())
    tasks = stated or _tasks(images, rfs=rfs, hpv=clinical.get("hpv"))
    if plan.edition.name == "2025":
        homeless = sorted(kind for kind in images if not any(kind in TASK_KINDS[task] for task in tasks))
        plan.unsaid += [f"{patient.patient_id}: {kind} (tasks {', '.join(sorted(tasks))})" for kind in homeless]
    return Written(name, images, clinical, relapse, rfs, tasks, testing)


def _tasks(images: Mapping[str, Any], *, rfs: str | None, hpv: str | None) -> set[str]:
    """The tasks that a patient has the data for, when the cohort does not say."""
    second = rfs is not None or not images.keys() <= {"CT", "PT", "mask"}
    found = {"1"} if "mask" in images else set()
    return found | ({"2"} if second else set()) | ({"3"} if hpv is not None else set()) or {"1"}


def _clinical(record: Mapping[str, Any], outcomes: Mapping[str, Any], plan: Plan) -> dict[str, str | None]:
    values = {name: value for name, value in record.items() if name not in _ADMINISTRATIVE and value is not None}
    for column, endpoint in CLASS_ENDPOINTS.items():
        known = outcomes.get(endpoint, {}).get("class_value")
        if known is not None and values.setdefault(column, known) != known:
            plan.unsaid.append(f"{record['patient_id']}: {column} {values[column]} beside an outcome {known}")
    other = sorted(set(outcomes) - {"RFS", *CLASS_ENDPOINTS.values()})
    left_out = [name for name in values if name not in plan.edition.columns]
    plan.unsaid += [f"{record['patient_id']}: {', '.join([*left_out, *other])}"] if left_out or other else []
    coded = {name: code_of(_FIELDS[name], values.get(name)) for name in plan.edition.columns}
    if plan.edition.name == "2022" and coded["sex"]:
        coded["sex"] = {"female": "F", "male": "M"}[values["sex"]]
    return coded


def _survival_cells(row: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """Relapse and RFS as cells; of an outcome without a usable time the published ones."""
    if row is None:
        return None, None
    if row["survival"]:
        return str(int(row["survival"]["event"])), repr(row["survival"]["time_days"])
    raw = json.loads(row["raw"] or "{}")
    return raw.get("relapse"), raw.get("rfs")


def _images(patient: PatientRows, plan: Plan) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    exams = {exam["exam_id"] for exam in patient.exams[:1]}
    for row in patient.images:
        kind = _kind(row)
        strange = row["role"] == Role.MASK and not set((row["labels"] or {}).items()) <= {(1, "GTVp"), (2, "GTVn")}
        if kind not in plan.edition.kinds or kind in found or row["exam_id"] not in exams or strange:
            plan.unsaid.append(f"{row['image_id']}{' labels ' + str(row['labels']) if strange else ''}")
            continue
        found[kind] = row
    return found


def _kind(row: Mapping[str, Any]) -> str:
    if row["role"] == Role.MASK:
        return "mask"
    if row["modality"] == Modality.CT and row["image_id"].endswith(".CTplan"):
        return "CTplan"
    return {Modality.CT: "CT", Modality.PT: "PT", Modality.RTDOSE: "dose"}.get(row["modality"], row["modality"])


def needs_centres(cohort: Cohort, names: Mapping[str, str]) -> dict[str, str | None] | None:
    """The centres by patient, if the written ids do not say all of them."""
    centres = dict(zip(cohort.patient_ids, cohort.patients["centre"].to_pylist(), strict=True))
    said = all(centre_of(names[patient_id]) == centre for patient_id, centre in centres.items())
    return None if said else centres
