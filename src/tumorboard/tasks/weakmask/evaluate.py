"""Masks of a run against the experts', lesion by lesion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import MASK_LABEL
from tumorboard.core.tables import EXPERT
from tumorboard.core.volume import Volume
from tumorboard.metrics import codes
from tumorboard.tasks.result import Evaluation
from tumorboard.tasks.weakmask.marks import find_marks
from tumorboard.tasks.weakmask.outline import Outline
from tumorboard.tasks.weakmask.scoring import lesion_row, score_rows

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
    """Compare the run `prediction` (mask-label findings that name their mark) with the experts' masks of those marks.

    A marked lesion without a prediction counts as one without overlap. MET109 for a run without such masks, or where no
    mark has an expert's mask.
    """
    run = str(prediction)
    predicted = {}
    for row in cohort.rows("findings", kind=MASK_LABEL, run_id=run):
        mark = json.loads(row["attributes"] or "{}").get("mark")
        if mark is not None:
            predicted[mark] = (row["image_id"], row["value"])
    marks = find_marks(cohort, labelled=True) if reference == EXPERT else []
    if not predicted or not marks:
        found = "no masks of marks" if not predicted else f"no masks of {reference}"
        raise TumorboardError(codes.PREDICTION_UNKNOWN, run, found=found, expected="a run of weakmask, and truth")
    lesions, missing = [], []
    read: dict[str, Volume] = {}
    for done, mark in enumerate(marks, start=1):
        truth = mark.truth(read, cohort)
        assert truth is not None  # find_marks(labelled=True)
        inside = np.zeros(truth.shape, bool)
        if mark.finding_id in predicted:
            image_id, value = predicted[mark.finding_id]
            if image_id not in read:
                read = {mark.mask_id or "": read[mark.mask_id or ""], image_id: cohort.image(image_id)}
            inside = read[image_id].array == value
        else:
            missing.append(mark.finding_id)
        grid = cohort.geometry(mark.image_id)
        lesions.append(lesion_row(run, mark, Outline((0, 0, 0), inside), truth, grid))
        if progress is not None:
            progress(done, len(marks))
    scores = score_rows(lesions, main=None, seed=seed)
    rules = {"name": "Dice of marked lesions", "reference": reference, "seed": seed}
    return Evaluation(scores, {}, rules=rules, cases=lesions, missing=tuple(missing))
