"""One patient's lesions over the exams: order in time, one series per exam, what is gone, what is new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.metrics.response import Candidate, Lesion, Rules, Seen, Sight
from tumorboard.tasks.response import codes
from tumorboard.tasks.response.config import ResponseConfig
from tumorboard.tasks.response.field import Fields
from tumorboard.tasks.response.marks import Mark

__all__ = ["Course", "Followed", "build_course", "in_time"]

_IMAGING = ("CT", "MR", "PT")


@dataclass(frozen=True, eq=False)
class Followed:
    """One track: its marks by exam (of one series each; several where the lesion is in parts), its sights in time."""

    name: str
    label: str
    organ: str
    node: bool
    marks: Mapping[str, tuple[Mark, ...]]
    sights: tuple[Sight, ...]
    at_baseline: bool
    new_from: int | None
    """Place of the exam from which on it is a new lesion; None: never."""
    outside_baseline: bool
    """Whether it turned up where the baseline did not look."""
    dropped: tuple[str, ...]
    """Findings of a second series of an exam, not counted."""

    def normal_at(self, exam: int, rules: Rules) -> bool:
        """Whether it is a node of normal size at an exam."""
        value = self.sights[exam].value_mm(rules)
        return self.node and value is not None and value < rules.normal_node_mm - 1e-9


@dataclass(frozen=True, eq=False)
class Course:
    """A patient: exams (rows) in time, lesions, and whether marks are complete."""

    patient_id: str
    exams: tuple[Mapping[str, Any], ...]
    lesions: tuple[Followed, ...]
    complete: bool

    def days(self) -> list[float | None]:
        """Days since the first exam; None where they are not known."""
        known = [exam["day"] for exam in self.exams]
        return [None if day is None or known[0] is None else float(day) - float(known[0]) for day in known]

    def candidates(self, images: Mapping[str, Mapping[str, Any]], *, bone: bool) -> list[Candidate]:
        """The lesions of the baseline exam, as choosers of targets see them."""
        found = []
        for one in (lesion for lesion in self.lesions if lesion.at_baseline):
            marks = one.marks[self.exams[0]["exam_id"]]
            said = [mark.facts["target"] for mark in marks if isinstance(mark.facts.get("target"), bool)]
            asked = any(said) if said else (False if one.label == "bone" and not bone else None)
            long_mm, short_mm = _added(marks, "long_axis_mm"), _added(marks, "short_axis_mm")
            slices = [interval for mark in marks if (interval := slice_interval_mm(images[mark.image_id])) is not None]
            found.append(
                Candidate(
                    one.name,
                    one.organ,
                    one.node,
                    long_mm or 0.0,
                    short_mm,
                    max(slices, default=None),
                    parts=len(marks),
                    asked=asked,
                )
            )
        return found

    def as_lesions(self, targets: Iterable[str], rules: Rules) -> list[Lesion]:
        """The lesions of the baseline exam, less nodes that are normal there (under 10 mm) and nobody's target."""
        chosen = set(targets)
        return [
            Lesion(one.name, one.node, one.name in chosen, one.sights)
            for one in self.lesions
            if one.at_baseline and (one.name in chosen or not one.normal_at(0, rules))
        ]


def in_time(exams: Sequence[Mapping[str, Any]], *, patient_id: str) -> list[Mapping[str, Any]]:
    """Exams by day where every one has a day, else by `order` where every one has it and no two share it; exams of one
    day by order. RSP101 when neither tells."""
    listed = list(exams)
    if len(listed) < 2:
        return listed
    orders = [exam["order"] for exam in listed]
    days = [exam["day"] for exam in listed]
    if all(day is not None for day in days):
        keys = [(day, -1 if order is None else order) for day, order in zip(days, orders, strict=True)]
    elif all(order is not None for order in orders):
        keys = [(0.0, order) for order in orders]
    else:
        keys = []
    if len(set(keys)) < len(listed):
        found = "neither days nor an order for all" if not keys else "two exams at the same time"
        raise TumorboardError(
            codes.NO_ORDER, f"patient {patient_id}", found=found, expected="a day, or a place in order, for each exam"
        )
    return [exam for _, exam in sorted(zip(keys, listed, strict=True), key=lambda pair: pair[0])]


