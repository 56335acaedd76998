"""A cohort of virtual patients, on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import SAME_LESION
from tumorboard.core.tables import EXPERT
from tumorboard.io.images import load_image
from tumorboard.io.store import save_cohort
from tumorboard.phantom import codes
from tumorboard.phantom.clinical import DICTIONARY
from tumorboard.phantom.exam import TRUTH, ImagingOptions, finding_rows, image_rows, scan
from tumorboard.phantom.outcomes import ETA_SD, SHARES, ceilings, rfs_risk
from tumorboard.phantom.patient import VirtualPatient, centre_of, draw_patient
from tumorboard.phantom.scanner import CENTRES
from tumorboard.phantom.spread import spread as spread_out

__all__ = ["DEFAULT_CENTRES", "draw_patients", "make_cohort"]

DEFAULT_CENTRES = ("VA", "VB", "VC", "VD")
REGIONS = ("head-neck", "whole-body", "chest-xray", "body-ct", "lung-ici")
TRUTH_RUNS = (TRUTH, "truth-table", "truth-image", "truth-known")


def make_cohort(
    out: Path,
    *,
    patients: int = 12,
    seed: int = 0,
    region: str = "head-neck",
    centres: Sequence[str] = DEFAULT_CENTRES,
    exams: int = 2,
    followed: float = 1 / 3,
    spacing_mm: float | None = 3.0,
    tables_only: bool = False,
    imaged: int | None = None,
    organs: bool = False,
    dose: bool = True,
    quirks: bool = False,
    spread: bool = False,
    faults: Sequence[str] = (),
    size_px: int = 512,
    bits: int = 8,
    masked_words: bool = False,
    map: Callable[..., Iterable[Any]] = map,
) -> Cohort:
    """Make virtual patients below `out` and return their cohort, saved there.

    Parameters
    ----------
    out : folder of the cohort; images go to ``out/images``.
    patients, seed : how many, and which; patient i of a seed is the same in a cohort of any size.
    region : ``head-neck`` (vertex to the upper chest), ``whole-body`` (vertex to mid-thigh), ``chest-xray``:
        patients of a chest clinic with X-rays and reports (`phantom.chest_cohort`; of the options below, exams,
        tables_only, faults, map and those of X-rays count), ``body-ct``: patients followed by CT alone, all at as
        many exams (`phantom.ct_cohort`; exams, spacing_mm, tables_only, organs, faults and map count), or
        ``lung-ici``: CT crops of lung tumours before immunotherapy, with a table, PFS and OS
        (`phantom.ici_cohort`; tables_only, faults and map count).
    centres : of `phantom.scanner.CENTRES`, used in turn; name one twice to double its share.
    exams, followed : most exams per patient, and the share of patients who have them.
    spacing_mm : no voxel edge is shorter; None keeps each protocol's own grids (slower).
    tables_only : no images at all.
    imaged : of ``head-neck`` and ``whole-body``: only the first so many patients have images, the others clinical data
        and outcomes alone, as in cohorts whose images were released in part; None for all.
    organs : write the organ label map of every exam (run ``truth``).
    dose : plan an RT dose for each centre's share of patients.
    quirks : the centres' own habits that a check must notice (Bq/ml, stray labels).
    spread : of region whole-body: distant lesions, some in hot organs, some cold on CT; a third of the patients come in
        remission, without a lesion (`phantom.spread`).
    faults : names of `phantom.faults.FAULTS`, planted after the fact.
    size_px, bits, masked_words : of X-rays (longer side, 8 or 16 bits per pixel) and reports (XXXX for some words).
    map : where the patients are scanned (an executor's ``map``); the result does not depend on it.

    Hidden truth carries the runs ``truth`` (the best risk of RFS, eta as endpoint ``recurrence``, complete
    stages and HPV), ``truth-table``, ``truth-image`` (parts of eta) and ``truth-known`` (the table as recorded). The
    provenance holds the C-index that each of them reaches over redrawn follow-ups: what no honest model beats.
    """
    root = Path(out).resolve()
    _refuse(root, region=region, centres=centres)
    if spread and region != "whole-body":
        raise TumorboardError(codes.UNKNOWN_NAME, "spread", found=repr(region), expected="region whole-body")
    if region == "chest-xray":
        from tumorboard.phantom.chest_cohort import ChestOptions, make_chest_cohort

        _own_machines(centres, imaged)
        asked = ChestOptions(size_px=size_px, bits=bits, images=not tables_only, masked_words=masked_words)
        return make_chest_cohort(root, patients=patients, seed=seed, exams=exams, options=asked, faults=faults, map=map)
    if region == "body-ct":
        from tumorboard.phantom.ct_cohort import CtOptions, make_ct_cohort

        _own_machines(centres, imaged)
        scans = CtOptions(least_mm=spacing_mm, images=not tables_only, organs=organs)
        return make_ct_cohort(root, patients=patients, seed=seed, exams=exams, options=scans, faults=faults, map=map)
    if region == "lung-ici":
        from tumorboard.phantom.ici_cohort import make_ici_cohort

        _own_machines(centres, imaged)
        return make_ici_cohort(root, patients=patients, seed=seed, images=not tables_only, faults=faults, map=map)
    drawn = draw_patients(patients, seed=seed, centres=centres, exams=exams, followed=followed)
    if spread:
        drawn = [spread_out(patient) for patient in drawn]
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("patients", "exams", "images", "findings", "relations")
    }
    for patient in drawn:
        tables["patients"].append(_patient_row(patient))
        tables["exams"] += _exam_rows(patient)
    if not tables_only:
        options = ImagingOptions(
            region=region, spacing_mm=spacing_mm, organs=organs, dose=dose, quirks=quirks, spread=spread
        )
        scanned = drawn[:imaged]
        for images, findings in map(partial(_scan_patient, folder=root / "images", options=options), scanned):
            tables["images"] += images
            tables["findings"] += findings
        tables["relations"] = _same_lesions(tables["findings"])
    tables["outcomes"] = [row for patient in drawn for row in _outcome_rows(patient)]
    tables["runs"] = [{"run_id": run, "task": "phantom", "kind": "truth"} for run in TRUTH_RUNS]
    cohort = Cohort.build(
        f"virtual patients, {region}, seed {seed}",
        dictionary=DICTIONARY,
        provenance=[_provenance(drawn, seed=seed, region=region, centres=centres, spacing_mm=spacing_mm)],
        root=root,
        loader=load_image,
        **tables,
    )
    if faults:
        from tumorboard.phantom.faults import plant

        cohort = plant(cohort, faults, seed=seed)
    return save_cohort(cohort, root)


def _refuse(root: Path, *, region: str, centres: Sequence[str]) -> None:
    for name, known in ((region, REGIONS), *((centre, tuple(CENTRES)) for centre in centres)):
        if name not in known:
            raise TumorboardError(
                codes.UNKNOWN_NAME, "phantom", found=repr(name), expected=f"a name among {', '.join(known)}"
            )
    if root.exists() and any(root.iterdir()):
        raise TumorboardError(codes.OCCUPIED, root, found="files in it", expected="an empty or new folder")


def _own_machines(centres: Sequence[str], imaged: int | None) -> None:
    if tuple(centres) != DEFAULT_CENTRES:
        what = "none: the clinics of this region have machines of their own"
        raise TumorboardError(codes.UNKNOWN_NAME, "centres", found=", ".join(centres), expected=what)
    if imaged is not None:
        what = "none: all patients of this region have images, or (tables_only) nobody"
        raise TumorboardError(codes.UNKNOWN_NAME, "imaged", found=str(imaged), expected=what)


def draw_patients(
    count: int, *, seed: int, centres: Sequence[str] = DEFAULT_CENTRES, exams: int = 1, followed: float = 0.0
) -> list[VirtualPatient]:
    """The patients themselves, complete and without images."""
    numbers: dict[str, int] = {}
    drawn = []
    for index in range(count):
        centre = centre_of(seed, index, centres)
        numbers[centre] = numbers.get(centre, 0) + 1
        drawn.append(draw_patient(seed, index, centres=centres, number=numbers[centre], exams=exams, followed=followed))
    return drawn


def _scan_patient(
    patient: VirtualPatient, *, folder: Path, options: ImagingOptions
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    images, findings = [], []
    for exam in range(len(patient.exam_days)):
        exam_id = f"{patient.patient_id}.{exam}"
        shown = scan(patient, exam, options)
        images += image_rows(shown, folder / patient.patient_id, exam_id, options.labels)
        findings += finding_rows(shown, exam_id)
    return images, findings


def _patient_row(patient: VirtualPatient) -> dict[str, Any]:
    return {
        "patient_id": patient.patient_id,
        "centre": patient.protocol.name,
        "sex": patient.person.sex,
        "age_years": patient.person.age_years,
        **patient.record,
    }


def _exam_rows(patient: VirtualPatient) -> list[dict[str, Any]]:
    return [
        {
            "exam_id": f"{patient.patient_id}.{order}",
            "patient_id": patient.patient_id,
            "day": day,
            "order": order,
            "kind": "PET/CT",
        }
        for order, day in enumerate(patient.exam_days)
    ]


def _outcome_rows(patient: VirtualPatient) -> list[dict[str, Any]]:
    course, signal, disease = patient.course, patient.signal, patient.disease
    me = patient.patient_id
    rows: list[dict[str, Any]] = [
        {
            "patient_id": me,
            "endpoint": "RFS",
            "run_id": EXPERT,
            "survival": {"event": course.rfs_event, "time_days": course.rfs_days},
        },
        {
            "patient_id": me,
            "endpoint": "OS",
            "run_id": EXPERT,
            "survival": {"event": course.os_event, "time_days": course.os_days},
        },
    ]
    status = "positive" if disease.hpv else "negative"
    if patient.hpv_known:
        rows.append({"patient_id": me, "endpoint": "HPV", "run_id": EXPERT, "class_value": status})
    rows.append({"patient_id": me, "endpoint": "HPV", "run_id": TRUTH, "class_value": status})
    rows.append({"patient_id": me, "endpoint": "T stage", "run_id": TRUTH, "class_value": f"T{disease.t}"})
    rows.append({"patient_id": me, "endpoint": "N stage", "run_id": TRUTH, "class_value": f"N{disease.n}"})
    best = float(rfs_risk(signal.eta, patient.person.age_years))
    rows.append({"patient_id": me, "endpoint": "recurrence", "run_id": TRUTH, "score": signal.eta})
    scores = (best, signal.table, signal.image, patient.known_table_eta)
    rows += [
        {"patient_id": me, "endpoint": "RFS", "run_id": run, "score": score}
        for run, score in zip(TRUTH_RUNS, scores, strict=True)
    ]
    return rows


def _same_lesions(findings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A relation between every lesion and itself at the next exam that shows it."""
    last: dict[tuple[str, str], str] = {}
    rows = []
    for finding in findings:
        if finding["run_id"] != EXPERT:
            continue
        exam, _, name = finding["finding_id"].rpartition(".")
        key = (exam.rpartition(".")[0], name)
        if key in last:
            rows.append(
                {
                    "relation_id": f"{finding['finding_id']}.same",
                    "subject": finding["finding_id"],
                    "predicate": SAME_LESION,
                    "object": last[key],
                    "run_id": EXPERT,
                }
            )
        last[key] = finding["finding_id"]
    return rows


def _provenance(drawn: Sequence[VirtualPatient], *, seed: int, **facts: Any) -> dict[str, Any]:
    """Where this comes from: SYNTHETIC, and how well anybody could predict it."""
    entry: dict[str, Any] = {
        "source": "SYNTHETIC: virtual patients made by tumorboard.phantom; no real person is behind any row",
        "seed": seed,
        "patients": len(drawn),
        "eta_sd": ETA_SD,
        "eta_shares": dict(SHARES),
        **{name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()},
    }
    if len(drawn) >= 2:
        eta = np.array([p.signal.eta for p in drawn])
        ages = np.array([p.person.age_years for p in drawn])
        scores = {
            "best": rfs_risk(eta, ages),
            "eta": eta,
            "table": np.array([p.signal.table for p in drawn]),
            "image": np.array([p.signal.image for p in drawn]),
            "table as recorded": np.array([p.known_table_eta for p in drawn]),
        }
        repeats = 40 if len(drawn) <= 200 else 8
        entry["c_index_ceiling_rfs"] = ceilings(scores, eta=eta, age_years=ages, seed=seed, repeats=repeats)
    return entry
