"""Maps of a run against an expert's masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role
from tumorboard.metrics import codes as metric_codes
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import find_cases, load_exam
from tumorboard.tasks.anomaly.scoring import score_exam, score_rows
from tumorboard.tasks.result import Evaluation

__all__ = ["evaluate"]


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Voxel, slice and lesion figures of the maps (images of role map) that the run `prediction` has in the cohort, on
    the part of each exam that is scored. Masks are not scored: a threshold chosen on these patients would be an
    oracle's (``oracle_dice`` is). MET109 for a run without maps, or another reference than the expert.
    """
    run = str(prediction)
    maps = {row["exam_id"]: row for row in cohort.rows("images", role=str(Role.MAP), run_id=run)}
    if not maps or reference != EXPERT:
        found = f"{len(maps)} maps, reference {reference}"
        expected = "a run of the cohort with maps, and the expert's masks"
        raise TumorboardError(metric_codes.PREDICTION_UNKNOWN, run, found=found, expected=expected)
    config = AnomalyConfig()
    cases = [case for case in find_cases(cohort) if case.mask_id]
    scored, rows, lacking = [], [], []
    for done, case in enumerate(cases, start=1):
        if progress is not None:
            progress(done, len(cases))
        if case.exam_id not in maps:
            lacking.append(case.exam_id)
            continue
        exam = load_exam(cohort, case, grid_mm=config.grid_mm)
        volume = cohort.image(maps[case.exam_id]["image_id"])
        score = np.where(exam.body, resample_to(volume, exam.grid, fill=0.0, anti_alias=True).array, 0.0)
        part = exam.cropped()
        one = score_exam(part, score[exam.evaluation], threshold=None, slice_mm2=config.slice_mm2, peaks=True)
        scored.append(one)
        rows += [
            {"patient_id": case.patient_id, "exam": case.exam_id, "metric": name, "label": "tumour", "value": value}
            for name, value in one.values.items()
        ]
    if not scored:
        raise TumorboardError(metric_codes.PREDICTION_UNKNOWN, run, found="no map of a drawn exam", expected="one")
    scores = score_rows(run, scored, subset="all", seed=seed)
    stated = {"name": "voxels of the body", "reference": reference, "seed": seed, "exams": len(scored)}
    return Evaluation(scores, rules=stated, cases=rows, missing=tuple(lacking))
