"""Score the tracks of a run against those of another (the expert's)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import SAME_LESION
from tumorboard.core.tables import EXPERT
from tumorboard.tasks.result import Evaluation
from tumorboard.tasks.tracking import codes
from tumorboard.tasks.tracking.config import TrackingConfig
from tumorboard.tasks.tracking.marks import Mark, marks_of
from tumorboard.tasks.tracking.rows import sequences_of_run
from tumorboard.tasks.tracking.scoring import Labelled, score_rows

__all__ = ["evaluate", "followed_marks"]


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    options: TrackingConfig | None = None,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare the tracks of two runs of the cohort over the patients whose lesions `reference` joins anywhere.

    Where the reference joins only some lesions of a patient (published pairs), the others are left out: it says nothing
    of them. `map` is not used. TRK105 when either run joins no lesion.
    """
    config = options or TrackingConfig()
    run = str(prediction)
    for name in (reference, run):
        _require_tracks(cohort, name)
    marks = followed_marks(cohort, marks=config.marks, reference=reference)
    labelled, cases = [], []
    for done, (patient, listed) in enumerate(marks.items(), start=1):
        names = [mark.finding_id for mark in listed]
        truth, said = sequences_of_run(cohort, reference, names), sequences_of_run(cohort, run, names)
        labelled.append(Labelled(patient, truth, said, np.array([mark.exam_id for mark in listed])))
        counts = labelled[-1].counts("all pairs")
        cases.append({"patient": patient, "metric": "pair_f1", "label": "lesions", "value": counts.f1, **vars(counts)})
        if progress is not None:
            progress(done, len(marks))
    scores = score_rows(labelled, run=run, seed=seed, resamples=config.resamples)
    rules = {
        "name": "pairs of lesions",
        "reference": reference,
        "all pairs": "truth is complete",
        "judged pairs": "a pair counts as false where the truth contradicts it",
        "seed": seed,
    }
    return Evaluation(scores, rules=rules, cases=cases)


def followed_marks(cohort: Cohort, *, marks: str, reference: str) -> dict[str, list[Mark]]:
    """Patient -> the marks to score. Patients with a relation of `reference`; of these all marks, unless the relations
    come from published pairs (attribute `source`), which speak of the lesions that they join alone."""
    relations = cohort.rows("relations", predicate=SAME_LESION, run_id=reference)
    joined = {row[side] for row in relations for side in ("subject", "object")}
    partial = any('"source"' in (row["attributes"] or "") for row in relations)
    found = {}
    for patient, listed in marks_of(cohort, run_id=marks).items():
        if any(mark.finding_id in joined for mark in listed):
            found[patient] = [mark for mark in listed if not partial or mark.finding_id in joined]
    return found


def _require_tracks(cohort: Cohort, run: str) -> None:
    if not cohort.rows("relations", predicate=SAME_LESION, run_id=run):
        runs = sorted({row["run_id"] for row in cohort.rows("relations", predicate=SAME_LESION)})
        raise TumorboardError(
            codes.NO_TRACKS, f"{cohort.name}, run {run}", found="no relation 'same lesion'", expected=f"one of {runs}"
        )