def build_course(
    patient: Cohort, patient_id: str, tracks: Sequence[Mapping[str, Any]], marks: Mapping[str, Mark], *,
    config: ResponseConfig,
) -> Course:  # fmt: skip
    """The course of one patient. `patient`: the cohort of this patient alone; `tracks`: name (`track`) and `findings`
    of each. RSP101 without an order in time, RSP103 for a finding that is not the patient's, RSP104 without sizes."""
    images = {row["image_id"]: row for row in patient.rows("images")}
    exam_of = {image: row["exam_id"] for image, row in images.items()}
    exams = _assessed(patient, images, {exam_of[m.image_id] for m in marks.values() if m.image_id in exam_of})
    ordered = in_time(exams, patient_id=patient_id)
    grouped = {}
    for track in tracks:
        mine = [_mark_of(finding, marks, exam_of, patient_id) for finding in track["findings"]]
        grouped[str(track["track"])] = _one_series(mine, exam_of, images)
    listed = [mark for kept, _ in grouped.values() for parts in kept.values() for mark in parts]
    complete = config.marks == "complete" or (
        not config.marks and not any("lesion_index" in mark.facts for mark in listed)
    )
    fields = Fields(_grids(images), _anchors(patient, grouped, exam_of, config), margin_mm=config.field_margin_mm)
    names = [exam["exam_id"] for exam in ordered]
    lesions = [
        _followed(name, kept, dropped, names, fields, complete=complete, config=config)
        for name, (kept, dropped) in sorted(grouped.items())
        if kept
    ]
    return Course(patient_id, tuple(ordered), tuple(lesions), complete)


def slice_interval_mm(image: Mapping[str, Any]) -> float | None:
    """Distance between the axial planes of an image row; None when its grid is not known."""
    if image["affine"] is None:
        return None
    steps = np.asarray(image["affine"], float).reshape(4, 4)[:3, :3]
    return float(np.linalg.norm(steps[:, int(np.argmax(np.abs(steps[2]) / np.linalg.norm(steps, axis=0)))]))


def _assessed(
    patient: Cohort, images: Mapping[str, Mapping[str, Any]], marked: set[str]
) -> list[Mapping[str, Any]]:  # fmt: skip
    """Exams that looked for lesions: with a CT, MR or PET image, or with a mark."""
    looked = {row["exam_id"] for row in images.values() if row["role"] == "image" and row["modality"] in _IMAGING}
    return [exam for exam in patient.rows("exams") if exam["exam_id"] in looked | marked]


def _mark_of(finding: str, marks: Mapping[str, Mark], exam_of: Mapping[str, str], patient_id: str) -> Mark:
    mark = marks.get(finding)
    if mark is None or mark.image_id not in exam_of:
        raise TumorboardError(
            codes.FINDING_UNKNOWN, f"patient {patient_id}", found=repr(finding), expected="a finding of this patient"
        )
    if mark.long_axis_mm is None:
        raise TumorboardError(codes.NOT_MEASURED, f"finding {finding}", found="no axis", expected="a long axis in mm")
    return mark


def _one_series(
    marks: Sequence[Mark], exam_of: Mapping[str, str], images: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, tuple[Mark, ...]], tuple[str, ...]]:
    """The marks of one image per exam: the one that shows most parts of the lesion, of such the one with the finest
    slices, of such the first by name. The others are the same lesion measured twice."""
    by_exam: dict[str, dict[str, list[Mark]]] = {}
    for mark in sorted(marks, key=lambda mark: mark.finding_id):
        by_exam.setdefault(exam_of[mark.image_id], {}).setdefault(mark.image_id, []).append(mark)
    kept, dropped = {}, []
    for exam, series in by_exam.items():
        best = min(
            series, key=lambda image: (-len(series[image]), slice_interval_mm(images[image]) or float("inf"), image)
        )
        kept[exam] = tuple(series[best])
        dropped += [mark.finding_id for image, listed in series.items() if image != best for mark in listed]
    return kept, tuple(dropped)


def _grids(images: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Geometry]]:
    found: dict[str, list[Geometry]] = {}
    for row in images.values():
        if row["role"] == "image" and row["affine"] is not None and row["shape"] is not None:
            affine = np.asarray(row["affine"], float).reshape(4, 4)
            found.setdefault(row["exam_id"], []).append(Geometry(tuple(row["shape"]), affine))
    return found


