"""A cohort of virtual chest clinics: X-rays with boxes and lung masks, reports with their graphs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.io.files import atomic_write_bytes
from tumorboard.io.images import load_image
from tumorboard.io.radiograph import frontal_affine
from tumorboard.io.store import save_cohort
from tumorboard.phantom import codes
from tumorboard.phantom.chest import ChestPatient, draw_chest_patient, take
from tumorboard.phantom.chest_truth import change_rows, sign_rows
from tumorboard.phantom.radiograph_faults import XRAY_FAULTS
from tumorboard.phantom.radiograph_picture import Radiograph
from tumorboard.phantom.report import ReportOptions, write_report

__all__ = ["ChestOptions", "exam_rows", "make_chest_cohort"]

TRUTH = "truth"
"""The run of what nobody wrote: every planted sign and change, said in the report or not."""
LUNG_LABELS = {1: "right lung", 2: "left lung"}


@dataclass(frozen=True)
class ChestOptions:
    """size_px : of the longer side of a picture. bits : 8 or 16 per pixel. images, reports : whether there are any.
    masked_words : replace dates, ages and names, and now and then another word, by XXXX, as open reports do."""

    size_px: int = 512
    bits: int = 8
    images: bool = True
    reports: bool = True
    masked_words: bool = False


def make_chest_cohort(
    out: Path,
    *,
    patients: int = 12,
    seed: int = 0,
    exams: int = 2,
    options: ChestOptions | None = None,
    faults: Sequence[str] = (),
    map: Callable[..., Iterable[Any]] = map,
) -> Cohort:
    """Make virtual patients of a chest clinic below `out`; their cohort, saved there.

    Each patient has 1 to `exams` exams, each a frontal X-ray (PNG), its lung mask, the boxes of
    `core.chest.BOX_LOCATIONS` (run ``expert``), and a report in sections whose statements are `relations` (run
    ``expert``). The run ``truth`` holds every planted sign and every change between exams, said or not. faults : names
    of `radiograph_faults.XRAY_FAULTS`, each planted in the first exam of one patient. Patient i of a seed is the same
    in a cohort of any size.

    Errors: PHA101 unknown fault, PHA102 a fault without a patient or image for it.
    """
    chosen = options or ChestOptions()
    root = Path(out).resolve()
    drawn = [draw_chest_patient(seed, index, exams=exams) for index in range(patients)]
    faulty = _assigned(faults, drawn, seed=seed, options=chosen)
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("exams", "images", "findings", "texts", "relations")
    }
    work = partial(_patient_rows, folder=root / "images", options=chosen, faults=faulty)
    for rows in map(work, drawn):
        for name, more in rows.items():
            tables[name] += more
    cohort = Cohort.build(
        f"virtual chest X-rays, seed {seed}",
        provenance=[
            {
                "source": "SYNTHETIC: virtual patients made by tumorboard.phantom; no real person is behind any row",
                "seed": seed,
                "patients": patients,
                "region": "chest-xray",
                "size_px": chosen.size_px,
            },
            *(
                {"fault": fault, "summary": XRAY_FAULTS[fault].summary, "patients": [patient]}
                for patient, fault in faulty.items()
            ),
        ],
        root=root,
        loader=load_image,
        patients=[
            {
                "patient_id": p.patient_id,
                "centre": p.clinic,
                "sex": p.person.sex,
                "age_years": p.person.age_years,
            }
            for p in drawn
        ],
        runs=[{"run_id": TRUTH, "task": "phantom", "kind": "truth"}],
        **tables,  # type: ignore[arg-type]
    )
    return save_cohort(cohort, root)


def _assigned(
    faults: Sequence[str], drawn: Sequence[ChestPatient], *, seed: int, options: ChestOptions
) -> dict[str, str]:
    """Which patient gets which fault."""
    for name in faults:
        if name not in XRAY_FAULTS:
            known = ", ".join(XRAY_FAULTS)
            raise TumorboardError(codes.UNKNOWN_NAME, "faults", found=repr(name), expected=f"a fault among {known}")
    if faults and (not options.images or len(faults) > len(drawn)):
        what = "no images" if not options.images else f"{len(drawn)} patients for {len(faults)} faults"
        raise TumorboardError(codes.FAULT_NEEDS, "virtual chest X-rays", found=what, expected="an X-ray for each fault")
    order = np.random.default_rng([seed, 402]).permutation(len(drawn))
    return {drawn[int(index)].patient_id: fault for index, fault in zip(order, faults, strict=False)}


def _patient_rows(
    patient: ChestPatient, *, folder: Path, options: ChestOptions, faults: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """All rows of one patient by table; pictures are written below `folder`."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("exams", "images", "findings", "texts", "relations")}
    for n, exam in enumerate(patient.exams):
        rows["exams"].append(
            {"exam_id": exam.exam_id, "patient_id": patient.patient_id, "day": exam.day, "order": n, "kind": "X-ray"}
        )
        if options.images:
            for kind, picture in _pictures(patient, n, options, faults.get(patient.patient_id) if n == 0 else None):
                images, findings = exam_rows(picture, exam.exam_id, folder / patient.patient_id, options, kind=kind)
                rows["images"] += images
                rows["findings"] += findings
        if options.reports:
            report = write_report(patient, n, ReportOptions(masked_words=options.masked_words))
            rows["texts"] += report.text_rows()
            rows["relations"] += report.relation_rows()
        rows["relations"] += sign_rows(patient, n, run_id=TRUTH)
        rows["relations"] += change_rows(patient, n, run_id=TRUTH)
    return rows


