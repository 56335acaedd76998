"""Which exams there are, and one exam as arrays on the grid of its PET."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.labels import resample_labels
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.anomaly import codes

__all__ = ["Case", "Exam", "Exams", "body_of", "draw_cases", "exam_from", "find_cases", "load_exam", "missing"]

MINIMUM_PATIENTS = 3
AIR_HU = -1000.0
_BODY_HU = -300.0
_RIM_MM = 24.0
_FINE = 0.75
"""A PET whose voxels are smaller than this part of `grid_mm` is worked on at `grid_mm`."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """One exam with CT (HU) and PET (SUVbw). `mask_id`: an expert's mask, empty where there is none; `liver`: image and
    value of a mask's label `liver`; `cut`: voxels of the CT array, at both ends of its axes, that scores leave out."""

    exam_id: str
    patient_id: str
    centre: str | None
    ct_id: str
    pet_id: str
    mask_id: str | None
    liver: tuple[str, int] | None
    cut: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, eq=False)
class Exam:
    """Arrays (i, j, k) on one grid near to RAS: k grows to the head.

    suv, hu (CT, smoothed to the PET's voxels; air where it does not reach), body; `lesion`: the expert's, None where
    nobody drew any; `liver`: the organ's voxels, if known; `evaluation`: the box on which scores are taken.
    """

    case: Case
    suv: Floats
    hu: Floats
    body: Bools
    lesion: Bools | None
    liver: Bools | None
    grid: Geometry
    evaluation: tuple[slice, slice, slice]
    view: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None
    """First voxel of the arrays in what was in view, and the view's shape; None: they are the view."""

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        i, j, k = self.grid.spacing_mm.tolist()
        return i, j, k

    def cropped(self) -> Exam:
        """The part on which scores are taken, as an exam of its own: nothing outside it can be looked at, and it is all
        that is in view."""
        return self._box(self.evaluation)

    def trimmed(self) -> Exam:
        """The body with a rim round it and all its slices, which is the rest of what is in view: air costs time."""
        start, stop = [], []
        for axis in (0, 1):
            at = np.flatnonzero(self.body.any(axis=(1 - axis, 2)))
            rim = int(np.ceil(_RIM_MM / self.spacing_mm[axis]))
            start.append(max(int(at[0]) - rim, 0) if len(at) else 0)
            stop.append(min(int(at[-1]) + 1 + rim, self.suv.shape[axis]) if len(at) else self.suv.shape[axis])
        count = self.suv.shape[2]
        part = self._box((slice(start[0], stop[0]), slice(start[1], stop[1]), slice(0, count)))
        return replace(part, view=((start[0], start[1], 0), self.grid.shape))

    def _box(self, box: tuple[slice, slice, slice]) -> Exam:
        grid = self.grid.crop([s.start for s in box], [s.stop for s in box])
        whole = tuple(slice(0, n) for n in grid.shape)
        return replace(
            self,
            suv=self.suv[box],
            hu=self.hu[box],
            body=self.body[box],
            lesion=None if self.lesion is None else self.lesion[box],
            liver=None if self.liver is None else self.liver[box],
            grid=grid,
            evaluation=(whole[0], whole[1], whole[2]),
            view=None,
        )

    def slices(self, first: int, last: int) -> Exam:
        """Slices `first` to before `last`."""
        i, j, _ = self.grid.shape
        return self._box((slice(0, i), slice(0, j), slice(first, last)))

    def with_suv(self, suv: Floats) -> Exam:
        return replace(self, suv=suv)

    def moved_ct(self, shift_mm: Sequence[float]) -> Exam:
        """The CT moved against the PET by so much along i, j, k."""
        from scipy.ndimage import shift

        voxels = np.asarray(shift_mm) / self.grid.spacing_mm
        hu = shift(self.hu, voxels, order=1, mode="constant", cval=AIR_HU).astype(np.float32)
        return replace(self, hu=hu, body=body_of(hu, self.spacing_mm))


