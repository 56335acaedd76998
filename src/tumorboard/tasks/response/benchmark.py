"""Responses of a cohort by RECIST 1.1 from marks and from masks, beside each other and beside a stated response."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import SAME_LESION
from tumorboard.metrics.intervals import bootstrap_ratio
from tumorboard.tasks.response import codes, figures
from tumorboard.tasks.response.assess import related_tracks, respond
from tumorboard.tasks.response.config import ResponseConfig
from tumorboard.tasks.response.marks import Mark, read_marks
from tumorboard.tasks.response.pictures import cohort_pictures, draw, patient_picture
from tumorboard.tasks.response.rows import exam_endpoint, measured_rows, outcome_rows, run_row
from tumorboard.tasks.result import Picture, TaskResult

__all__ = ["BY_MARKS", "BY_MASKS", "benchmark", "missing"]

BY_MARKS, BY_MASKS, ALWAYS = "RECIST from marks", "RECIST from masks", "always SD"
Answers = dict[tuple[str, int], str]
"""(patient, number of the exam) -> response."""


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for response, in words."""
    followed = cohort.rows("relations", predicate=SAME_LESION, run_id="expert")
    return [] if followed else ["lesions followed over exams (relations 'same lesion' of an expert)"]


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: ResponseConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Judge every patient with followed lesions by marks, and by masks where there are any; figures go below `out`.

    Responses are compared with those stated in the cohort (run expert, else truth), and with each other. The subset
    `all in view` are exams up to which the images showed every followed lesion (and a target): only there can a
    response of the whole patient be expected. Nothing is fitted. RSP102 without lesions to follow.
    """
    config = config or ResponseConfig()
    report = progress or (lambda done, total: None)
    tracks = related_tracks(cohort)
    if not tracks:
        raise TumorboardError(codes.NO_TRACKS, cohort.name, found="no track", expected="lesions related over exams")
    stated = respond(cohort, tracks, config=config.model_copy(update={"measure": "marks"}))
    report(1, 3)
    results = {BY_MARKS: stated}
    findings = [finding for track in tracks for finding in track["findings"]]
    by_mark = read_marks(cohort, findings, masks=False) if cohort.loader else {}
    by_mask = _in_masks(cohort, findings)
    if by_mask:
        results[BY_MASKS] = respond(cohort, tracks, config=config.model_copy(update={"measure": "masks"}))
    report(2, 3)
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "outcomes": [], "findings": measured_rows(by_mask, BY_MASKS)}
    for run, found in results.items():
        problems = {one["patient"]: one["problem"] for one in found if one["problem"]}
        settings = config.model_dump(mode="json") | {"measure": "masks" if run == BY_MASKS else "marks"}
        rows["runs"].append(run_row(run, kind="model", config=settings, cohort=cohort, metrics={"problems": problems}))
        rows["outcomes"] += outcome_rows(found, run)
    scores, pictures = _against_stated(cohort, results, out / "pictures")
    scores += _axes_scores(by_mark, by_mask)
    pictures = [*cohort_pictures(stated, out / "pictures"), *pictures]
    pictures += [
        patient_picture(one, out / "pictures", name=f"timeline-{number}")
        for number, one in enumerate(stated)
        if len(one["exams"]) > 1
    ]
    notes = tuple(f"{one['patient']}: {one['problem']}" for one in stated if one["problem"])
    report(3, 3)
    return TaskResult(scores, rows, notes, tuple(pictures))


def _in_masks(cohort: Cohort, findings: Sequence[str]) -> list[Mark]:
    """The marks that have a mask to be measured in."""
    has_path = {row["image_id"] for row in cohort.rows("images", role="mask") if row["path"]}
    if cohort.loader is None or not has_path:
        return []
    return [mark for mark in read_marks(cohort, findings, masks=True).values() if mark.axes is not None]


# ---- scores -------------------------------------------------------------------------------------------------------


def _answers(results: Sequence[Mapping[str, Any]]) -> Answers:
    return {(one["patient"], exam["order"]): exam["response"] for one in results for exam in one["exams"][1:]}


def _in_view(results: Sequence[Mapping[str, Any]]) -> set[tuple[str, int]]:
    """Exams up to which every lesion was in the images, of patients with a target."""
    found = set()
    for one in results:
        targets = any(lesion["role"] == "target" for lesion in one["lesions"])
        outside = any(lesion["outside_baseline"] for lesion in one["lesions"])
        for number in range(1, len(one["exams"])):
            until = [value for lesion in one["lesions"] for value in lesion["values"][: number + 1]]
            if targets and not outside and all(value["status"] != "not assessed" for value in until):
                found.add((one["patient"], number))
    return found


def _stated(cohort: Cohort) -> tuple[str, Answers]:
    """Responses that the cohort states, of the expert or else of the truth behind virtual patients."""
    for run in ("expert", "truth"):
        found: Answers = {}
        for row in cohort.rows("outcomes", run_id=run):
            name = str(row["endpoint"])
            number = name.rsplit(" ", 1)[-1]
            if row["class_value"] and number.isdigit() and name == exam_endpoint(int(number)):
                found[row["patient_id"], int(number)] = row["class_value"]
        if found:
            return run, found
    return "", {}


def _against_stated(
    cohort: Cohort, results: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path
) -> tuple[list[dict[str, Any]], list[Picture]]:
    run, stated = _stated(cohort)
    answers = {name: _answers(found) for name, found in results.items()}
    view = _in_view(results[BY_MARKS])
    scores: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    if stated:
        answers[ALWAYS] = dict.fromkeys(stated, "SD")
        for name, mine in answers.items():
            scores += [_agreement(name, run, mine, stated, subset, view) for subset in ("all", "all in view")]
            if name != ALWAYS:
                pictures.append(_confusion(name, run, mine, stated, view, folder))
    if BY_MASKS in answers:
        for subset in ("all", "all in view"):
            scores.append(_agreement(BY_MASKS, BY_MARKS, answers[BY_MASKS], answers[BY_MARKS], subset, view))
    return scores, pictures


def _agreement(
    run: str, other: str, mine: Answers, theirs: Answers, subset: str, view: set[tuple[str, int]]
) -> dict[str, Any]:
    keys = sorted(key for key in theirs if key in mine and (subset == "all" or key in view))
    hits, counts = Counter[str](), Counter[str]()
    for key in keys:
        counts[key[0]] += 1
        hits[key[0]] += mine[key] == theirs[key]
    patients = sorted(counts)
    interval = bootstrap_ratio([hits[p] for p in patients], [counts[p] for p in patients], seed=0)
    label = f"with {other}" if other.startswith("RECIST") else f"with the stated response (run {other})"
    return _score(run, "response_agreement", label, subset, *interval, n=len(keys))


def _axes_scores(by_mark: Mapping[str, Mark], by_mask: Sequence[Mark]) -> list[dict[str, Any]]:
    rows = []
    for axis in ("long_axis_mm", "short_axis_mm"):
        gaps: dict[str, list[float]] = {}
        for mark in by_mask:
            stated = by_mark[mark.finding_id]
            if stated.measured_by != "mask" and getattr(stated, axis) is not None:
                gaps.setdefault(mark.image_id, []).append(abs(getattr(mark, axis) - getattr(stated, axis)))
        if gaps:
            images = sorted(gaps)
            interval = bootstrap_ratio([sum(gaps[i]) for i in images], [len(gaps[i]) for i in images], seed=0)
            count = sum(len(gaps[i]) for i in images)
            label = axis.removesuffix("_mm").replace("_", " ") + " against the mark"
            rows.append(_score(BY_MASKS, "axis_difference_mm", label, "all", *interval, n=count))
    return rows


def _confusion(
    name: str, run: str, mine: Answers, stated: Answers, view: set[tuple[str, int]], folder: Path
) -> Picture:  # fmt: skip
    counts = Counter((stated[key], mine[key]) for key in stated if key in mine and key in view)
    same = sum(count for (a, b), count in counts.items() if a == b)
    figure = figures.confusion(counts, rows=f"stated (run {run})", columns=name)
    alt = f"{same} of {counts.total()} exams in view have the stated response."
    return draw(figure, folder, f"agreement-{name.split()[-1]}", title=f"{name}: agreement", alt=alt)


def _score(
    run: str,
    metric: str,
    label: str,
    subset: str,
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    n: int,
) -> dict[str, Any]:
    return {
        "run": run, "task": "response", "metric": metric, "label": label, "subset": subset,
        "value": None if value is None else float(np.round(value, 6)), "low": low, "high": high, "n": n,
    }  # fmt: skip