def _pictures(
    patient: ChestPatient, exam: int, options: ChestOptions, fault: str | None
) -> list[tuple[str, Radiograph]]:
    """The exam's X-rays by kind, one of them perhaps faulty."""
    picture = take(patient, exam, size=options.size_px, lateral=fault == "xray-lateral")
    if fault == "xray-lateral":
        picture = replace(picture, view=patient.exams[exam].projection)  # what the file says
    elif fault == "xray-two-frontals":
        return [("DX", picture), ("DX2", take(patient, exam, size=options.size_px, repeat=1))]
    elif fault is not None and (change := XRAY_FAULTS[fault].change) is not None:
        picture = change(picture, patient.rng("fault", exam))
    return [("DX", picture)]


def exam_rows(
    picture: Radiograph, exam_id: str, folder: Path, options: ChestOptions, *, kind: str = "DX"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write a picture and its lung mask; their rows of `images` and the boxes' rows of `findings`."""
    image_id = f"{exam_id}.{kind}"
    grey = picture.image if options.bits == 8 else picture.image.astype(np.uint16) * np.uint16(257)
    unit = Unit.GREY8 if options.bits == 8 else Unit.GREY16
    rows = [_image_row(grey, folder / f"{image_id}.png", image_id, exam_id, picture, unit)]
    if picture.lungs:
        mask = np.zeros(picture.image.shape, np.uint8)
        for value, name in LUNG_LABELS.items():
            mask[picture.lungs[name.removesuffix(" lung")]] = value
        lungs = f"{image_id}.lungs"
        rows.append(
            _image_row(mask, folder / f"{lungs}.png", lungs, exam_id, picture, Unit.LABEL)
            | {
                "modality": str(Modality.SEG),
                "role": str(Role.MASK),
                "run_id": EXPERT,
                "reference_image_id": image_id,
                "labels": LUNG_LABELS,
            }
        )
    findings = [
        {
            "finding_id": f"{image_id}.{name}",
            "image_id": image_id,
            "run_id": EXPERT,
            "kind": "anatomical location",
            "label": name,
            "box": [round(float(v), 2) for v in box],
        }
        for name, box in picture.boxes.items()
    ]
    return rows, findings


def _image_row(
    pixels: NDArray[Any], path: Path, image_id: str, exam_id: str, picture: Radiograph, unit: Unit
) -> dict[str, Any]:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, buffer.getvalue())
    spacing = [round(picture.pixel_mm, 6)] * 2
    return {
        "image_id": image_id,
        "exam_id": exam_id,
        "modality": str(Modality.DX),
        "role": str(Role.IMAGE),
        "unit": str(unit),
        "format": "radiograph",
        "path": str(path.resolve()),
        "shape": [pixels.shape[1], pixels.shape[0], 1],
        "affine": frontal_affine(spacing).ravel().tolist(),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "options": json.dumps(
            {
                "projection": {"pixel_spacing_mm": spacing, "view": picture.view},
                "read": {"spacing_mm": spacing},
            },
            sort_keys=True,
        ),
    }
