"""Which exams can be learnt from or predicted, and their volumes on one grid."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.segmentation import codes

__all__ = ["Box", "Case", "CaseVolumes", "find_cases", "load_case", "missing", "structures_of"]

MINIMUM_PATIENTS = 4

Box = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First voxel (included) and last (excluded) along the axes of the CT array."""


@dataclass(frozen=True)
class Case:
    """One exam. `evaluation` is the part of the CT on which scores are taken (all of it unless the cohort cuts).
    `ct_id` or `pet_id` is empty where the exam lacks that image (only in exams to predict); `prior_id` is the map of
    abnormal uptake that it brings, this exam's or another's, empty for none."""

    case_id: str
    patient_id: str
    centre: str | None
    ct_id: str
    pet_id: str
    mask_id: str | None
    labels: Mapping[int, str]
    evaluation: Box
    prior_id: str = ""

    @property
    def frame_id(self) -> str:
        """The image whose grid masks have: the CT, or the PET where there is none."""
        return self.ct_id or self.pet_id


@dataclass(frozen=True)
class CaseVolumes:
    """CT, PET brought onto the CT's grid, and the expert's label map (None where there is none). To be predicted, one
    of CT and PET may be None. `prior`: a map of abnormal uptake (z-score) on the grid it was made on."""

    ct: Volume | None
    pet: Volume | None
    mask: Volume | None
    prior: Volume | None = None

    @property
    def grid(self) -> Geometry:
        """Of the CT; of the PET where there is no CT."""
        frame = self.ct or self.pet
        assert frame is not None
        return frame.geometry

    def crop(self, box: Box) -> CaseVolumes:
        return CaseVolumes(*(v and v.crop(*box) for v in (self.ct, self.pet, self.mask)), prior=self.prior)


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for the benchmark, in words; empty when it can run."""
    acquired = cohort.rows("images", role=str(Role.IMAGE), run_id=None)
    lacking = []
    for modality, unit in ((Modality.CT, Unit.HU), (Modality.PT, Unit.SUVBW)):
        if not any(row["modality"] == modality and row["unit"] == unit for row in acquired):
            lacking.append(f"a {modality} in {unit}")
    if not any(row["reference_image_id"] for row in cohort.rows("images", role=str(Role.MASK), run_id=EXPERT)):
        lacking.append("expert masks on the grid of their CT")
    if not lacking:
        ready = {case.patient_id for case in find_cases(cohort, labelled=True)}
        if len(ready) < MINIMUM_PATIENTS:
            lacking.append(f"{MINIMUM_PATIENTS} patients with CT, PET and mask (there are {len(ready)})")
    return lacking


def find_cases(
    cohort: Cohort, *, labelled: bool, refused: list[TumorboardError] | None = None, one_is_enough: bool = False
) -> list[Case]:
    """Exams to work on, in table order.

    `labelled`: only exams with CT (HU), PET (SUVbw) and an expert's mask on the CT grid. Otherwise every exam that
    has a CT or a PET; one that lacks the other is refused by name (SGM101): raised, or added to `refused` if given;
    with `one_is_enough` (a network that learnt to do without) it is a case like the others.
    """
    exams = {row["exam_id"]: row for row in cohort.rows("exams")}
    centres = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
    images: dict[str, list[dict[str, Any]]] = {exam_id: [] for exam_id in exams}
    for row in cohort.rows("images"):
        images[row["exam_id"]].append(row)
    cases = []
    for exam_id, exam in exams.items():
        found = {m: _acquired(images[exam_id], m) for m in (Modality.CT, Modality.PT)}
        ct, pet = found[Modality.CT], found[Modality.PT]
        mask = None if ct is None else _expert_mask(images[exam_id], ct["image_id"])
        if labelled and not (ct and pet and mask and ct["unit"] == Unit.HU and pet["unit"] == Unit.SUVBW):
            continue
        if not labelled and ct is None and pet is None:
            continue
        if (ct is None or pet is None) and not one_is_enough:
            error = _incomplete(exam_id, ct=ct, pet=pet)
            if refused is None:
                raise error
            refused.append(error)
            continue
        patient_id = exam["patient_id"]
        labels = dict(mask["labels"] or {1: "lesion"}) if mask else {}
        ids = (ct["image_id"] if ct else "", pet["image_id"] if pet else "", mask and mask["image_id"])
        frame = ct or pet
        assert frame is not None
        cases.append(Case(exam_id, patient_id, centres[patient_id], *ids, labels, _evaluation(frame)))
    return cases


def structures_of(cases: Sequence[Case]) -> tuple[str, ...]:
    """Names of the structures in the cases' masks, in the order of their voxel values."""
    values = {name: value for case in cases for value, name in case.labels.items()}
    return tuple(sorted(values, key=lambda name: (values[name], name)))


