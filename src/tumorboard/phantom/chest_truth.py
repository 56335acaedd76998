"""The planted signs in the words of `core.chest`, and what changed between two exams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tumorboard.core.chest import CATEGORY_OF
from tumorboard.phantom.chest import ChestPatient
from tumorboard.phantom.chest_plan import DEVICES, Sign, grade_word

__all__ = ["ATTRIBUTE_OF", "change_of", "change_rows", "locations_of", "sides_of", "sign_rows"]

_encode = json.JSONEncoder(sort_keys=True).encode
ATTRIBUTE_OF = {
    "effusion": "pleural effusion",
    "pneumothorax": "pneumothorax",
    "consolidation": "consolidation",
    "linear atelectasis": "linear/patchy atelectasis",
    "collapse": "lobar/segmental collapse",
    "edema": "pulmonary edema/hazy opacity",
    "cardiomegaly": "enlarged cardiac silhouette",
    "nodule": "mass/nodule (not otherwise specified)",
    "mass": "mass/nodule (not otherwise specified)",
    "calcified nodule": "calcified nodule",
    "hyperinflation": "hyperaeration",
    "low volumes": "low lung volumes",
    "reticulation": "increased reticular markings/ild pattern",
    "rib fracture": "rib fracture",
    "tortuous aorta": "tortuous aorta",
    "aortic calcium": "vascular calcification",
    "elevated diaphragm": "elevated hemidiaphragm",
    "endotracheal tube": "endotracheal tube",
    "enteric tube": "enteric tube",
    "picc": "picc",
    "ij line": "ij line",
    "chest port": "chest port",
    "chest tube": "chest tube",
    "pacer": "cardiac pacer and wires",
    "sternotomy wires": "sternotomy wires",
}
"""Attribute of each kind of sign. Reports may use a neighbouring word (opacity, pneumonia), and say then that one."""

_MIDLINE = {
    "cardiomegaly": ("cardiac silhouette",),
    "tortuous aorta": ("aortic arch",),
    "aortic calcium": ("aortic arch",),
    "endotracheal tube": ("trachea",),
    "sternotomy wires": ("mediastinum",),
}
_TIPS = {"stomach": "abdomen", "oesophagus": "mediastinum"}


def sides_of(sign: Sign) -> tuple[str, ...]:
    """Sides that a sign is on, right first."""
    return ("right", "left") if sign.side == "both" else (sign.side,)


def locations_of(sign: Sign) -> tuple[str, ...]:
    """Locations of a sign: its zone, the place its kind belongs to, or where a device ends."""
    if sign.kind in _MIDLINE:
        return _MIDLINE[sign.kind]
    if sign.tip:
        return (_TIPS.get(sign.tip, sign.tip),)
    place = {
        "effusion": "costophrenic angle",
        "elevated diaphragm": "hemidiaphragm",
        "rib fracture": "chest wall",
        "pacer": "chest wall",
    }.get(sign.kind, f"{sign.zone} lung zone" if sign.zone else "lung")
    return tuple(f"{side} {place}" for side in sides_of(sign))


def change_of(sign: Sign, exam: int) -> str | None:
    """Change of a sign since the exam before: a word of `core.chest.CHANGES`; None where it never was."""
    if exam == 0:
        return None
    before, now = sign.grades[exam - 1], sign.grades[exam]
    if before <= 0 and now <= 0:
        return None
    if before <= 0:
        return "new"
    if now <= 0:
        return "removed" if sign.kind in DEVICES else "resolved"
    if sign.size_mm:
        before, now = sign.size_mm[exam - 1], sign.size_mm[exam]
    return "worsened" if now > before else "improved" if now < before else "no change"


def sign_rows(patient: ChestPatient, exam: int, *, run_id: str) -> list[dict[str, Any]]:
    """One `relations` row per planted sign of this exam, said or not."""
    exam_id = patient.exams[exam].exam_id
    rows = []
    for sign in patient.signs:
        if sign.present(exam):
            facts: dict[str, Any] = {
                "locations": list(locations_of(sign)),
                "tense": "current",
                "comparison": change_of(sign, exam),
                "severity": None if sign.kind in DEVICES or sign.size_mm else grade_word(sign.grades[exam]),
                "measures": {"long_axis_mm": sign.size_mm[exam]} if sign.size_mm else {},
                "source": "plan",
            }
            rows.append(_row(exam_id, f"plan.{sign.name}", "yes", _object(sign), facts, run_id))
    return rows


def change_rows(patient: ChestPatient, exam: int, *, run_id: str) -> list[dict[str, Any]]:
    """One `relations` row per changed (or unchanged) sign and location: this exam against the one before."""
    rows = []
    for sign, change in _changes(patient, exam):
        exam_id, before = patient.exams[exam].exam_id, patient.exams[exam - 1].exam_id
        category, attribute = _object(sign).split("|")
        for location in locations_of(sign):
            facts = {"location": location, "category": category, "attribute": attribute, "source": "graphs"}
            rows.append(_row(exam_id, f"plan.{sign.name}.{location}", change, before, facts, run_id))
    return rows


def _changes(patient: ChestPatient, exam: int) -> Iterator[tuple[Sign, str]]:
    for sign in patient.signs:
        change = change_of(sign, exam)
        if change is not None:
            yield sign, change


def _object(sign: Sign) -> str:
    attribute = ATTRIBUTE_OF[sign.kind]
    return f"{CATEGORY_OF[attribute]}|{attribute}"


def _row(exam_id: str, name: str, predicate: str, to: str, facts: dict[str, Any], run_id: str) -> dict[str, Any]:
    return {
        "relation_id": f"{exam_id}.{name}.{predicate}",
        "subject": exam_id,
        "predicate": predicate,
        "object": to,
        "run_id": run_id,
        "confidence": 1.0,
        "attributes": _encode(facts),
    }
