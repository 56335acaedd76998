"""Tracks of a cohort to responses by RECIST 1.1: one JSON-able dictionary per patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import MASK_LABEL, RECIST_PAIR, SAME_LESION
from tumorboard.core.tables import EXPERT
from tumorboard.metrics.growth import axes_volume_ml, growth
from tumorboard.metrics.irecist import Visit, irecist
from tumorboard.metrics.response import (
    Assessment,
    Lesion,
    Rules,
    Seen,
    assess,
    best_response,
    choose_targets,
    overall_response,
)
from tumorboard.tasks.response.config import ResponseConfig
from tumorboard.tasks.response.course import Course, Followed, build_course
from tumorboard.tasks.response.marks import Mark, read_marks

__all__ = ["related_tracks", "respond"]

RULES = "RECIST 1.1"


def related_tracks(cohort: Cohort, *, run_id: str = EXPERT, kinds: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The tracks that the relations 'same lesion' of a run join: connected findings of one patient, and findings of
    these kinds and this run that nothing joins (RECIST pairs where the run has any, else parts of masks). Dictionaries
    with track, patient and findings, by patient."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    patient_of = _patients(cohort)
    known = {row["kind"] for row in cohort.rows("findings", run_id=run_id)}
    kinds = kinds or [kind for kind in (RECIST_PAIR, MASK_LABEL) if kind in known][:1]
    pairs = [(row["subject"], row["object"]) for row in cohort.rows("relations", predicate=SAME_LESION, run_id=run_id)]
    joined = {finding for pair in pairs for finding in pair}
    names = sorted(
        row["finding_id"]
        for row in cohort.rows("findings")
        if row["finding_id"] in joined or (row["kind"] in kinds and row["run_id"] == run_id)
    )
    place = {name: n for n, name in enumerate(names)}
    a, b = (np.array([place[pair[side]] for pair in pairs], int) for side in (0, 1))
    graph = coo_array((np.ones(len(pairs), np.int8), (a, b)), shape=(len(names), len(names)))
    _, group = connected_components(graph, directed=False)
    members: dict[int, list[str]] = {}
    for name, number in zip(names, group.tolist(), strict=True):
        members.setdefault(number, []).append(name)
    found: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for findings in sorted(members.values(), key=lambda listed: (patient_of[listed[0]], listed[0])):
        patient = patient_of[findings[0]]
        counts[patient] = counts.get(patient, 0) + 1
        found.append({"track": f"{patient}.t{counts[patient]}", "patient": patient, "findings": findings})
    return found


def respond(
    cohort: Cohort, tracks: Iterable[Mapping[str, Any]], *, config: ResponseConfig | None = None
) -> list[dict[str, Any]]:
    """Response of every patient with a track, by patient id.

    tracks : dictionaries with `track` (name), `patient` and `findings` (ids); the order of tracks and findings changes
    nothing. Two findings of a track on one image are parts of the lesion and are added; on two images of one exam they
    are the lesion measured twice, and one series is taken.

    Each result has patient, rules, best (None without a second exam), marks (complete or partial), exams (in time, with
    sum, nadir, change and response), lesions (values by exam, role, growth) and problem: the coded message that kept
    this patient from being judged, else None; other patients are judged all the same.
    """
    chosen = config or ResponseConfig()
    by_patient: dict[str, list[Mapping[str, Any]]] = {}
    for track in tracks:
        by_patient.setdefault(str(track["patient"]), []).append(track)
    found = []
    for patient_id in sorted(by_patient):
        mine = by_patient[patient_id]
        try:
            alone = cohort.subset([patient_id])
            marks = read_marks(alone, (f for track in mine for f in track["findings"]), masks=chosen.measure == "masks")
            course = build_course(alone, patient_id, mine, marks, config=chosen)
            found.append(_judged(alone, course, chosen))
        except TumorboardError as error:
            found.append(
                {"patient": patient_id, "rules": RULES, "best": None, "marks": None, "exams": [], "lesions": [],
                 "problem": str(error)}
            )  # fmt: skip
    return found


def _patients(cohort: Cohort) -> dict[str, str]:
    """Finding -> patient."""
    exam = dict(zip(cohort.exams["exam_id"].to_pylist(), cohort.exams["patient_id"].to_pylist(), strict=True))
    image = dict(zip(cohort.images["image_id"].to_pylist(), cohort.images["exam_id"].to_pylist(), strict=True))
    findings = cohort.findings.select(["finding_id", "image_id"]).to_pydict()
    pairs = zip(findings["finding_id"], findings["image_id"], strict=True)
    return {finding: exam[image[where]] for finding, where in pairs if where is not None}


def _judged(patient: Cohort, course: Course, config: ResponseConfig) -> dict[str, Any]:
    images = {row["image_id"]: row for row in patient.rows("images")}
    rules = config.rules()
    targets = choose_targets(course.candidates(images, bone=config.bone_targets), rules)
    new = [
        [one.name for one in course.lesions if exam["exam_id"] in one.marks and _is_new(one, place)]
        for place, exam in enumerate(course.exams)
    ]
    lesions = course.as_lesions(targets, rules)
    results = assess(lesions, new, rules)
    days = course.days()
    best, problem = None, None
    if results:
        timed = list(days[1:])
        needs_days = config.confirm_days is not None or config.least_stable_days > 0
        if needs_days and any(day is None for day in timed):
            problem = "best response not given: confirmation and least duration need the day of every exam"
        else:
            best = best_response(
                [one.response for one in results], timed,
                confirm_days=config.confirm_days, least_stable_days=config.least_stable_days,
            ).value  # fmt: skip
    immune = irecist(_visits(course, results, new, set(targets), rules)) if config.immunotherapy else []
    return {
        "patient": course.patient_id,
        "rules": RULES,
        "best": best,
        "marks": "complete" if course.complete else "partial",
        "exams": _exam_rows(course, days, results, _baseline_mm(lesions, rules), [str(one) for one in immune]),
        "lesions": [_lesion_row(one, course, days, targets, config) for one in course.lesions],
        "problem": problem,
    }


def _is_new(one: Followed, place: int) -> bool:
    return one.new_from is not None and place >= one.new_from


def _visits(
    course: Course, results: Sequence[Assessment], new: Sequence[Sequence[str]], targets: set[str], rules: Rules
) -> list[Visit]:
    """The exams after the baseline as iRECIST looks at them. A new lesion counts by its long axis (a node's short one);
    it can be followed by 5 mm once it is measurable."""
    by_name = {one.name: one for one in course.lesions}
    found = []
    for number, one in enumerate(results, start=1):
        sizes = {name: by_name[name].sights[number].value_mm(rules) or 0.0 for name in new[number]}
        least = {name: rules.measurable_node_mm if by_name[name].node else rules.measurable_mm for name in sizes}
        others = [f.sights[number].value_mm(rules) for f in course.lesions if f.at_baseline and f.name not in targets]
        found.append(
            Visit(
                one.target,
                one.non_target,
                overall_response(one.target, one.non_target, new=False),
                one.sum_mm,
                None if not others or None in others else sum(value or 0.0 for value in others),
                sizes,
                frozenset(name for name, size in sizes.items() if size >= least[name]),
            )
        )
    return found


def _baseline_mm(lesions: Sequence[Lesion], rules: Rules) -> float | None:
    values = [one.sights[0].value_mm(rules) for one in lesions if one.target]
    return sum(value or 0.0 for value in values) if values else None


def _exam_rows(
    course: Course,
    days: Sequence[float | None],
    results: Sequence[Assessment],
    baseline: float | None,
    immune: Sequence[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """The baseline first; it has a sum and no response."""
    rows = []
    for number, (exam, day) in enumerate(zip(course.exams, days, strict=True)):
        one = results[number - 1] if number else None
        rows.append(
            {
                "exam": exam["exam_id"],
                "day": day,
                "order": number,
                "sum_mm": _rounded(one.sum_mm if one else baseline),
                "baseline_mm": _rounded(baseline),
                "nadir_mm": _rounded(one.nadir_mm if one else None),
                "change_from_baseline": _rounded(one.change_share if one else None, 6),
                "change_from_nadir_mm": _rounded(one.above_nadir_mm if one else None),
                "target": one.target.value if one and one.target else None,
                "non_target": one.non_target.value if one and one.non_target else None,
                "new_lesions": list(one.new) if one else [],
                "response": one.response.value if one else None,
                **({"irecist": immune[number - 1] if one else None} if immune else {}),
                "why": one.why if one else "baseline",
            }
        )
    return rows


def _lesion_row(
    one: Followed, course: Course, days: Sequence[float | None], targets: Iterable[str], config: ResponseConfig
) -> dict[str, Any]:
    values = []
    for exam, sight in zip(course.exams, one.sights, strict=True):
        parts = one.marks.get(exam["exam_id"], ())
        counted = sight.value_mm(config.rules())
        values.append(
            {
                "exam": exam["exam_id"],
                "findings": [mark.finding_id for mark in parts],
                "status": sight.seen.value,
                "diameter_mm": _rounded(counted),
                "long_axis_mm": _rounded(_sum_of(parts, "long_axis_mm")),
                "short_axis_mm": _rounded(_sum_of(parts, "short_axis_mm")),
                "volume_ml": _rounded(_sum_of(parts, "volume_ml"), 6),
                "measured_by": parts[0].measured_by if parts else None,
            }
        )
    return {
        "track": one.name,
        "label": one.label,
        "organ": one.organ,
        "node": one.node,
        "role": _role(one, set(targets), config),
        "values": values,
        "growth": _growth(one, course, days, config.axis_error_mm),
        "growth_last": _growth(one, course, days, config.axis_error_mm, last=2),
        "outside_baseline": one.outside_baseline,
        "second_series": list(one.dropped),
    }


def _role(one: Followed, targets: set[str], config: ResponseConfig) -> str:
    """target, non-target, normal node (at baseline), new, or later: seen later, yet not said to be new."""
    if one.at_baseline:
        normal = one.normal_at(0, config.rules())
        return "target" if one.name in targets else "normal node" if normal else "non-target"
    return "later" if one.new_from is None else "new"


def _growth(
    one: Followed, course: Course, days: Sequence[float | None], error_mm: float, *, last: int = 0
) -> dict[str, Any]:
    """Growth through all exams (or the `last` ones) at which the lesion was measured. The error of a volume is three
    times that of an axis of the lesion's size; without volumes those of ellipsoids of the axes are taken, and it says
    so."""
    points = []
    for exam, sight, day in zip(course.exams, one.sights, days, strict=True):
        if sight.seen is Seen.MEASURED and day is not None:
            points.append(
                (day, _volume(one.marks[exam["exam_id"]]), _sum_of(one.marks[exam["exam_id"]], "long_axis_mm"))
            )
    points = points[-last:] if last else points
    stated = all(volume is not None for _, (volume, _), _ in points)
    volumes = [(volume if stated else guess) or 0.0 for _, (volume, guess), _ in points]
    errors = [3 * error_mm / max(size or error_mm, error_mm) for _, _, size in points]
    if len(points) < 2:
        return {"state": "fewer than two volumes above zero" if any(d is not None for d in days) else "no days"}
    found = growth([day for day, _, _ in points], volumes, volume_error=errors)
    names = ("per_day", "low_per_day", "high_per_day", "doubling_days", "halving_days", "low_days", "high_days")
    return {"state": found.state, "volumes": "measured" if stated else "from the axes"} | {
        name: _rounded(getattr(found, name), 8) for name in names
    }


def _volume(parts: Sequence[Mark]) -> tuple[float | None, float | None]:
    """Volume as stated (or of the mask), and of the ellipsoids of the axes."""
    whole = _sum_of(parts, "volume_ml") if all(mark.volume_ml is not None for mark in parts) else None
    axes = [axes_volume_ml(m.long_axis_mm, m.short_axis_mm) for m in parts if m.long_axis_mm and m.short_axis_mm]
    return whole, sum(axes) if len(axes) == len(parts) else None


def _sum_of(parts: Sequence[Mark], name: str) -> float | None:
    values = [getattr(mark, name) for mark in parts if getattr(mark, name) is not None]
    return float(sum(values)) if values else None


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)
