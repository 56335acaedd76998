"""What a cohort offers: frontal X-rays, the expert's boxes and lung masks on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.ops.lungs import split_lungs
from tumorboard.ops.radiograph import Hanging

__all__ = ["KIND", "LUNGS", "Case", "boxes_of_run", "find_cases", "load_lungs", "load_picture", "missing"]

KIND = "anatomical location"
LUNGS = ("right lung", "left lung")
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Case:
    """One X-ray. `boxes`: the expert's, by location, in source pixels; `shape` (rows, columns)."""

    image_id: str
    exam_id: str
    patient_id: str
    shape: tuple[int, int]
    affine: NDArray[np.float64]
    view: str
    boxes: Mapping[str, Box] = field(default_factory=dict)
    mask_id: str | None = None
    mask_labels: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_labelled(self) -> bool:
        return bool(self.boxes) or self.mask_id is not None


def find_cases(cohort: Cohort, *, labelled: bool = False, reference: str = EXPERT) -> list[Case]:
    """Every acquired X-ray that can be read (modality DX, one slice), with the boxes and lung mask of `reference`."""
    patient_of = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    boxes = boxes_of_run(cohort, reference)
    rows = cohort.rows("images")
    masks = {
        row["reference_image_id"]: row
        for row in rows
        if row["role"] == "mask" and row["run_id"] == reference and _names_lungs(row)
    }
    cases = []
    for row in rows:
        if row["modality"] != "DX" or row["role"] != "image" or row["shape"] is None or row["shape"][2] != 1:
            continue
        mask = masks.get(row["image_id"])
        projection = json.loads(row["options"] or "{}").get("projection", {})
        case = Case(
            image_id=row["image_id"],
            exam_id=row["exam_id"],
            patient_id=patient_of[row["exam_id"]],
            shape=(row["shape"][1], row["shape"][0]),
            affine=np.asarray(row["affine"], float).reshape(4, 4),
            view=str(projection.get("view") or ""),
            boxes=boxes.get(row["image_id"], {}),
            mask_id=mask["image_id"] if mask else None,
            mask_labels=mask["labels"] if mask else {},
        )
        if case.is_labelled or not labelled:
            cases.append(case)
    return cases


def boxes_of_run(cohort: Cohort, run_id: str) -> dict[str, dict[str, Box]]:
    """image_id -> location -> box (x1, y1, x2, y2) in source pixels, of one run; boxes without area are left out."""
    found: dict[str, dict[str, Box]] = {}
    for row in cohort.rows("findings", kind=KIND, run_id=run_id):
        box = row["box"]
        if row["label"] in BOX_LOCATIONS and box is not None and len(box) == 4 and box[2] > box[0] and box[3] > box[1]:
            found.setdefault(row["image_id"], {})[row["label"]] = (box[0], box[1], box[2], box[3])
    return found


def load_picture(cohort: Cohort, case: Case) -> NDArray[Any]:
    """Grey values (rows, columns) as stored, brighter for denser."""
    picture: NDArray[Any] = cohort.image(case.image_id).array[:, :, 0].T
    return picture


def load_lungs(cohort: Cohort, case: Case, hanging: Hanging) -> NDArray[np.bool_] | None:
    """Expert masks (2, rows, columns) of right and left lung, hung as `hanging` says; None where there are none."""
    if case.mask_id is None:
        return None
    stored = cohort.image(case.mask_id).array[:, :, 0].T
    labels = Hanging(hanging.turns, hanging.mirrored).apply(stored)
    named = [[value for value, name in case.mask_labels.items() if name == side] for side in LUNGS]
    if all(named):
        return np.stack([np.isin(labels, values) for values in named])
    both = [value for value, name in case.mask_labels.items() if name == "lungs"]
    return np.stack(split_lungs(np.isin(labels, both)))


def missing(cohort: Cohort) -> list[str]:
    """In words, what the cohort lacks for a benchmark; empty when it can run."""
    cases = find_cases(cohort)
    if not cases:
        return ["chest X-rays"]
    patients = {case.patient_id for case in cases if case.is_labelled}
    return [] if len(patients) >= 2 else ["lung masks or anatomical boxes of two or more patients"]


def _names_lungs(row: Mapping[str, Any]) -> bool:
    names = set((row["labels"] or {}).values())
    return "lungs" in names or set(LUNGS) <= names
