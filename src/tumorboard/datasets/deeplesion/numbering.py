"""Who is which patient, study and series, and which slice number a scan begins with, when a cohort is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import picture_grid
from tumorboard.datasets.deeplesion.table import SPLITS
from tumorboard.datasets.export import PatientRows, rows_by_patient

__all__ = ["Numbered", "NumberedImage", "number_cohort"]

_NUMBER_OF = {word: number for number, word in SPLITS.items()}
_TURN = (1, 1, 1, 2, 3)
"""Splits given in turn to patients of unknown split (lossy only)."""


@dataclass(frozen=True)
class NumberedImage:
    """A CT of the cohort as the layout names it. `geometry`: its grid with axes column (to the left), row (to the
    back), slice (to the feet); None where spacing or interval are not known, which `told` then holds as published."""

    row: Mapping[str, Any]
    patient: int
    study: int
    series: int
    first: int
    split: int
    sex: str | None
    age_years: float | None
    geometry: Geometry | None
    told: Mapping[str, Any]

    @property
    def series_name(self) -> str:
        return f"{self.patient:06d}_{self.study:02d}_{self.series:02d}"

    @property
    def slices(self) -> int:
        return self.geometry.shape[2] if self.geometry else int(self.row["shape"][2])

    @property
    def size_px(self) -> tuple[int, int]:
        columns, rows = self.geometry.shape[:2] if self.geometry else self.row["shape"][:2]
        return int(columns), int(rows)


@dataclass(frozen=True)
class Numbered:
    """Patient id -> six digits, and the images that lesions are marked on, by image id."""

    patient_names: Mapping[str, str]
    images: Mapping[str, NumberedImage]


def number_cohort(cohort: Cohort, *, lossy: bool) -> Numbered:
    """Numbers for every patient, study and series with a marked lesion; numbers that are there (ids of six digits, exam
    ids PATIENT_SS, what our own reader kept) stay. LAY111 for what the layout cannot say, unless `lossy`."""
    findings = cohort.rows("findings", run_id=EXPERT)
    marked = {row["image_id"] for row in findings if row["kind"] == RECIST_PAIR}
    unsaid = [f"{sum(row['kind'] != RECIST_PAIR for row in findings)} other findings"]
    patients = rows_by_patient(cohort)
    names = _patient_names([patient.patient_id for patient in patients])
    images: dict[str, NumberedImage] = {}
    without_split = 0
    for turn, patient in enumerate(patients):
        split = _NUMBER_OF.get(str(patient.record.get("split")))
        without_split += split is None
        for at, exam in enumerate(patient.exams, 1):
            listed = [row for row in patient.images_of(exam["exam_id"]) if row["image_id"] in marked and _is_ct(row)]
            study = _study(patient.patient_id, exam["exam_id"], at)
            for row, series in zip(listed, _series(listed), strict=True):
                images[row["image_id"]] = _numbered(
                    row, patient, int(names[patient.patient_id]), study, series, split or _TURN[turn % len(_TURN)]
                )
    acquired = [row for row in cohort.rows("images") if row["run_id"] in (None, EXPERT)]
    unsaid += [
        f"{sum(row['image_id'] not in images for row in acquired)} images without a marked lesion, or no CT",
        f"{without_split} patients without a split",
        f"{len(marked - images.keys())} images with lesions that are no CT in HU",
    ]
    unsaid = [text for text in unsaid if not text.startswith("0 ")]
    if unsaid and not lossy:
        raise TumorboardError(
            codes.NOT_WRITABLE,
            cohort.name,
            found="; ".join(unsaid),
            expected="CT with RECIST pairs, and patients with a split",
            fix="leave them out (and give splits in turn) with --set lossy=true",
        )
    return Numbered(names, images)


def _patient_names(ids: Sequence[str]) -> dict[str, str]:
    own = {patient for patient in ids if re.fullmatch(r"\d{6}", patient) and int(patient) > 0}
    free = (f"{number:06d}" for number in range(1, 10**6) if f"{number:06d}" not in own)
    return {patient: patient if patient in own else next(free) for patient in ids}


def _study(patient_id: str, exam_id: str, at: int) -> int:
    tail = exam_id.removeprefix(f"{patient_id}_")
    return int(tail) if tail != exam_id and re.fullmatch(r"\d{2}", tail) else at


def _series(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Series numbers of an exam's images: those that are known, else the next free one for each image."""
    known = [_told(row).get("series") for row in rows]
    free = (number for number in range(1, 100) if number not in known)
    return [number if isinstance(number, int) else next(free) for number in known]


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    told = json.loads(row["options"] or "{}").get("deeplesion", {})
    return told if isinstance(told, dict) else {}


def _numbered(
    row: Mapping[str, Any], patient: PatientRows, number: int, study: int, series: int, split: int
) -> NumberedImage:
    told = _told(row)
    geometry = None if row["affine"] is None else picture_grid(row)
    sex = patient.record.get("sex")
    return NumberedImage(
        row,
        number,
        study,
        series,
        int(told.get("first_slice", 1)),
        split,
        {"female": "F", "male": "M"}.get(str(sex)),
        told["age_years"] if "age_years" in told else patient.record.get("age_years"),
        geometry,
        told,
    )


def _is_ct(row: Mapping[str, Any]) -> bool:
    return (row["modality"], row["role"], row["unit"]) == (Modality.CT, Role.IMAGE, Unit.HU)
