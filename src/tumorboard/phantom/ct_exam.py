"""One CT exam of one virtual patient: volumes, lesion masks and rows of truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM, VOLUME_ML
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.phantom.body import body_solids
from tumorboard.phantom.build import Build
from tumorboard.phantom.ct_lesions import CtLesion, lesion_solids, lesion_values
from tumorboard.phantom.ct_places import relative_location
from tumorboard.phantom.ct_plan import LEAST_MM, CtPatient, joined_at
from tumorboard.phantom.ct_scanner import CtExam, Series, plan_exam
from tumorboard.phantom.ct_truth import Measured, landmarks, measure
from tumorboard.phantom.imaging import acquire_ct
from tumorboard.phantom.render import render
from tumorboard.phantom.solids import Solid
from tumorboard.phantom.tissue import TissueValues, draw_tissues

__all__ = ["TRUTH", "CtOptions", "exam_rows"]

TRUTH = "truth"
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class CtOptions:
    """least_mm : no pixel is smaller (None: 512 pixels across the field). images : whether CT and masks are made.
    organs : write the organ label map of the first series (run ``truth``)."""

    least_mm: float | None = 2.0
    images: bool = True
    organs: bool = False


@dataclass(frozen=True, eq=False)
class _Shown:
    """A lesion as it is at an exam: what is painted, which solid is its truth, the partner that is part of it."""

    lesion: CtLesion
    whole: Solid
    painted: Sequence[Solid]
    joined: CtLesion | None


def exam_rows(
    patient: CtPatient, exam: int, *, folder: Path, options: CtOptions, targets: frozenset[int]
) -> tuple[Rows, Rows]:
    """Scan one exam, write its images below `folder`; its rows of `images` and `findings`. `targets`: numbers of the
    lesions that are followed as targets."""
    planned = plan_exam(patient, exam, least_mm=options.least_mm)
    build = patient.build(arms_up=planned.arms_up)
    shown = _shown(patient, exam)
    tissues = _tissues(patient, planned, shown)
    solids = body_solids(build, lesions=[solid for each in shown for solid in each.painted]) if options.images else []
    images: Rows = []
    findings: Rows = []
    for series in planned.series:
        made = _Made(patient, planned, series, f"{patient.patient_id}.{exam}")
        drawn = None
        if options.images:
            drawn = render(solids, series.grid, planned.pose, tissues=tissues, what="hu", with_labels=True)
        found = _found(shown, series, planned, patient, drawn)
        findings += [made.finding(each, truth, build, targets) for each, truth in found]
        images += made.images(folder, drawn, [each for each, _ in found], organs=options.organs)
        if series.number == 1:
            findings += made.landmark_rows(landmarks(build, planned.pose))
    return images, findings


def _shown(patient: CtPatient, exam: int) -> list[_Shown]:
    """The lesions that are there, two joined partners as one under the lower number."""
    by_number = {lesion.number: lesion for lesion in patient.lesions}
    shown = []
    for lesion in patient.lesions:
        if lesion.long_axis_mm * lesion.factors[exam] < LEAST_MM:
            continue
        partner = by_number.get(lesion.partner or 0)
        joined = partner is not None and joined_at(lesion, partner, exam, scale=patient.scale)
        if joined and partner is not None and partner.number < lesion.number:
            continue
        whole, painted = lesion_solids(lesion, exam, scale=patient.scale, joined=partner if joined else None)
        shown.append(_Shown(lesion, whole, painted, partner if joined else None))
    return shown


def _tissues(patient: CtPatient, planned: CtExam, shown: Sequence[_Shown]) -> dict[str, TissueValues]:
    person, contrast = patient.person, planned.contrast
    values = draw_tissues(patient.rng("tissue"), age_years=person.age_years, bmi=person.bmi, contrast=contrast)
    for each in shown:
        values |= lesion_values(each.lesion, values, contrast=contrast)
    return values


def _found(
    shown: Sequence[_Shown], series: Series, planned: CtExam, patient: CtPatient, drawn: Any
) -> list[tuple[_Shown, Measured]]:
    """The lesions a reader would mark: measured, their middle in the field, in the mask when there is one."""
    numbers = {name: number for number, name in drawn.names.items()} if drawn is not None else None
    found = []
    for each in shown:
        truth = measure(each.whole, series, planned.pose)
        if truth is None or not _inside(series.grid, truth.box_mm.mean(axis=0)):
            continue
        if numbers is not None:
            number = numbers.get(each.lesion.drawn_as)
            if number is None or not (drawn.labels == number).any():
                continue
        found.append((each, truth))
    return found


def _inside(grid: Geometry, point_lps: NDArray[np.float64]) -> bool:
    index = np.linalg.solve(grid.affine_lps[:3, :3], point_lps - grid.affine_lps[:3, 3])
    return bool((index > -0.5).all() and (index < np.array(grid.shape) - 0.5).all())


@dataclass(frozen=True, eq=False)
class _Made:
    """Rows of one series."""

    patient: CtPatient
    planned: CtExam
    series: Series
    exam_id: str

    @property
    def image_id(self) -> str:
        return f"{self.exam_id}.CT{self._suffix}"

    @property
    def mask_id(self) -> str:
        return f"{self.exam_id}.mask{self._suffix}"

    @property
    def _suffix(self) -> str:
        return "" if self.series.number == 1 else str(self.series.number)

    def finding(self, each: _Shown, truth: Measured, build: Build, targets: frozenset[int]) -> dict[str, Any]:
        """The RECIST pair of one lesion (RAS mm)."""
        lesion = each.lesion
        points, box = truth.points_mm * (-1, -1, 1), truth.box_mm * (-1, -1, 1)
        # With partners that are one body, its middle; heights are those of the standard body.
        centre = lesion.centre if each.joined is None else (lesion.centre + each.joined.centre) / 2
        track = min(lesion.number, lesion.partner or lesion.number)
        attributes = {
            "lesion": track,
            "value": lesion.number,
            "mask_image_id": self.mask_id,
            "series": self.series.number,
            "key_slice": self._stored_slice(truth.key_slice),
            "relative_location": [round(v, 4) for v in relative_location(build, centre)],
            "type_source": "planted",
            "organ": lesion.organ,
            "look": lesion.look,
            "node": lesion.node,
            "target": track in targets,
            "cut": truth.cut,
        }
        if lesion.event:
            attributes |= {"event": lesion.event, "parts": 1 if each.joined is None else 2}
        return {
            "finding_id": f"{self.image_id}.{lesion.number}",
            "image_id": self.image_id,
            "run_id": EXPERT,
            "kind": RECIST_PAIR,
            "label": lesion.kind,
            "points_mm": [round(float(v), 3) for v in points.ravel()],
            "box": [round(float(v), 3) for v in (*box.min(axis=0), *box.max(axis=0))],
            "measurements": {
                LONG_AXIS_MM: round(truth.long_mm, 3),
                SHORT_AXIS_MM: round(truth.short_mm, 3),
                VOLUME_ML: round(truth.volume_ml, 5),
            },
            "attributes": json.dumps(attributes, sort_keys=True),
        }

    def _stored_slice(self, k: int) -> int:
        """Index of a slice in the stored file, whose axis may run downwards."""
        return k if self.series.machine.orientation[2] == "S" else self.series.grid.shape[2] - 1 - k

    def landmark_rows(self, places: Mapping[str, NDArray[np.float64]]) -> Rows:
        """A point of the run ``truth`` for each landmark, inside the field or not."""
        return [
            {
                "finding_id": f"{self.image_id}.{name}",
                "image_id": self.image_id,
                "run_id": TRUTH,
                "kind": "point",
                "label": name,
                "points_mm": [round(float(v), 3) for v in place * (-1, -1, 1)],
                "attributes": json.dumps({"inside": self._between(place[2])}),
            }
            for name, place in places.items()
        ]

    def _between(self, z: float) -> bool:
        grid = self.series.grid
        low, step = grid.affine_lps[2, 3], grid.affine_lps[2, 2]
        return bool(low - step / 2 < z < low + (grid.shape[2] - 0.5) * step)

    def images(self, folder: Path, drawn: Any, found: Sequence[_Shown], *, organs: bool) -> Rows:
        """Write CT, lesion mask and (on request) organ map; their rows. Without images: the rows of the grids."""
        labels = {each.lesion.number: f"lesion {each.lesion.number}" for each in found}
        if drawn is None:
            return [self._row(None, "CT", None), self._row(None, "mask", labels)]
        grid, pose = self.series.grid, self.planned.pose
        couch = pose.table_mm[1] + 125.0 / self.patient.scale
        rng = self.patient.rng("ct", 10 * self.planned.number + self.series.number)
        ct = acquire_ct(drawn.values, grid, self.series.machine, rng, couch_mm=couch)
        to_mask, to_organ = np.zeros(256, np.uint8), np.arange(256, dtype=np.uint8)
        numbers = {name: number for number, name in drawn.names.items()}
        for each in found:
            to_mask[numbers[each.lesion.drawn_as]] = each.lesion.number
        names = {number: name for number, name in drawn.names.items() if name[0].isalpha()}
        for number in numbers.values():
            if number not in names:
                to_organ[number] = 0
        rows = [
            self._row(folder, "CT", None, Volume(ct, grid.affine, Unit.HU)),
            self._row(folder, "mask", labels, Volume(to_mask[drawn.labels], grid.affine, Unit.LABEL)),
        ]
        if organs and self.series.number == 1:
            rows.append(self._row(folder, "organs", names, Volume(to_organ[drawn.labels], grid.affine, Unit.LABEL)))
        return rows

    def _row(
        self, folder: Path | None, kind: str, labels: Mapping[int, str] | None, volume: Volume | None = None
    ) -> dict[str, Any]:
        image_id = f"{self.exam_id}.{kind}{self._suffix}"
        facts = {
            "series": self.series.number,
            "machine": self.series.machine.name,
            "field": self.planned.field,
            "contrast": self.planned.contrast > 0,
        }
        if volume is None or folder is None:
            affine = self.series.grid
            for axis, letter in enumerate(self.series.machine.orientation):
                affine = affine if letter == "LPS"[axis] else affine.flip(axis)
            row: dict[str, Any] = {
                "image_id": image_id,
                "exam_id": self.exam_id,
                "modality": str(Modality.CT if kind == "CT" else Modality.SEG),
                "role": str(Role.IMAGE if kind == "CT" else Role.MASK),
                "unit": str(Unit.HU if kind == "CT" else Unit.LABEL),
                "shape": list(affine.shape),
                "affine": affine.affine.ravel().tolist(),
                "options": json.dumps({"facts": facts}, sort_keys=True),
            }
        else:
            for axis, letter in enumerate(self.series.machine.orientation):
                volume = volume if letter == "LPS"[axis] else volume.flip(axis)
            path = folder / f"{image_id}.nii.gz"
            write_nifti(volume, path)
            row = describe_image(
                path,
                image_id=image_id,
                exam_id=self.exam_id,
                modality=Modality.CT if kind == "CT" else Modality.SEG,
                role=Role.IMAGE if kind == "CT" else Role.MASK,
                unit=volume.unit,
                options={"facts": facts},
            )
        if kind != "CT":
            row |= {
                "run_id": EXPERT if kind == "mask" else TRUTH,
                "reference_image_id": self.image_id,
                "labels": dict(labels or {}),
            }
        return row
