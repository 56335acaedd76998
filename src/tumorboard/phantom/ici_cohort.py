"""A cohort of virtual lung-cancer patients before immunotherapy: CT crops, a table, PFS and OS, the planted truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import save_cohort
from tumorboard.phantom.faults import plant
from tumorboard.phantom.ici import ETA_SD, ICI_DICTIONARY, SHARES, IciPatient, draw_ici_patient, ici_ceilings
from tumorboard.phantom.ici_image import SHAPE, SPACING_MM, render_ici

__all__ = ["make_ici_cohort"]

Rows = list[dict[str, Any]]


def make_ici_cohort(
    out: Path,
    *,
    patients: int = 12,
    seed: int = 0,
    images: bool = True,
    faults: Sequence[str] = (),
    map: Callable[..., Iterable[Any]] = map,
) -> Cohort:
    """Make virtual patients below `out`; their cohort, saved there.

    Every patient has one exam with a CT crop round the tumour and its mask (run ``expert``), a table with gaps, PFS and
    OS. Runs ``truth`` ... (`phantom.ici.ici_scores`) hold the best risks of PFS that a reader of a part could state;
    the provenance holds their C-indices over redrawn follow-ups. Patient i of a seed is the same in any cohort.
    PHA102 for a fault without a place.
    """
    root = Path(out).resolve()
    drawn = [draw_ici_patient(seed, index) for index in range(patients)]
    tables: dict[str, Rows] = {"patients": [], "exams": [], "images": [], "outcomes": []}
    for patient in drawn:
        me = patient.patient_id
        common = {"centre": patient.centre, "sex": patient.sex, "age_years": patient.age_years}
        tables["patients"].append({"patient_id": me, **common, **patient.record})
        tables["exams"].append({"exam_id": f"{me}.0", "patient_id": me, "day": 0, "order": 0, "kind": "CT"})
        tables["outcomes"] += _outcomes(patient)
    for rows in map(partial(_images, folder=root / "images"), drawn) if images else ():
        tables["images"] += rows
    runs = list(drawn[0].scores) if drawn else []
    cohort = Cohort.build(
        f"virtual patients, lung-ici, seed {seed}",
        dictionary=ICI_DICTIONARY,
        provenance=[_provenance(drawn, seed)],
        root=root,
        loader=load_image,
        runs=[{"run_id": run, "task": "phantom", "kind": "truth"} for run in runs],
        **tables,  # type: ignore[arg-type]
    )
    return save_cohort(plant(cohort, list(faults), seed=seed) if faults else cohort, root)


def _outcomes(patient: IciPatient) -> Rows:
    rows: Rows = [
        {
            "patient_id": patient.patient_id,
            "endpoint": endpoint,
            "run_id": EXPERT,
            "survival": {"event": event, "time_days": days},
        }
        for endpoint, (event, days) in (("PFS", patient.pfs), ("OS", patient.os))
    ]
    for run, score in patient.scores.items():
        rows.append({"patient_id": patient.patient_id, "endpoint": "PFS", "run_id": run, "score": score})
    return rows


def _images(patient: IciPatient, *, folder: Path) -> Rows:
    ct, mask = render_ici(patient)
    exam = f"{patient.patient_id}.0"
    rows = []
    for name, volume, modality, role in (
        ("CT", ct, Modality.CT, Role.IMAGE),
        ("mask", mask, Modality.SEG, Role.MASK),
    ):
        path = folder / patient.patient_id / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(volume, path)
        row = describe_image(
            path,
            image_id=f"{exam}.{name}",
            exam_id=exam,
            modality=modality,
            role=role,
            unit=volume.unit,
            run_id=EXPERT if role is Role.MASK else None,
            labels={1: "GTV"} if volume.unit is Unit.LABEL else None,
        )
        rows.append({**row, "reference_image_id": f"{exam}.CT"} if role is Role.MASK else row)
    return rows


def _provenance(drawn: Sequence[IciPatient], seed: int) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "source": "SYNTHETIC: virtual patients made by tumorboard.phantom; no real person is behind any row",
        "seed": seed,
        "patients": len(drawn),
        "region": "lung-ici",
        "crop": f"round the tumour, {SHAPE[2]} slices of {SHAPE[0]} x {SHAPE[1]}, {SPACING_MM} mm",
        "eta_sd": ETA_SD,
        "eta_shares": dict(SHARES),
    }
    if len(drawn) >= 2:
        scores = {run: [patient.scores[run] for patient in drawn] for run in drawn[0].scores}
        ages = [patient.age_years for patient in drawn]
        entry["c_index_ceiling"] = ici_ceilings(scores, eta=scores["truth"], age_years=ages, seed=seed, repeats=10)
    return entry
