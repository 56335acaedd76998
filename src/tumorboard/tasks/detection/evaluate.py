"""Boxes of a run, or of a file, against the marked lesions of a cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.metrics import codes
from tumorboard.metrics.detection import DetectionRules
from tumorboard.tasks.detection import codes as task_codes
from tumorboard.tasks.detection.cases import boxed_rows, find_cases
from tumorboard.tasks.detection.imports import read_predictions
from tumorboard.tasks.detection.scoring import Arranged, arrange, score_rows
from tumorboard.tasks.result import Evaluation

__all__ = ["Evaluation", "evaluate", "predicted_rows"]


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    rules: DetectionRules | None = None,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Sensitivity against false boxes per volume or slice.

    Parameters
    ----------
    prediction : run of the cohort, or COCO results, CSV or cohort folder (`imports.read_predictions`).
    rules : a set of `metrics.official` (`load_rules("deeplesion", task="detection")`); default 3-D IoU of 0.5.

    `missing` lists the units (volumes, or key slices) without any box; they count. `unused` lists images of a file
    that the cohort lacks. Errors: MET109 for a run without boxes or a cohort without marks, MET131, DET103 to DET105.
    """
    chosen = rules or DetectionRules()
    cases = find_cases(cohort, reference=reference)
    rows, unused = predicted_rows(cohort, prediction, reference=reference)
    if not any(case.lesions for case in cases):
        raise TumorboardError(
            codes.PREDICTION_UNKNOWN, cohort.name, found=f"no marked lesion of {reference}", expected="one"
        )
    run = str(prediction) if cohort.rows("runs", run_id=str(prediction)) else Path(prediction).stem
    arranged = arrange(cases, rows, rules=chosen)
    scores = score_rows(arranged, chosen, run=run, seed=seed)
    if progress is not None:
        progress(1, 1)
    counts = {"lesions": len(arranged.lesions), "units": len(arranged.units), "boxes": len(arranged.rows)}
    stated = {"name": chosen.name, **asdict(chosen), "reference": reference, "seed": seed, **counts}
    seen = set(arranged.prediction.image.tolist())
    missing = tuple(name for number, name in enumerate(arranged.units) if number not in seen)
    return Evaluation(scores, rules=stated, cases=lesion_rows(arranged, chosen), missing=missing, unused=tuple(unused))


def predicted_rows(
    cohort: Cohort, prediction: str | Path, *, reference: str = EXPERT
) -> tuple[list[dict[str, Any]], list[str]]:
    """Findings with boxes and scores of a run or file, and the images of a file that the cohort lacks. MET109."""
    name = str(prediction)
    if cohort.rows("runs", run_id=name):
        rows = boxed_rows(cohort, name)
        empty = not rows and not cohort.rows("runs", run_id=name, task="detection")
        if empty:
            raise TumorboardError(codes.PREDICTION_UNKNOWN, name, found="no scored box", expected="a run of boxes")
        return rows, []
    path = Path(prediction)
    if not path.exists():
        raise TumorboardError(
            codes.PREDICTION_UNKNOWN, name, found="neither a run nor a file", expected="a run, COCO results or a CSV"
        )
    rows, unused = read_predictions(path, find_cases(cohort, reference=reference), run_id=path.stem, unknown="skip")
    if unused and not rows:
        found = f"{len(unused)} images, such as {unused[0]!r}"
        raise TumorboardError(task_codes.IMAGE_UNKNOWN, path, found=found, expected="images of the cohort")
    return rows, unused


def lesion_rows(arranged: Arranged, rules: DetectionRules) -> list[dict[str, Any]]:
    """One row per lesion (score at which it is found, None when it is missed), and per unit its false boxes."""
    matched = arranged.match(rules)
    rows: list[dict[str, Any]] = []
    for lesion, unit, found in zip(arranged.lesions, arranged.reference.image, matched.found_at, strict=True):
        value = float(found) if np.isfinite(found) else None
        rows.append({**_unit(arranged, int(unit)), "finding": lesion.finding_id, "metric": "found_at", "value": value})
    false = np.bincount(arranged.prediction.image[matched.false], minlength=len(arranged.units))
    for unit, count in enumerate(false.tolist()):
        rows.append({**_unit(arranged, unit), "finding": "", "metric": "false_boxes", "value": count})
    return rows


def _unit(arranged: Arranged, unit: int) -> Mapping[str, Any]:
    return {"patient": arranged.patients[int(arranged.owner[unit])], "unit": arranged.units[unit]}
