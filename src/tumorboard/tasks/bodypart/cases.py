"""Which CT volumes can be learnt from or scored, and what is known of their landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tumorboard.core.bodypart import LANDMARKS, POINT
from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Modality, Role, Unit

__all__ = ["FEWEST_SLICES", "MINIMUM_PATIENTS", "Case", "find_cases", "landmarks_of", "missing"]

MINIMUM_PATIENTS = 4
FEWEST_SLICES = 3
"""Along some axis; two slices have an order, three have a spacing."""


@dataclass(frozen=True)
class Case:
    """One CT volume: an exam with two series has two."""

    image_id: str
    exam_id: str
    patient_id: str
    centre: str | None
    sha256: str | None


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for the benchmark, in words; empty when it can run."""
    patients = {case.patient_id for case in find_cases(cohort)}
    if not patients:
        return ["CT volumes in HU"]
    if len(patients) < MINIMUM_PATIENTS:
        return [f"{MINIMUM_PATIENTS} patients with a CT volume in HU (there are {len(patients)})"]
    return []


def find_cases(cohort: Cohort) -> list[Case]:
    """Every acquired CT in HU that has a file and three slices or more, in table order."""
    patient_of = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    centre_of = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
    cases = []
    for row in cohort.rows("images", modality=str(Modality.CT), role=str(Role.IMAGE), unit=str(Unit.HU), run_id=None):
        if not row["path"] or min(row["shape"] or [0]) < FEWEST_SLICES:
            continue
        patient = patient_of[row["exam_id"]]
        cases.append(Case(row["image_id"], row["exam_id"], patient, centre_of[patient], row["sha256"]))
    return cases


def landmarks_of(cohort: Cohort, runs: Sequence[str]) -> dict[str, dict[str, float]]:
    """RAS z (mm) of the landmarks of each image, by image and landmark; of several runs, the first that has it."""
    found: dict[str, dict[str, float]] = {}
    for run in runs:
        for row in cohort.rows("findings", kind=POINT, run_id=run):
            if row["label"] in LANDMARKS and len(row["points_mm"] or ()) >= 3:
                found.setdefault(row["image_id"], {}).setdefault(row["label"], float(row["points_mm"][2]))
    return found