class Exams:
    """Loaded exams by id; the last ones used stay in memory."""

    def __init__(self, cohort: Cohort, cases: Sequence[Case], *, grid_mm: float, keep: int = 40) -> None:
        self._cohort, self._grid_mm, self._keep = cohort, grid_mm, keep
        self._cases = {case.exam_id: case for case in cases}
        self._held: dict[str, Exam] = {}

    def __getitem__(self, exam_id: str) -> Exam:
        exam = self._held.pop(exam_id, None)
        if exam is None:
            exam = load_exam(self._cohort, self._cases[exam_id], grid_mm=self._grid_mm)
        self._held[exam_id] = exam
        while len(self._held) > self._keep:
            del self._held[next(iter(self._held))]
        return exam


def draw_cases(cases: Sequence[Case], most: int, *, seed: int) -> list[Case]:
    """At most `most` of the cases, in their order."""
    chosen = np.random.default_rng([seed, 5]).permutation(len(cases))[:most]
    return [cases[i] for i in sorted(chosen.tolist())]


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for the benchmark, in words; empty when it can run."""
    acquired = cohort.rows("images", role=str(Role.IMAGE), run_id=None)
    lacking = []
    for modality, unit in ((Modality.CT, Unit.HU), (Modality.PT, Unit.SUVBW)):
        if not any(row["modality"] == modality and row["unit"] == unit for row in acquired):
            lacking.append(f"a {modality} in {unit}")
    if not lacking:
        ready = {case.patient_id for case in find_cases(cohort) if case.mask_id}
        if len(ready) < MINIMUM_PATIENTS:
            lacking.append(f"{MINIMUM_PATIENTS} patients with CT, PET and an expert's mask (there are {len(ready)})")
    return lacking


def find_cases(cohort: Cohort, *, refused: list[TumorboardError] | None = None) -> list[Case]:
    """Exams with a CT and a PET, in table order. One that has a PET but no CT is refused (ANO101): added to `refused`,
    or left out where that is not given. Units are looked at when an exam is loaded."""
    centres = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
    images: dict[str, list[dict[str, Any]]] = {}
    for row in cohort.rows("images"):
        images.setdefault(row["exam_id"], []).append(row)
    cases = []
    for exam in cohort.rows("exams"):
        mine = images.get(exam["exam_id"], [])
        ct, pet = _acquired(mine, Modality.CT), _acquired(mine, Modality.PT)
        if pet is None:
            continue
        if ct is None:
            error = TumorboardError(
                codes.INPUT_MISSING, f"exam {exam['exam_id']}", found="no CT", expected="CT and PET"
            )
            if refused is not None:
                refused.append(error)
            continue
        mask = _expert_mask(mine, (pet["image_id"], ct["image_id"]))
        cut = json.loads(ct["options"] or "{}").get("evaluation_cut")
        cases.append(
            Case(
                exam["exam_id"],
                exam["patient_id"],
                centres[exam["patient_id"]],
                ct["image_id"],
                pet["image_id"],
                mask,
                _liver(mine),
                None if cut is None else tuple((int(a), int(b)) for a, b in cut),
            )
        )
    return cases


def _acquired(images: Sequence[Mapping[str, Any]], modality: Modality) -> Mapping[str, Any] | None:
    return next(
        (r for r in images if r["modality"] == modality and r["role"] == Role.IMAGE and r["run_id"] is None), None
    )


def _expert_mask(images: Sequence[Mapping[str, Any]], references: Sequence[str]) -> str | None:
    """The expert's mask on the grid of the first of `references` that has one."""
    for reference in references:
        for row in images:
            if row["role"] == Role.MASK and row["run_id"] == EXPERT and row["reference_image_id"] == reference:
                return str(row["image_id"])
    return None


def _liver(images: Sequence[Mapping[str, Any]]) -> tuple[str, int] | None:
    for row in images:
        for value, name in (row["labels"] or {}).items():
            if row["role"] == Role.MASK and name == "liver":
                return str(row["image_id"]), int(value)
    return None


def load_exam(cohort: Cohort, case: Case, *, grid_mm: float = 4.0) -> Exam:
    """Read an exam. Everything is brought to the PET's grid by its affine, never by index; the CT is smoothed first.

    Errors: UNT101 for a PET that is not in SUVbw (a threshold in SUV means nothing there) or a CT not in HU; OPS101
    where the two do not meet.
    """
    ct = cohort.image(case.ct_id).require(Unit.HU, where=f"image {case.ct_id}")
    pet = cohort.image(case.pet_id).require(Unit.SUVBW, where=f"image {case.pet_id}")
    mask = None if case.mask_id is None else cohort.image(case.mask_id)
    liver = None if case.liver is None else (cohort.image(case.liver[0]), case.liver[1])
    return exam_from(case, ct, pet, mask=mask, liver=liver, grid_mm=grid_mm)


