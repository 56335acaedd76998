"""Metabolic response of a cohort's PET exams by PERCIST 1.0, from an expert's masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.percist import Reference, UptakeExam, lean_mass_kg, metabolic_response
from tumorboard.tasks.features.measure import measure_mask
from tumorboard.tasks.response import codes
from tumorboard.tasks.response.assess import related_tracks
from tumorboard.tasks.response.course import in_time

__all__ = ["PERCIST", "metabolic_rows", "respond_metabolically"]

PERCIST = "PERCIST 1.0"
_LIVER_RADIUS_MM = 15.0


def respond_metabolically(cohort: Cohort, *, lean: bool = False, run_id: str = EXPERT) -> list[dict[str, Any]]:
    """One dictionary per patient with lesion masks on two PET exams: patient, rules, unit, exams (peak, tlg_ml, liver,
    response, why) and problem.

    Peaks are SUL where sex, weight and height are known, else SUV, and `unit` says which; with `lean` SUV is a problem
    (RSP105). A track whose first mask comes after the baseline is a new lesion. The liver is the label `liver` of any
    mask of the exam; without one it is not looked at, and `why` says so.
    """
    tracks = related_tracks(cohort, run_id=run_id, kinds=("mask label",))
    found: list[dict[str, Any]] = []
    for patient_id in cohort.patient_ids:
        alone = cohort.subset([patient_id])
        exams = [exam for exam in alone.rows("exams") if _pet(alone, exam["exam_id"]) and _mask(alone, exam, run_id)]
        if len(exams) < 2:
            continue
        mine = [track for track in tracks if track["patient"] == patient_id]
        try:
            ordered = in_time(exams, patient_id=patient_id)
            factor = _lean_factor(alone.row("patients", patient_id=patient_id), lean=lean)
            measured = [_uptake(alone, exam, run_id, factor or 1.0) for exam in ordered]
        except TumorboardError as error:
            found.append({"patient": patient_id, "rules": PERCIST, "unit": None, "exams": [], "problem": str(error)})
            continue
        new = _first_seen(alone, mine, [exam["exam_id"] for exam in ordered])
        found.append(_judged(patient_id, ordered, measured, new, "SUV" if factor is None else "SUL"))
    return found


def metabolic_rows(results: Sequence[Mapping[str, Any]], run_id: str) -> list[dict[str, Any]]:
    """Rows of `outcomes`: endpoint "PERCIST 1.0, exam n"."""
    return [
        {
            "patient_id": one["patient"],
            "endpoint": f"{PERCIST}, exam {exam['order']}",
            "run_id": run_id,
            "class_value": exam["response"],
            "raw": json.dumps({"unit": one["unit"]} | dict(exam), sort_keys=True),
        }
        for one in results
        for exam in one["exams"][1:]
    ]


def _judged(
    patient_id: str,
    exams: Sequence[Mapping[str, Any]],
    measured: Sequence[UptakeExam],
    new: Sequence[bool],
    unit: str,
) -> dict[str, Any]:
    rows = []
    for number, (exam, uptake) in enumerate(zip(exams, measured, strict=True)):
        now = UptakeExam(uptake.peak, uptake.tlg_ml, uptake.liver, new[number])
        response, why = metabolic_response(measured[0], now) if number else (None, "baseline")
        told = why if uptake.liver is not None else f"{why}; no liver to compare with"
        rows.append(
            {
                "exam": exam["exam_id"],
                "day": exam["day"],
                "order": number,
                "peak": uptake.peak,
                "tlg_ml": uptake.tlg_ml,
                "liver_mean": None if uptake.liver is None else uptake.liver.mean,
                "response": None if response is None else response.value,
                "why": told,
            }
        )
    return {"patient": patient_id, "rules": PERCIST, "unit": unit, "exams": rows, "problem": None}


def _pet(patient: Cohort, exam_id: str) -> dict[str, Any] | None:
    rows = patient.rows("images", exam_id=exam_id, modality="PT", role="image", unit=str(Unit.SUVBW))
    return min(rows, key=lambda row: str(row["image_id"]), default=None)


def _mask(patient: Cohort, exam: Mapping[str, Any], run_id: str) -> dict[str, Any] | None:
    rows = patient.rows("images", exam_id=exam["exam_id"], role="mask", run_id=run_id)
    named = [row for row in rows if any(not _is_liver(name) for name in (row["labels"] or {}).values())]
    return min(named, key=lambda row: str(row["image_id"]), default=None)


def _is_liver(name: str) -> bool:
    return name.lower() == "liver"


def _uptake(patient: Cohort, exam: Mapping[str, Any], run_id: str, factor: float) -> UptakeExam:
    row, pet_row = _mask(patient, exam, run_id), _pet(patient, exam["exam_id"])
    assert row is not None and pet_row is not None  # as `respond_metabolically` has made sure
    mask, pet = patient.image(row["image_id"]), patient.image(pet_row["image_id"])
    labels = {value: name for value, name in row["labels"].items() if not _is_liver(name)}
    lesions = measure_mask(mask, pet, labels=labels, image_id=row["image_id"], run_id=run_id, components=False)
    figures = [lesion["measurements"] for lesion in lesions]
    peaks = [one["suv_peak"] for one in figures if "suv_peak" in one]
    glycolysis = [one["tlg_ml"] for one in figures if "tlg_ml" in one]
    liver = _liver(patient, exam["exam_id"], pet)
    return UptakeExam(
        factor * max(peaks) if peaks else None,
        factor * sum(glycolysis) if glycolysis else None,
        None if liver is None else Reference(factor * liver.mean, factor * liver.sd),
    )


def _liver(patient: Cohort, exam_id: str, pet: Volume) -> Reference | None:
    """Uptake in the sphere of 3 cm about the place deepest inside the liver."""
    for row in patient.rows("images", exam_id=exam_id, role="mask"):
        value = next((value for value, name in (row["labels"] or {}).items() if _is_liver(name)), None)
        if value is None:
            continue
        mask = patient.image(row["image_id"])
        inside = mask.array == value
        if not inside.any():
            continue
        depth = ndimage.distance_transform_edt(inside, sampling=mask.spacing_mm)
        middle = mask.geometry.to_world(np.unravel_index(int(np.argmax(depth)), depth.shape))
        places = np.stack(np.meshgrid(*[np.arange(n) for n in pet.shape], indexing="ij"), axis=-1)
        near = np.linalg.norm(pet.geometry.to_world(places) - middle, axis=-1) <= _LIVER_RADIUS_MM
        values = pet.array[near].astype(float)
        if len(values):
            return Reference(float(values.mean()), float(values.std()))
    return None


def _lean_factor(record: Mapping[str, Any], *, lean: bool) -> float | None:
    """Lean body mass over weight; None where it cannot be had and SUV may stand. RSP105 where it may not."""
    weight, height = record.get("weight_kg"), record.get("height_m")
    if height is None and record.get("height_cm") is not None:
        height = float(record["height_cm"]) / 100
    try:
        return lean_mass_kg(str(record["sex"]), float(weight or 0), float(height or 0)) / float(weight or 1)
    except ValueError as error:
        if lean:
            raise TumorboardError(
                codes.NO_HEIGHT,
                f"patient {record['patient_id']}",
                found="no sex, weight or height",
                expected="all three",
            ) from error
        return None


def _first_seen(patient: Cohort, tracks: Sequence[Mapping[str, Any]], exams: Sequence[str]) -> list[bool]:
    """Whether a lesion that was not there at baseline is seen, by exam."""
    exam_of = {row["image_id"]: row["exam_id"] for row in patient.rows("images")}
    image_of = {row["finding_id"]: row["image_id"] for row in patient.rows("findings")}
    fresh = [False] * len(exams)
    for track in tracks:
        seen = {exam_of[image_of[finding]] for finding in track["findings"]}
        if exams[0] not in seen:
            fresh = [was or exam in seen for was, exam in zip(fresh, exams, strict=True)]
    return fresh
