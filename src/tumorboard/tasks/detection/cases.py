"""What a cohort offers: CT volumes and the lesions marked on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import MASK_LABEL, RECIST_PAIR
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role

__all__ = ["BOX", "Case", "Lesion", "boxed_rows", "find_cases", "missing"]

BOX = "box"
_MARKS = (RECIST_PAIR, BOX)
SixNumbers = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Lesion:
    """One marked lesion: its finding, its box (low then high corner, RAS mm), height of its key slice (z, mm), its
    slice by name (exam, series, slice: ``000001_01_01_109``; empty when not known), whether its mark is noisy, and its
    type."""

    finding_id: str
    box_mm: SixNumbers
    key_z_mm: float
    slice_name: str = ""
    noisy: bool = False
    kind: str = ""


@dataclass(frozen=True)
class Case:
    """One CT volume with its lesions; `geometry` is None where only a table is at hand, `readable` where there are
    pixels."""

    image_id: str
    exam_id: str
    patient_id: str
    geometry: Geometry | None
    readable: bool
    lesions: tuple[Lesion, ...] = ()


def find_cases(cohort: Cohort, *, reference: str = EXPERT) -> list[Case]:
    """Every acquired CT, with the lesions that the run `reference` marked on it: its RECIST pairs, on images without
    any its boxes."""
    patient_of = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    marked = _marks(cohort, reference)
    cases = []
    for row in cohort.rows("images", modality=str(Modality.CT), role=str(Role.IMAGE)):
        if row["run_id"] is not None:
            continue
        geometry = None
        if row["shape"] and row["affine"]:
            geometry = Geometry(tuple(row["shape"]), np.asarray(row["affine"], float).reshape(4, 4))
        readable = bool(row["path"]) and geometry is not None and not row["problem"]
        lesions = tuple(_lesion(mark, row["exam_id"]) for mark in marked.get(row["image_id"], ()))
        cases.append(Case(row["image_id"], row["exam_id"], patient_of[row["exam_id"]], geometry, readable, lesions))
    return cases


def missing(cohort: Cohort) -> list[str]:
    """In words, what the cohort lacks for a benchmark; empty when it can run."""
    cases = find_cases(cohort)
    if not any(case.readable for case in cases):
        return ["CT volumes"]
    patients = {case.patient_id for case in cases if case.readable and case.lesions}
    return [] if len(patients) >= 4 else ["lesions marked with boxes on the CT of four or more patients"]


def boxed_rows(cohort: Cohort, run_id: str) -> list[dict[str, Any]]:
    """Findings of a run that have a 3-D box and a score: predicted boxes, and predicted masks that list their box."""
    rows = [row for kind in (BOX, MASK_LABEL, RECIST_PAIR) for row in cohort.rows("findings", run_id=run_id, kind=kind)]
    scored = [row for row in rows if row["score"] is not None and row["box"] is not None and len(row["box"]) == 6]
    masks = {row["image_id"] for row in scored if row["kind"] == MASK_LABEL}
    return _on_images(cohort, scored) if masks else scored


def _on_images(cohort: Cohort, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows on masks are rows on the image that the mask belongs to."""
    of_mask = {r["image_id"]: r["reference_image_id"] for r in cohort.rows("images", role=str(Role.MASK))}
    return [{**row, "image_id": of_mask.get(row["image_id"]) or row["image_id"]} for row in rows]


def _marks(cohort: Cohort, reference: str) -> dict[str, list[dict[str, Any]]]:
    """image_id -> findings with a 3-D box; where an image has marks of several kinds, those of the first kind count."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in _MARKS:
        mine: dict[str, list[dict[str, Any]]] = {}
        for row in cohort.rows("findings", kind=kind, run_id=reference):
            if row["box"] is not None and len(row["box"]) == 6 and row["image_id"] is not None:
                mine.setdefault(row["image_id"], []).append(row)
        found = {**mine, **found}
    return found


def _lesion(row: Mapping[str, Any], exam_id: str) -> Lesion:
    more = json.loads(row["attributes"] or "{}")
    box = tuple(float(v) for v in row["box"])
    points: Sequence[float] = row["points_mm"] or ()
    z_mm = float(np.mean(points[2::3])) if len(points) >= 3 else (box[2] + box[5]) / 2
    name = ""
    if isinstance(more.get("series"), int) and isinstance(more.get("key_slice"), int):
        name = f"{exam_id}_{more['series']:02d}_{more['key_slice']:03d}"
    return Lesion(row["finding_id"], box, z_mm, name, bool(more.get("noisy")), row["label"] or "")  # type: ignore[arg-type]
