"""Boxes of a run against the expert's: overlap and distance of centres per location, with intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.metrics import codes
from tumorboard.metrics.boxes import box_iou, centre_distance, patient_means, score_location
from tumorboard.metrics.intervals import Interval, bootstrap_mean
from tumorboard.ops.radiograph import Hanging
from tumorboard.tasks.anatomy.atlas import both_lungs
from tumorboard.tasks.anatomy.cases import LUNGS, Box, Case, boxes_of_run, find_cases, load_lungs
from tumorboard.tasks.result import Evaluation, score_row

__all__ = ["GROUPS", "LARGE", "Evaluation", "evaluate", "mean_overlaps", "score_boxes"]

LARGE = frozenset(
    {
        *("right lung", "left lung", "right mid lung zone", "left mid lung zone", "mediastinum", "upper mediastinum"),
        *("cardiac silhouette", "left cardiac silhouette", "abdomen", "right upper abdomen", "left upper abdomen"),
    }
)
"""Boxes whose shorter side is a quarter of the thorax' width or more, in the median of 150 virtual patients. All others
are small or thin: apical, upper and lower zones too, whose height is an eighth to a quarter of it."""
GROUPS = {"large regions": LARGE, "small regions": frozenset(BOX_LOCATIONS) - LARGE}

Predicted = Mapping[str, Mapping[str, Sequence[float]]]


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare the boxes (and lung masks) of the run `prediction` with those of the run `reference`.

    A box of the reference that the prediction lacks has an overlap of 0. MET109 for a run without boxes.
    """
    run = str(prediction)
    predicted = boxes_of_run(cohort, run)
    cases = [case for case in find_cases(cohort, reference=reference) if case.boxes]
    if not predicted or not cases:
        found = "no boxes" if not predicted else f"no boxes of {reference}"
        raise TumorboardError(codes.PREDICTION_UNKNOWN, run, found=found, expected="a run with anatomical boxes")
    scores = score_boxes(cases, predicted, run=run, seed=seed)
    drawn = {case.image_id: case for case in find_cases(cohort, reference=run)}
    overlaps: dict[str, list[tuple[str, float]]] = {}
    for done, case in enumerate(cases, start=1):
        for side, value in _mask_overlaps(cohort, case, drawn[case.image_id]).items():
            overlaps.setdefault(side, []).append((case.patient_id, value))
        if progress is not None:
            progress(done, len(cases))
    for side, values in overlaps.items():
        means = patient_means([patient for patient, _ in values], [value for _, value in values])
        interval = bootstrap_mean(list(means.values()), seed=seed)
        scores.append(_row(run, "mask_iou", side, interval, len(means)))
    missing = tuple(case.image_id for case in cases if case.image_id not in predicted)
    rules = {"name": "boxes by name", "not found": "overlap 0", "reference": reference, "large": sorted(LARGE)}
    return Evaluation(scores, rules=rules, cases=_case_rows(cases, predicted), missing=missing)


def score_boxes(cases: Sequence[Case], predicted: Predicted, *, run: str, seed: int) -> list[dict[str, Any]]:
    """Score rows per location and, for overlap, per group of locations (first a mean per X-ray)."""
    rows: list[dict[str, Any]] = []
    for name in BOX_LOCATIONS:
        mine = [case for case in cases if name in case.boxes]
        if not mine:
            continue
        truth = np.array([case.boxes[name] for case in mine])
        found = np.array([predicted.get(case.image_id, {}).get(name, (np.nan,) * 4) for case in mine], float)
        thorax = np.array([_thorax_px(case) for case in mine])
        score = score_location([c.patient_id for c in mine], truth, found, thorax_px=thorax, seed=seed)
        rows.append(_row(run, "box_iou", name, score.iou, score.patients))
        rows.append(_row(run, "centre_distance_px", name, score.distance_px, score.found))
        rows.append(_row(run, "centre_distance_share", name, score.distance_share, score.found))
    for group, names in GROUPS.items():
        pairs = [(case, [name for name in names if name in case.boxes]) for case in cases]
        pairs = [(case, known) for case, known in pairs if known]
        if not pairs:
            continue
        values = [float(np.mean([_iou(case, predicted, name) for name in known])) for case, known in pairs]
        means = patient_means([case.patient_id for case, _ in pairs], values)
        rows.append(_row(run, "box_iou", group, bootstrap_mean(list(means.values()), seed=seed), len(means)))
    return rows


def mean_overlaps(cases: Sequence[Case], predicted: Predicted) -> dict[str, float]:
    """Patient -> mean overlap over all boxes of the reference (first a mean per X-ray)."""
    values = [float(np.mean([_iou(case, predicted, name) for name in case.boxes])) for case in cases]
    return dict(patient_means([case.patient_id for case in cases], values))


def _iou(case: Case, predicted: Predicted, name: str) -> float:
    box = predicted.get(case.image_id, {}).get(name)
    return 0.0 if box is None else float(box_iou(case.boxes[name], box))


def _thorax_px(case: Case) -> float:
    thorax = both_lungs(case.boxes)
    return float("nan") if thorax is None else float(thorax[2] - thorax[0])


def _mask_overlaps(cohort: Cohort, case: Case, other: Case) -> dict[str, float]:
    """Lung -> intersection over union of the masks of both runs, where the reference has one."""
    truth = load_lungs(cohort, case, Hanging())
    if truth is None:
        return {}
    found = load_lungs(cohort, other, Hanging())
    if found is None:
        return dict.fromkeys(LUNGS, 0.0)
    return {
        side: float((mine & theirs).sum() / max(int((mine | theirs).sum()), 1))
        for side, mine, theirs in zip(LUNGS, truth, found, strict=True)
    }


def _case_rows(cases: Sequence[Case], predicted: Predicted) -> list[dict[str, Any]]:
    rows = []
    for case in cases:
        for name, truth in case.boxes.items():
            box: Sequence[float] | Box | None = predicted.get(case.image_id, {}).get(name)
            row = {"patient": case.patient_id, "image": case.image_id, "label": name, "metric": "box_iou"}
            distance = None if box is None else float(centre_distance(truth, box))
            rows.append({**row, "value": _iou(case, predicted, name), "centre_distance_px": distance})
    return rows


def _row(run: str, metric: str, label: str, interval: Interval, n: int) -> dict[str, Any]:
    return score_row(run, task="anatomy", metric=metric, label=label, interval=interval, n=n)