def exam_from(
    case: Case,
    ct: Volume,
    pet: Volume,
    *,
    mask: Volume | None = None,
    liver: tuple[Volume, int] | None = None,
    grid_mm: float = 4.0,
) -> Exam:
    """An exam of volumes: CT (HU), PET (SUVbw), the expert's mask and the liver's (with its value), each on any grid.
    UNT101, OPS101."""
    ct.require(Unit.HU, where="CT")
    pet = pet.require(Unit.SUVBW, where="PET").astype(np.float32)
    grid = working_grid(pet.geometry, grid_mm)
    turned = pet.reorient("RAS")
    same = turned.geometry.same_grid(grid)
    suv = turned.array if same else resample_to(pet, grid, anti_alias=True).array
    clean = ct.with_array(np.maximum(ct.array.astype(np.float32), np.float32(AIR_HU)))  # padding is no tissue
    hu = resample_to(clean, grid, fill=AIR_HU, anti_alias=True).array
    spacing = grid.spacing_mm
    exam = Exam(
        case=case,
        suv=np.ascontiguousarray(suv, np.float32),
        hu=np.ascontiguousarray(hu, np.float32),
        body=body_of(hu, (float(spacing[0]), float(spacing[1]), float(spacing[2]))),
        lesion=None if mask is None else _on_grid(mask, grid),
        liver=None if liver is None else _on_grid(liver[0], grid, liver[1]),
        grid=grid,
        evaluation=_evaluation(case, ct.geometry, grid),
    )
    return exam if case.cut is not None else exam.trimmed()


def working_grid(native: Geometry, grid_mm: float) -> Geometry:
    """The PET's own grid with its axes nearest to RAS; finer axes at about `grid_mm`."""
    order, flips = native.reorientation("RAS")
    turned = native.permute(order)
    for axis in flips:
        turned = turned.flip(axis)
    coarse = np.where(turned.spacing_mm < _FINE * grid_mm, grid_mm, turned.spacing_mm)
    if np.array_equal(coarse, turned.spacing_mm):
        return turned
    count = np.maximum(np.rint(turned.extent_mm / coarse), 1)
    return turned.with_spacing(turned.extent_mm / count)


def _on_grid(mask: Volume, grid: Geometry, value: int | None = None) -> Bools:
    inside = mask.array != 0 if value is None else mask.array == value
    labels = Volume(inside.astype(np.uint8), mask.affine, Unit.LABEL)
    result: Bools = resample_labels(labels, grid).array > 0
    return result


def _evaluation(case: Case, ct: Geometry, grid: Geometry) -> tuple[slice, slice, slice]:
    """Voxels of `grid` between the outermost ones whose centre lies in the part of the CT that is scored."""
    if case.cut is None:
        i, j, k = grid.shape
        return slice(0, i), slice(0, j), slice(0, k)
    low = np.array([a for a, _ in case.cut]) - 0.5
    high = np.array(ct.shape) - [b for _, b in case.cut] - 0.5
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
    at = grid.to_index(ct.to_world(corners))
    first = np.clip(np.ceil(at.min(axis=0)), 0, np.array(grid.shape) - 1).astype(int)
    last = np.clip(np.floor(at.max(axis=0)) + 1, first + 1, grid.shape).astype(int)
    box = [slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    return box[0], box[1], box[2]


def body_of(hu: NDArray[Any], spacing_mm: Sequence[float]) -> Bools:
    """Voxels of the body: the largest part denser than -300 HU after a thin opening (a couch falls off), holes of every
    axial slice filled."""
    from scipy import ndimage

    dense = np.asarray(hu) > _BODY_HU
    thick = ndimage.binary_opening(dense, structure=np.ones((3, 3, 1), bool)) if min(spacing_mm[:2]) < 8 else dense
    parts, count = ndimage.label(thick)
    if not count:
        return np.zeros(dense.shape, bool)
    body = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    return np.asarray(body, bool)