def _anchors(
    patient: Cohort, grouped: Mapping[str, Any], exam_of: Mapping[str, str], config: ResponseConfig
) -> dict[str, dict[str, Any]]:
    """Places of lesions, and of the named points of the run that the settings name, by exam."""
    found: dict[str, dict[str, Any]] = {}
    for name, (kept, _) in grouped.items():
        places = {exam: [m.centre_mm for m in parts if m.centre_mm is not None] for exam, parts in kept.items()}
        found[f"lesion {name}"] = {exam: np.mean(listed, axis=0) for exam, listed in places.items() if listed}
    for row in patient.rows("findings", kind="point", run_id=config.anchors) if config.anchors else ():
        if row["points_mm"] and len(row["points_mm"]) == 3 and "lesion" not in json.loads(row["attributes"] or "{}"):
            exam = exam_of[row["image_id"]]
            found.setdefault(f"point {row['label']}", {}).setdefault(exam, np.asarray(row["points_mm"], float))
    return found


def _followed(
    name: str, kept: Mapping[str, tuple[Mark, ...]], dropped: tuple[str, ...], exams: Sequence[str], fields: Fields, *,
    complete: bool, config: ResponseConfig,
) -> Followed:  # fmt: skip
    first = next(exam for exam in exams if exam in kept)
    facts = [mark.facts for exam in exams for mark in kept.get(exam, ())]
    node = any(one.get("node") is True for one in facts)
    label = kept[first][0].label
    organ = next((str(one["organ"]) for one in facts if one.get("organ")), label)
    sights = []
    for place, exam in enumerate(exams):
        before = [seen for seen in exams[:place] if seen in kept] or [first]
        sights.append(_sight(kept, exam, before[-1], fields, node=node, complete=complete))
    outside = first != exams[0] and _outside(kept[first], exams[0], first, fields)
    return Followed(
        name,
        label,
        "lymph node" if node else _whole_organ(organ),
        node,
        kept,
        tuple(sights),
        at_baseline=first == exams[0],
        new_from=_new_from(kept, exams, node=node, complete=complete, outside=outside, config=config),
        outside_baseline=outside,
        dropped=dropped,
    )


def _sight(
    kept: Mapping[str, tuple[Mark, ...]], exam: str, last: str, fields: Fields, *, node: bool, complete: bool
) -> Sight:
    """The lesion at one exam: measured; or, unmarked, gone where marks are complete and the images show its place."""
    if exam in kept:
        progression = any(mark.facts.get("progression") is True for mark in kept[exam])
        if any(mark.facts.get("too_small") is True for mark in kept[exam]):
            return Sight(Seen.TOO_SMALL, progression=progression)
        size = _added(kept[exam], "short_axis_mm") if node else None
        return Sight(Seen.MEASURED, size or _added(kept[exam], "long_axis_mm"), progression)
    place = kept[last][0].centre_mm
    shown = fields.shows(exam, place, seen_in=last) if place is not None else None
    return Sight(Seen.ABSENT if complete and shown is not False else Seen.NOT_ASSESSED)


def _outside(marks: Sequence[Mark], baseline: str, first: str, fields: Fields) -> bool:
    place = marks[0].centre_mm
    return place is not None and fields.shows(baseline, place, seen_in=first) is False


def _new_from(
    kept: Mapping[str, tuple[Mark, ...]], exams: Sequence[str], *,
    node: bool, complete: bool, outside: bool, config: ResponseConfig,
) -> int | None:  # fmt: skip
    """From which exam on a track is a new lesion: a reader says so, or marks are complete, it was not there at
    baseline, and it has reached the least size (nodes: 10 mm short axis). A place that the baseline did not show is told
    by the settings."""
    first = next(place for place, exam in enumerate(exams) if exam in kept)
    said = [mark.facts["new"] for mark in kept[exams[first]] if isinstance(mark.facts.get("new"), bool)]
    if said:
        return first if any(said) else None
    if first == 0 or not complete or (outside and config.outside == "ignored"):
        return None
    axis, least = ("short_axis_mm", config.rules().normal_node_mm) if node else ("long_axis_mm", config.least_new_mm)
    reached = (n for n, exam in enumerate(exams) if exam in kept and (_added(kept[exam], axis) or 0.0) >= least - 1e-9)
    return next(reached, None)


def _added(marks: Sequence[Mark], axis: str) -> float | None:
    """Sum of one axis over the parts of a lesion; None when none has it."""
    values = [getattr(mark, axis) for mark in marks if getattr(mark, axis) is not None]
    return float(sum(values)) if values else None


def _whole_organ(organ: str) -> str:
    """Both lungs are one organ: without the side in the name."""
    words = organ.replace("-", " ").replace("_", " ").split()
    return " ".join(word for word in words if word.lower() not in ("left", "right")) or organ