def load_case(cohort: Cohort, case: Case, *, structures: Sequence[str] = ()) -> CaseVolumes:
    """Read a case. PET is sampled at the CT's voxel centres; mask values become 1 + index into `structures`.

    Errors: UNT101 for other units (of a prior: other than z-scores), SGM103 when CT and PET lie apart.
    """
    ct = pet = None
    if case.ct_id:
        ct = cohort.image(case.ct_id).require(Unit.HU, where=f"image {case.ct_id}").astype(np.float32)
    if case.pet_id:
        pet = cohort.image(case.pet_id).require(Unit.SUVBW, where=f"image {case.pet_id}").astype(np.float32)
    if ct is None or pet is None:
        return CaseVolumes(ct, pet, None)
    if ct.geometry.overlap_ml(pet.geometry) <= 0:
        raise TumorboardError(
            codes.APART, f"exam {case.case_id}", found=f"{ct.geometry} and {pet.geometry}", expected="shared space"
        )
    on_ct = resample_to(pet, ct.geometry, method="linear", fill=0.0)
    mask = None
    if case.mask_id is not None and structures:
        drawn = cohort.image(case.mask_id)
        drawn.require_same_grid(ct, where=f"mask {case.mask_id}")
        values = np.zeros(drawn.shape, np.uint8)
        for value, name in case.labels.items():
            values[drawn.array == value] = structures.index(name) + 1
        mask = Volume(values, ct.affine, Unit.LABEL)
    prior = cohort.image(case.prior_id).require(Unit.ZSCORE, where=f"map {case.prior_id}") if case.prior_id else None
    return CaseVolumes(ct, on_ct, mask, prior)


def _acquired(images: Sequence[Mapping[str, Any]], modality: Modality) -> Mapping[str, Any] | None:
    """The first acquired image of a modality (planning CTs and other second ones come later)."""
    return next(
        (r for r in images if r["modality"] == modality and r["role"] == Role.IMAGE and r["run_id"] is None), None
    )


def _expert_mask(images: Sequence[Mapping[str, Any]], ct_id: str) -> Mapping[str, Any] | None:
    masks = (r for r in images if r["role"] == Role.MASK and r["run_id"] == EXPERT)
    return next((row for row in masks if row["reference_image_id"] == ct_id), None)


def _incomplete(exam_id: str, *, ct: Mapping[str, Any] | None, pet: Mapping[str, Any] | None) -> TumorboardError:
    lacking = [name for name, row in (("CT", ct), ("PET", pet)) if row is None]
    found = f"no {' and no '.join(lacking)}"
    return TumorboardError(codes.INPUT_MISSING, f"exam {exam_id}", found=found, expected="CT and PET")


def _evaluation(ct: Mapping[str, Any]) -> Box:
    cut = json.loads(ct["options"] or "{}").get("evaluation_cut") or [[0, 0]] * 3
    low = tuple(int(a) for a, _ in cut)
    high = tuple(int(n) - int(b) for n, (_, b) in zip(ct["shape"], cut, strict=True))
    return low, high  # type: ignore[return-value]
