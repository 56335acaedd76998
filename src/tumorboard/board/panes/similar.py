"""The most similar lesions of other patients, for each marked lesion."""

from __future__ import annotations

from typing import Any

from tumorboard.board.context import PatientFacts
from tumorboard.board.crops import CROP_PX
from tumorboard.board.panes import Pane
from tumorboard.board.similar import LesionVectors

__all__ = ["pane"]

LESIONS_SHOWN, NEIGHBOURS = 12, 5


def pane(patient: PatientFacts) -> Pane | None:
    found = patient.board.similar
    if found is None or patient.patient_id not in found.rows_of:
        return None
    place = {exam.exam_id: exam for exam in patient.exams}
    lesions = found.lesions

    def order(row: int) -> tuple[int, float]:
        return -place[str(lesions.exams[row])].number, -(_known(lesions.axes_mm[row, 0]) or 0.0)

    mine = sorted(found.rows_of[patient.patient_id], key=order)
    shown = mine[:LESIONS_SHOWN]
    rows = []
    for row, hits in zip(shown, found.nearest(shown, NEIGHBOURS), strict=True):
        kind = str(lesions.types[row])
        others = [{**_lesion(found, hit.row, patient), "distance": hit.distance} for hit in hits]
        for other in others:
            other["wrong"] = bool(kind and other["type"] and kind != other["type"])
        own = {**_lesion(found, row, patient), "exam": place[str(lesions.exams[row])].title}
        rows.append({"own": own, "others": others})
    values = {
        "rows": rows,
        "left_out": len(mine) - len(shown),
        "run": found.run,
        "learned": found.learned,
        "placed": found.placed,
        "why": found.why,
        "columns": NEIGHBOURS,
        "px": CROP_PX,
    }
    return Pane("similar", "Similar lesions", values)


def _lesion(found: LesionVectors, row: int, patient: PatientFacts) -> dict[str, Any]:
    lesions = found.lesions
    owner = str(lesions.patients[row])
    page = patient.board.names[owner]
    drawn = row in patient.board.pictured
    return {
        "id": lesions.ids[row],
        "patient": owner,
        "page": page,
        "type": str(lesions.types[row]),
        "long_mm": _known(lesions.axes_mm[row, 0]),
        "short_mm": _known(lesions.axes_mm[row, 1]),
        "crop": f"crops/{page}/{found.numbers[row]}.png" if drawn else None,
    }


def _known(value: float) -> float | None:
    return float(value) if value == value else None
