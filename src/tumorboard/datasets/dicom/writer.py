"""Cohort -> folder tree of DICOM series."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tumorboard.core.cohort import Cohort, PatientView
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.identifiers import file_names, write_ids
from tumorboard.io.dicom.dose_write import write_dose
from tumorboard.io.dicom.image_write import Injection, StudyIdentity, write_image_series
from tumorboard.io.dicom.rtstruct_write import write_structures
from tumorboard.io.dicom.seg_write import write_segmentation
from tumorboard.io.dicom.series import Series, arrange_series, load_headers

__all__ = ["derived_series", "on_series", "study_identity", "write"]

_FIRST_DAY = date(2000, 1, 1)


def write(
    cohort: Cohort,
    out: Path,
    *,
    masks: Literal["rtstruct", "seg"] = "rtstruct",
    pet: Literal["BQML", "GML"] = "BQML",
    weight_kg: float | None = None,
    dose_bq: float = 3.7e8,
    uptake_s: float = 3600.0,
    unnamed: Literal["error", "name"] = "error",
) -> None:
    """Write the images, doses and the experts' masks of a cohort as DICOM: `<ID>/<exam>/<CT|PT ...>/0000.dcm`.

    Parameters
    ----------
    masks : as RT structure sets or segmentations.
    pet : store PET in Bq/ml with weight, dose and times that lead back to SUV, or as SUV (GML).
    weight_kg : for patients without a `weight_kg` in the cohort (BQML needs one; SUV102 otherwise).
    dose_bq, uptake_s : the injection that the BQML headers state, where the image's row does not know its own
        (`facts` in its options: weight_kg, injected_dose_mbq, uptake_min). A PET in Bq/ml needs the latter.
    unnamed : what becomes of mask values without a label: ``error`` (SEG105), or a structure called ``value 3``.

    Dates are made up from the days of the exams (day 0 = 1 January 2000). Errors: LAY111 for a PET in another unit than
    SUVbw, a mask without its image, or a modality that is none here; LAY112 when `out` is not empty.
    """
    names = file_names(cohort.patient_ids, allowed=r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
    injection = Injection(dose_bq, uptake_s) if pet == "BQML" else None
    with new_folder(Path(out), cohort) as folder:
        for patient_id, written in names.items():
            view = cohort.patient(patient_id)
            for exam in view.exams:
                study = study_identity(view, exam, written, weight_kg=weight_kg)
                place = folder / written / f"exam-{exam['order'] or 0}"
                _write_exam(view, exam["exam_id"], study, place, _Choice(masks, injection, unnamed))
        write_ids(folder, names)


@dataclass(frozen=True)
class _Choice:
    """How masks and PET are written."""

    masks: str
    injection: Injection | None
    unnamed: str


def study_identity(
    view: PatientView, exam: Mapping[str, Any], written: str, *, weight_kg: float | None = None
) -> StudyIdentity:
    """Made-up study of an exam: dates from its day, identifiers from its ids."""
    record = view.record
    day = exam["day"]
    return StudyIdentity(
        written,
        exam["exam_id"],
        (_FIRST_DAY + timedelta(days=round(day))).strftime("%Y%m%d") if day is not None else "",
        int(exam["order"] or 0),
        record["sex"] or "",
        record["age_years"],
        record.get("weight_kg") or weight_kg,
        exam["kind"] or "",
    )


def _write_exam(view: PatientView, exam_id: str, study: StudyIdentity, place: Path, choice: _Choice) -> None:
    rows = [row for row in view.images(exam_id=exam_id) if row["run_id"] in (None, EXPERT)]
    series: dict[str, Series] = {}
    for number, row in enumerate((r for r in rows if r["role"] == Role.IMAGE), 1):
        stem = row["image_id"].removeprefix(f"{exam_id}.")
        own, injection = _injected(row, study, choice.injection)
        volume = _image(view.cohort, row)
        series[row["image_id"]] = derived_series(
            volume, place / stem, study=own, name=stem, number=number, derived=False, injection=injection
        )
    for number, row in enumerate((r for r in rows if r["role"] == Role.DOSE), 800):
        write_dose(view.cohort.image(row["image_id"]), place / f"RD{number - 800}.dcm", study=study, number=number)
    for number, row in enumerate((r for r in rows if r["role"] == Role.MASK), 900):
        source = series.get(row["reference_image_id"] or "")
        if source is None or not row["labels"]:
            raise TumorboardError(
                codes.NOT_WRITABLE, row["image_id"], found="a mask without image or labels", expected="both"
            )
        mask = on_series(view.cohort.image(row["image_id"]), source)
        labels = dict(row["labels"])
        if choice.unnamed == "name":
            labels |= {v: f"value {v}" for v in np.unique(mask.array).tolist() if v and v not in labels}
        write_mask = write_structures if choice.masks == "rtstruct" else write_segmentation
        target = place / f"{'RS' if choice.masks == 'rtstruct' else 'SEG'}{number - 900}.dcm"
        write_mask(mask, target, source=source, labels=labels, manual=True, series_number=number)


def _injected(
    row: Mapping[str, Any], study: StudyIdentity, injection: Injection | None
) -> tuple[StudyIdentity, Injection | None]:
    """Weight and injection that a PET's own row knows, above those of the patient and of the option; a PET that is SUV
    and to be stored as such needs none."""
    facts = json.loads(row["options"] or "{}").get("facts", {})
    if row["modality"] != Modality.PT or (injection is None and row["unit"] == Unit.SUVBW):
        return study, injection
    if {"weight_kg", "injected_dose_mbq", "uptake_min"} <= facts.keys():
        own = Injection(facts["injected_dose_mbq"] * 1e6, facts["uptake_min"] * 60.0)
        return replace(study, weight_kg=facts["weight_kg"]), own
    if row["unit"] == Unit.BQML:
        raise TumorboardError(
            codes.NOT_WRITABLE, row["image_id"], found="a PET in Bq/ml without dose and weight", expected="PET in SUVbw"
        )
    return study, injection


def _image(cohort: Cohort, row: Mapping[str, Any]) -> Volume:
    known = {Modality.CT: (Unit.HU,), Modality.PT: (Unit.SUVBW, Unit.BQML)}.get(row["modality"], ())
    if row["unit"] not in known:
        raise TumorboardError(
            codes.NOT_WRITABLE,
            row["image_id"],
            found=f"{row['modality']} in {row['unit']}",
            expected="CT in HU, PT in SUVbw or Bq/ml",
        )
    return cohort.image(row["image_id"])


def on_series(mask: Volume, source: Series) -> Volume:
    """The mask with its slices in the order of the series (a left-handed grid was turned over when it was written)."""
    flipped = mask.flip(2)
    return flipped if flipped.geometry.same_grid(source.geometry, tolerance_mm=0.01) else mask


def derived_series(
    volume: Volume,
    folder: Path,
    *,
    study: StudyIdentity,
    name: str,
    number: int,
    derived: bool = True,
    injection: Injection | None = None,
) -> Series:
    """Write an image as a DICOM series and return it as arranged from the files."""
    files = write_image_series(
        volume, folder, study=study, description=name, number=number, derived=derived, injection=injection
    )
    return arrange_series(load_headers(files), unit=Unit.UNKNOWN)
