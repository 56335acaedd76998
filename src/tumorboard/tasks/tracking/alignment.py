"""Places of a patient's lesions in one common space, by whatever the cohort has: pixels, relative locations, landmarks.

By pixels, one CT of each exam (the longest) is registered to the exam that shows most of the body, or, where the two do
not overlap, to one that is already aligned; the start along z is a body-part run's, else found from body profiles.
Exams that overlap with none stay apart: their lesions are compared among themselves alone, and a note says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.bodypart import POINT
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Role, Unit
from tumorboard.ops.registration import Affine, CoarseBody, coarse_body, register
from tumorboard.tasks.tracking.bodyframe import BODY_MM
from tumorboard.tasks.tracking.config import TrackingConfig
from tumorboard.tasks.tracking.marks import Mark

__all__ = ["Aligned", "Sources", "align", "sources_of"]


@dataclass(frozen=True, eq=False)
class Sources:
    """What a cohort has to align exams with: image rows by exam, landmarks by exam, scored scans, relative locations
    of a body-part run. Worked out once for all patients."""

    images: Mapping[str, list[dict[str, Any]]]
    landmarks: Mapping[str, Mapping[str, NDArray[np.float64]]]
    scored: Mapping[str, Any]
    relative: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, eq=False)
class Aligned:
    """Places (n, 3) of marks in a common space (mm; NaN where none is known), how they were found, maps from each exam
    to that space and groups of exams that overlap (registration alone), and notes for the reader."""

    places_mm: NDArray[np.float64]
    method: str
    maps: Mapping[str, Affine] = field(default_factory=dict)
    island_of: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def registered(self) -> bool:
        return self.method == "registration"


def sources_of(cohort: Cohort, config: TrackingConfig) -> Sources:
    """Image rows, landmarks and body-part scores by exam or image. BDP105 when the body-part run has no scores."""
    images: dict[str, list[dict[str, Any]]] = {}
    exam_of = {}
    for row in cohort.rows("images"):
        exam_of[row["image_id"]] = row["exam_id"]
        if row["role"] == str(Role.IMAGE) and row["unit"] == str(Unit.HU) and row["shape"]:
            images.setdefault(row["exam_id"], []).append(row)
    landmarks: dict[str, dict[str, NDArray[np.float64]]] = {}
    for row in cohort.rows("findings", kind=POINT):
        facts = json.loads(row["attributes"]) if row["attributes"] else {}
        if facts.get("inside", True) and "lesion" not in facts and len(row["points_mm"] or ()) == 3:
            landmarks.setdefault(exam_of[row["image_id"]], {})[row["label"]] = np.asarray(row["points_mm"], float)
    scored: Mapping[str, Any] = {}
    relative: Mapping[str, tuple[float, float, float]] = {}
    if config.bodypart_run:
        from tumorboard.tasks.bodypart.places import relative_locations
        from tumorboard.tasks.bodypart.rows import scored_images

        scored = scored_images(cohort, config.bodypart_run)
        relative = relative_locations(cohort, run_id=config.bodypart_run)
    return Sources(images, landmarks, scored, relative)


def align(cohort: Cohort, marks: Sequence[Mark], sources: Sources, *, config: TrackingConfig) -> Aligned:
    """Places of one patient's marks by the way that `config.alignment` names, or by the first that the cohort allows.

    Relative locations that a virtual cohort plants are truth, not data: with pixels at hand they are not used.
    """
    ways = {
        "registration": partial(_by_registration, cohort, marks, sources, config),
        "body part": partial(_by_body_part, marks, sources),
        "relative location": partial(_by_stated_location, marks),
        "landmarks": partial(_by_landmarks, marks, sources),
        "none": partial(_unaligned, marks),
    }
    if config.alignment != "auto":
        return ways[config.alignment]()
    for name, possible in (
        ("registration", all(_longest(sources, exam) for exam in {mark.exam_id for mark in marks})),
        ("body part", all(mark.finding_id in sources.relative for mark in marks)),
        ("relative location", all(mark.relative is not None for mark in marks)),
        ("landmarks", all(sources.landmarks.get(mark.exam_id) for mark in marks)),
    ):
        if possible:
            return ways[name]()
    return ways["none"]()


def _unaligned(marks: Sequence[Mark]) -> Aligned:
    """The coordinates of the images as if they were one space."""
    note = "exams are not aligned: coordinates of two scans are compared as they stand"
    return Aligned(np.array([mark.centre_mm for mark in marks]).reshape(-1, 3), "none", notes=(note,))


def _by_stated_location(marks: Sequence[Mark]) -> Aligned:
    unknown = (np.nan,) * 3
    at = np.array([mark.relative or unknown for mark in marks], float).reshape(-1, 3)
    return Aligned(at * BODY_MM, "relative location", notes=_unplaced(at))


def _by_body_part(marks: Sequence[Mark], sources: Sources) -> Aligned:
    unknown = (np.nan,) * 3
    at = np.array([sources.relative.get(mark.finding_id, unknown) for mark in marks], float).reshape(-1, 3)
    return Aligned(at * BODY_MM, "body part", notes=_unplaced(at))


def _unplaced(places: NDArray[np.float64]) -> tuple[str, ...]:
    lost = int((~np.isfinite(places).all(axis=1)).sum())
    return (f"{lost} lesions without a relative location stay alone",) if lost else ()


def _by_landmarks(marks: Sequence[Mark], sources: Sources) -> Aligned:
    """Each exam moved to the exam with most landmarks: levels between landmarks by interpolation, x and y by the mean
    shift of the landmarks that both show."""
    exams = sorted({mark.exam_id for mark in marks})
    reference = max(exams, key=lambda exam: (len(sources.landmarks.get(exam, {})), exam))
    places, notes = [], []
    for mark in marks:
        mine, theirs = sources.landmarks.get(mark.exam_id, {}), sources.landmarks.get(reference, {})
        shared = sorted(set(mine) & set(theirs), key=lambda name: mine[name][2])
        if not shared:
            notes.append(f"{mark.exam_id}: no landmark in common with {reference}")
            places.append(np.full(3, np.nan))
            continue
        shift = np.array([theirs[name] - mine[name] for name in shared])
        z = np.interp(mark.centre_mm[2], [mine[name][2] for name in shared], shift[:, 2])
        places.append(mark.centre_mm + np.array([*shift[:, :2].mean(axis=0), z]))
    return Aligned(np.array(places).reshape(-1, 3), "landmarks", notes=tuple(sorted(set(notes))))


def _longest(sources: Sources, exam: str) -> dict[str, Any] | None:
    """The CT of an exam with pixels that covers most along z; None without one."""
    rows = [row for row in sources.images.get(exam, []) if row["path"]]
    return max(rows, key=lambda row: (_length_mm(row), row["image_id"]), default=None)


def _length_mm(row: Mapping[str, Any]) -> float:
    affine = np.asarray(row["affine"], float).reshape(4, 4)
    return float(np.abs(affine[2, :3] * row["shape"]).sum())


def _by_registration(cohort: Cohort, marks: Sequence[Mark], sources: Sources, config: TrackingConfig) -> Aligned:
    exams = sorted({mark.exam_id for mark in marks})
    rows = {exam: _longest(sources, exam) for exam in exams}
    notes = [f"{exam}: no CT to register, its lesions stay alone" for exam in exams if rows[exam] is None]
    left = sorted(
        (exam for exam in exams if rows[exam] is not None), key=lambda exam: (-_length_mm(rows[exam] or {}), exam)
    )
    bodies = {exam: coarse_body(cohort.image((rows[exam] or {})["image_id"]), grid_mm=config.grid_mm) for exam in left}
    maps: dict[str, Affine] = {}
    island: dict[str, int] = {}
    for exam in left:
        reasons = []
        for other in (done for done in left if done in maps):
            start = _start_mm(sources, rows[exam] or {}, rows[other] or {})
            found = _registered(bodies[exam], bodies[other], start, config)
            if isinstance(found, Affine):
                joined = maps[other].matrix @ found.matrix
                maps[exam] = Affine(joined, found.correlation, found.overlap_mm)
                island[exam] = island[other]
                break
            reasons.append(f"{exam} to {other}: {found.found}")
        else:
            maps[exam], island[exam] = Affine(np.eye(4), 1.0, _length_mm(rows[exam] or {})), len(set(island.values()))
            notes += reasons
    unknown = np.full(3, np.nan)
    places = [maps[m.exam_id].apply(m.centre_mm) if m.exam_id in maps else unknown for m in marks]
    return Aligned(np.array(places).reshape(-1, 3), "registration", maps, island, tuple(notes))


def _registered(
    moving: CoarseBody, fixed: CoarseBody, start_mm: float | None, config: TrackingConfig
) -> Affine | TumorboardError:
    try:
        return register(moving, fixed, z_offset_mm=start_mm, least_overlap_mm=config.least_overlap_mm)
    except TumorboardError as error:
        return error


def _start_mm(sources: Sources, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> float | None:
    """Offset along z between two scans by a body-part run; None: to be found from the profiles."""
    one, two = sources.scored.get(mine["image_id"]), sources.scored.get(theirs["image_id"])
    if one is not None and two is not None:
        from tumorboard.tasks.bodypart.places import same_level

        levels = [(float(z), same_level(one, two, float(z))) for z in np.asarray(one.curve.z_mm)[::4]]
        offsets = [found - z for z, found in levels if found is not None]
        return float(np.median(offsets)) if offsets else None
    return None
