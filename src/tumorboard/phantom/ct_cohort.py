"""A cohort of virtual patients followed by CT: lesions of eight types, their marks, masks, courses and responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import RECIST_PAIR, SAME_LESION
from tumorboard.core.tables import EXPERT
from tumorboard.io.images import load_image
from tumorboard.io.store import save_cohort
from tumorboard.phantom import codes
from tumorboard.phantom.ct_exam import TRUTH, CtOptions, exam_rows
from tumorboard.phantom.ct_faults import CT_FAULTS, plant_in_ct
from tumorboard.phantom.ct_plan import CtPatient, draw_ct_patient
from tumorboard.phantom.faults import FAULTS, plant

__all__ = ["make_ct_cohort"]

_MOST_TARGETS, _TARGETS_PER_ORGAN = 5, 2
Rows = list[dict[str, Any]]


def make_ct_cohort(
    out: Path,
    *,
    patients: int = 12,
    seed: int = 0,
    exams: int = 3,
    options: CtOptions | None = None,
    faults: Sequence[str] = (),
    map: Callable[..., Iterable[Any]] = map,
) -> Cohort:
    """Make virtual patients with `exams` CT exams each below `out`; their cohort, saved there.

    Run ``expert``: one lesion mask per series and one RECIST pair per lesion and series, the same lesion over time
    (and on two series of one exam) joined by relations. Run ``truth``: landmarks along the body, the planted response.
    Marks are true: measured on the shape itself, not in the image (`phantom.ct_truth`). Patient i of a seed is the
    same in a cohort of any size. `faults`: of `ct_faults.CT_FAULTS` or `faults.FAULTS`; PHA101 for another name,
    PHA102 where one has no place.
    """
    for name in faults:
        if name not in CT_FAULTS and name not in FAULTS:
            known = f"a fault among {', '.join((*CT_FAULTS, *FAULTS))}"
            raise TumorboardError(codes.UNKNOWN_NAME, "faults", found=repr(name), expected=known)
    root = Path(out).resolve()
    chosen = options or CtOptions()
    work = partial(_patient_rows, seed=seed, exams=exams, folder=root / "images", options=chosen)
    tables: dict[str, Rows] = {name: [] for name in ("patients", "exams", "images", "findings", "relations")}
    tables["outcomes"] = []
    for rows in map(work, range(patients)):
        for name, more in rows.items():
            tables[name] += more
    cohort = Cohort.build(
        f"virtual patients, body-ct, seed {seed}",
        provenance=[
            {
                "source": "SYNTHETIC: virtual patients made by tumorboard.phantom; no real person is behind any row",
                "seed": seed,
                "patients": patients,
                "region": "body-ct",
                "exams": exams,
                "spacing_mm": chosen.least_mm,
                "measured": "RECIST axes, boxes and volumes are those of the true shape, not of its voxels",
            }
        ],
        root=root,
        loader=load_image,
        runs=[{"run_id": TRUTH, "task": "phantom", "kind": "truth"}],
        **tables,  # type: ignore[arg-type]
    )
    for order, name in enumerate(faults):
        if name in CT_FAULTS:
            cohort = plant_in_ct(cohort, name, seed=seed, order=order)
        else:
            cohort = plant(cohort, [name], seed=seed + order)
    return save_cohort(cohort, root)


def _patient_rows(index: int, *, seed: int, exams: int, folder: Path, options: CtOptions) -> dict[str, Rows]:
    patient = draw_ct_patient(seed, index, exams=exams)
    me = patient.patient_id
    rows: dict[str, Rows] = {"images": [], "findings": []}
    rows["patients"] = [
        {
            "patient_id": me,
            "centre": patient.clinic,
            "sex": patient.person.sex,
            "age_years": patient.person.age_years,
        }
    ]
    rows["exams"] = [
        {"exam_id": f"{me}.{n}", "patient_id": me, "day": day, "order": n, "kind": "CT"}
        for n, day in enumerate(patient.exam_days)
    ]
    targets = _targets(patient)
    for exam in range(exams):
        images, findings = exam_rows(patient, exam, folder=folder / me, options=options, targets=targets)
        rows["images"] += images
        rows["findings"] += findings
    rows["relations"] = _same_lesions([row for row in rows["findings"] if row["kind"] == RECIST_PAIR])
    # Without a measurable lesion there is nothing that a response could be measured on.
    told = list(enumerate(patient.responses, start=1)) if targets else []
    rows["outcomes"] = [
        {"patient_id": me, "endpoint": f"RECIST 1.1, exam {n}", "run_id": TRUTH, "class_value": response}
        for n, response in told
    ]
    return rows


def _targets(patient: CtPatient) -> frozenset[int]:
    """Numbers of the targets: the largest measurable lesions of the first exam, at most two per organ and five in all
    (RECIST 1.1: 10 mm, nodes 15 mm short axis; here with a margin, since a mark is in a slice)."""
    chosen: list[int] = []
    organs: dict[str, int] = {}
    for lesion in sorted(patient.lesions, key=lambda lesion: -lesion.long_axis_mm):
        track = min(lesion.number, lesion.partner or lesion.number)
        least = 22.0 if lesion.node else 12.0
        if lesion.factors[0] <= 0 or lesion.long_axis_mm < least or track in chosen:
            continue
        if organs.get(lesion.kind, 0) < _TARGETS_PER_ORGAN and len(chosen) < _MOST_TARGETS:
            organs[lesion.kind] = organs.get(lesion.kind, 0) + 1
            chosen.append(track)
    return frozenset(chosen)


def _same_lesions(findings: Rows) -> Rows:
    """Relations of one patient: every lesion with itself at the next exam that shows it (the first series that does),
    and within an exam with itself in the other series. Partners that are one body belong to both of their parts."""
    by_track: dict[int, dict[int, Rows]] = {}
    for row in findings:
        facts = json.loads(row["attributes"])
        exam = int(row["image_id"].split(".")[-2])
        by_track.setdefault(facts["lesion"], {}).setdefault(exam, []).append(row)
    rows: Rows = []
    for exams in by_track.values():
        last: Rows = []
        for exam in sorted(exams):
            rows += _between_series(exams[exam])
            first = _first_series(exams[exam])
            rows += _links(last, first)
            last = first
    return rows


def _first_series(rows: Rows) -> Rows:
    """One row per part: of the first series that shows it."""
    best: dict[int, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: str(row["image_id"])):
        best.setdefault(json.loads(row["attributes"])["value"], row)
    return list(best.values())


def _links(before: Rows, after: Rows) -> Rows:
    """Part with the same part; where one side is one body, with all parts of the other."""
    pairs = []
    for old in before:
        for new in after:
            parts = [json.loads(row["attributes"])["value"] for row in (old, new)]
            if parts[0] == parts[1] or len(before) == 1 or len(after) == 1:
                pairs.append((old, new, {}))
    return [_relation(old, new, **facts) for old, new, facts in pairs]


def _between_series(rows: Rows) -> Rows:
    by_part: dict[int, Rows] = {}
    for row in sorted(rows, key=lambda row: str(row["image_id"])):
        by_part.setdefault(json.loads(row["attributes"])["value"], []).append(row)
    return [_relation(part[0], other, same_exam=True) for part in by_part.values() for other in part[1:]]


def _relation(subject: dict[str, Any], object_: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {
        "relation_id": f"{subject['finding_id']}={object_['finding_id']}",
        "subject": subject["finding_id"],
        "predicate": SAME_LESION,
        "object": object_["finding_id"],
        "run_id": EXPERT,
        "attributes": json.dumps(facts) if facts else None,
    }
