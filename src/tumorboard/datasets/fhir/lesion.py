"""A measured lesion -> a FHIR Observation with a component per figure, in UCUM units."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import MASK_LABEL, RECIST_PAIR
from tumorboard.core.tables import EXPERT

__all__ = ["lesions_of", "measured_lesion"]

_UCUM = "http://unitsofmeasure.org"
_LESION = "urn:tumorboard:lesion"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_UNITS = (("_mm", "mm", "mm"), ("_ml", "ml", "mL"), ("_hu", "HU", "[hnsf'U]"), ("_gy", "Gy", "Gy"))
"""End of a figure's name, unit in words, UCUM code."""


def lesions_of(cohort: Cohort, exam_ids: Iterable[str], *, run: str = EXPERT) -> dict[str, list[dict[str, Any]]]:
    """Exam -> its measured lesions of one run, in table order: RECIST pairs and labels (or parts) of masks."""
    wanted = set(exam_ids)
    exam_of = {row["image_id"]: row["exam_id"] for row in cohort.rows("images") if row["exam_id"] in wanted}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in cohort.rows("findings", run_id=run):
        if row["image_id"] in exam_of and row["kind"] in (MASK_LABEL, RECIST_PAIR) and row["measurements"]:
            found.setdefault(exam_of[row["image_id"]], []).append(row)
    return found


def measured_lesion(row: dict[str, Any], patient: str, study: str) -> dict[str, Any]:
    """The Observation of one row of `findings` with measurements; `patient` and `study` are addresses in the bundle."""
    label = row["label"] or "lesion"
    facts = json.loads(row["attributes"] or "{}")
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:tumorboard:finding", "value": row["finding_id"]}],
        "status": "final" if row["run_id"] == EXPERT else "preliminary",
        "category": [{"coding": [{"system": _CATEGORY, "code": "imaging"}]}],
        "code": {"coding": [{"system": _LESION, "code": " ".join(label.split()), "display": label}], "text": label},
        "subject": {"reference": patient},
        "bodySite": {"text": facts["side"]} if facts.get("side") else None,
        "derivedFrom": [{"reference": study}],
        "component": [
            {"code": {"text": _name(key)}, "valueQuantity": _quantity(key, value)}
            for key, value in dict(row["measurements"]).items()
            if value is not None and value == value
        ],
    }


def _name(key: str) -> str:
    """``suv_max`` -> ``suv max``; the unit stands with the value."""
    for end, _, _ in _UNITS:
        key = key.removesuffix(end)
    return key.replace("_", " ")


def _quantity(key: str, value: float) -> dict[str, Any]:
    unit, code = ("g/ml (SUV, body weight)", "g/mL") if key.startswith("suv_") else ("1", "1")
    for end, words, ucum in _UNITS:
        if key.endswith(end):
            unit, code = words, ucum
    return {"value": round(float(value), 6), "unit": unit, "system": _UCUM, "code": code}
