"""The marks of a cohort: which lesions can be outlined, and which of them have an expert's mask to compare with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.weakmask.frame import Frame

__all__ = ["Mark", "by_image", "find_marks", "missing"]

LEAST_PATIENTS = 2


@dataclass(frozen=True)
class Mark:
    """One RECIST pair. points_mm: its four ends, 12 numbers (RAS). mask_id, value: the expert's mask and the lesion's
    value in it, when there is one."""

    finding_id: str
    patient_id: str
    exam_id: str
    image_id: str
    label: str
    points_mm: tuple[float, ...]
    mask_id: str | None
    value: int | None

    @property
    def frame(self) -> Frame:
        return Frame.of(np.array(self.points_mm))

    def truth(self, masks: dict[str, Volume], cohort: Cohort) -> NDArray[np.bool_] | None:
        """The expert's mask of this lesion on the grid of its CT; `masks` keeps what was read."""
        if self.mask_id is None or self.value is None:
            return None
        if self.mask_id not in masks:
            masks[self.mask_id] = cohort.image(self.mask_id)
        inside: NDArray[np.bool_] = masks[self.mask_id].array == self.value
        return inside


def find_marks(cohort: Cohort, *, labelled: bool = False) -> list[Mark]:
    """Marks of experts in CT volumes that have voxels, sorted by image; with `labelled`, those with an expert's mask on
    the CT's grid alone."""
    images = {row["image_id"]: row for row in cohort.rows("images")}
    patient_of = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    marks = []
    for row in cohort.rows("findings", kind=RECIST_PAIR, run_id=EXPERT):
        image = images.get(row["image_id"])
        points = row["points_mm"]
        if image is None or image["path"] is None or points is None or len(points) != 12:
            continue
        if image["modality"] != Modality.CT or image["role"] != Role.IMAGE or not np.isfinite(points).all():
            continue
        facts = json.loads(row["attributes"] or "{}")
        mask = images.get(facts.get("mask_image_id"))
        has_mask = mask is not None and mask["path"] is not None and mask["reference_image_id"] == row["image_id"]
        if labelled and not (has_mask and facts.get("value")):
            continue
        marks.append(
            Mark(
                finding_id=row["finding_id"],
                patient_id=patient_of[image["exam_id"]],
                exam_id=image["exam_id"],
                image_id=row["image_id"],
                label=row["label"] or "lesion",
                points_mm=tuple(float(v) for v in points),
                mask_id=mask["image_id"] if has_mask and mask is not None else None,
                value=facts.get("value") if has_mask else None,
            )
        )
    return sorted((m for m in marks if m.frame.long_mm > 0), key=lambda m: (m.image_id, m.finding_id))


def by_image(cohort: Cohort, marks: Sequence[Mark]) -> Iterator[tuple[Volume, list[Mark]]]:
    """Each CT once, with its marks: one volume in memory at a time."""
    for image_id, group in groupby(sorted(marks, key=lambda m: (m.image_id, m.finding_id)), lambda m: m.image_id):
        yield cohort.image(image_id).require(Unit.HU, where=image_id), list(group)


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for a benchmark, in words."""
    if not find_marks(cohort):
        return ["RECIST marks in a CT"]
    patients = {mark.patient_id for mark in find_marks(cohort, labelled=True)}
    if len(patients) < LEAST_PATIENTS:
        return [f"expert masks of marked lesions in {LEAST_PATIENTS} or more patients"]
    return []
