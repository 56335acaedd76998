"""The lesions to follow, read from a cohort: one `Mark` per lesion, series and exam."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LESION_TYPES, LONG_AXIS_MM, MASK_LABEL, RECIST_PAIR, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT

__all__ = ["Mark", "marks_of", "missing"]

_KINDS = (RECIST_PAIR, MASK_LABEL, "box")


@dataclass(frozen=True, eq=False)
class Mark:
    """One lesion as marked in one image.

    exam_order : place of the exam in time as the table `exams` states it (see `marks_of`).
    series : marks of two series of one exam may be one lesion marked twice; those of one series are two lesions.
    centre_mm : mean of the ends of the axes (RECIST pair), else middle of the box, RAS mm of its image.
    box_mm : (2, 3) low and high corner, or None.  axes_mm : long and short axis (NaN: not known).
    type : one of LESION_TYPES, or "" when not known.
    relative : x, y, z in the body as the data state them (0..1), or None.
    """

    finding_id: str
    patient_id: str
    exam_id: str
    exam_order: int
    image_id: str
    series: str
    centre_mm: NDArray[np.float64]
    box_mm: NDArray[np.float64] | None
    axes_mm: tuple[float, float]
    type: str
    relative: tuple[float, float, float] | None
    ends_mm: NDArray[np.float64] | None = None
    """(4, 3) ends of long and short axis, of a RECIST pair."""


def marks_of(cohort: Cohort, *, run_id: str = EXPERT) -> dict[str, list[Mark]]:
    """Patient -> marks of one run, by exam and finding_id (so that the order of rows changes nothing).

    RECIST pairs where the run has any, else whole lesions of masks, else boxes in 3-D. Exams stand in the order of the
    column `order`, then `day`, then exam_id. For DeepLesion that is the study number, which is not strictly time:
    joining does not use the order, only names of sequences and the direction of relations do.
    """
    exams = {row["exam_id"]: row for row in cohort.rows("exams")}
    order = _exam_order(exams)
    images = {row["image_id"]: row for row in cohort.rows("images")}
    rows = [row for row in cohort.rows("findings", run_id=run_id) if row["kind"] in _KINDS]
    kind = next((kind for kind in _KINDS if any(row["kind"] == kind for row in rows)), None)
    found: dict[str, list[Mark]] = {}
    for row in rows:
        mark = _mark(row, images, exams, order) if row["kind"] == kind else None
        if mark is not None:
            found.setdefault(mark.patient_id, []).append(mark)
    for marks in found.values():
        marks.sort(key=lambda mark: (mark.exam_order, mark.exam_id, mark.finding_id))
    return dict(sorted(found.items()))


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for tracking, in words."""
    marks = marks_of(cohort)
    several = [patient for patient, listed in marks.items() if len({m.exam_id for m in listed}) > 1]
    lacks = [] if several else ["marked lesions at two or more exams of a patient"]
    followed = {row["subject"] for row in cohort.rows("relations", predicate="same lesion", run_id=EXPERT)}
    return lacks if lacks or followed else ["relations 'same lesion' of an expert, to score against"]


def _exam_order(exams: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Exam -> its place among the patient's exams."""

    def key(exam_id: str) -> tuple[str, float, float, str]:
        row = exams[exam_id]
        order, day = (np.inf if row[name] is None else float(row[name]) for name in ("order", "day"))
        return row["patient_id"], order, day, exam_id

    places: dict[str, int] = {}
    count: dict[str, int] = {}
    for exam_id in sorted(exams, key=key):
        patient = exams[exam_id]["patient_id"]
        places[exam_id] = count[patient] = count.get(patient, -1) + 1
    return places


def _mark(
    row: Mapping[str, Any],
    images: Mapping[str, Mapping[str, Any]],
    exams: Mapping[str, Mapping[str, Any]],
    order: Mapping[str, int],
) -> Mark | None:
    """None for a label's row beside its components, and where no place is known."""
    if row["kind"] == MASK_LABEL and row["component"] == 0 and row["box"] is None:
        return None
    image = images[row["image_id"]]
    facts = json.loads(row["attributes"]) if row["attributes"] else {}
    points = np.asarray(row["points_mm"] or (), float)
    box = np.asarray(row["box"], float).reshape(2, 3) if len(row["box"] or ()) == 6 else None
    if row["kind"] == RECIST_PAIR and points.size == 12:
        centre = points.reshape(4, 3).mean(axis=0)
    elif box is not None:
        centre = box.mean(axis=0)
    else:
        return None
    measured = row["measurements"] or {}
    stated = facts.get("relative_location")
    return Mark(
        finding_id=row["finding_id"],
        patient_id=exams[image["exam_id"]]["patient_id"],
        exam_id=image["exam_id"],
        exam_order=order[image["exam_id"]],
        image_id=image["reference_image_id"] or row["image_id"],
        series=f"{image['exam_id']}|{facts.get('series', row['image_id'])}",
        centre_mm=centre,
        box_mm=box,
        axes_mm=_axes(measured, points, box),
        type=row["label"] if row["label"] in LESION_TYPES else "",
        relative=(float(stated[0]), float(stated[1]), float(stated[2])) if stated is not None else None,
        ends_mm=points.reshape(4, 3) if points.size == 12 else None,
    )


def _axes(
    measured: Mapping[str, float], points: NDArray[np.float64], box: NDArray[np.float64] | None
) -> tuple[float, float]:
    if LONG_AXIS_MM in measured:
        return measured[LONG_AXIS_MM], measured.get(SHORT_AXIS_MM, measured[LONG_AXIS_MM])
    if points.size == 12:
        ends = points.reshape(4, 3)
        return float(np.linalg.norm(ends[1] - ends[0])), float(np.linalg.norm(ends[3] - ends[2]))
    if box is not None:
        sides = np.sort(box[1] - box[0])
        return float(sides[2]), float(sides[0])
    return float("nan"), float("nan")
