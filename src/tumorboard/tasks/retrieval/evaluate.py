"""Score the vectors, and the types told, of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.metrics import codes as metric_codes
from tumorboard.tasks.result import Evaluation
from tumorboard.tasks.retrieval.lesions import find_lesions, require_lesions
from tumorboard.tasks.retrieval.rows import told_types
from tumorboard.tasks.retrieval.scoring import answers, retrieval_rows, type_rows
from tumorboard.tasks.retrieval.store import read_embeddings, run_folder

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
    """Score the run `prediction` of the cohort (or a folder with `embeddings.npy`) by the types of the run `reference`.

    Every lesion of known type with a vector is a query among all others of other patients (cosine). Lesions of a
    model's training patients are scored too when the cohort holds them: use others for figures that count. Errors:
    RET101, RET103, RET104; MET109 when no lesion of the run is typed.
    """
    folder = run_folder(cohort.root, str(prediction))
    found = read_embeddings(folder)
    lesions = find_lesions(cohort, reference=reference)
    places, rows = found.of(lesions.ids)
    typed = lesions.typed[places]
    mine, vectors = lesions.only(places[typed]), np.asarray(found.vectors[rows[typed]], np.float32)
    if not len(mine):
        expected = f"vectors of typed lesions of {reference}"
        raise TumorboardError(metric_codes.PREDICTION_UNKNOWN, prediction, found="none", expected=expected)
    require_lesions(mine, str(prediction))
    run = Path(prediction).name
    answered = answers(mine, vectors, metric="cosine")
    scores = retrieval_rows(run, answered, [mine], [vectors], seed=seed, resamples=1000)
    told = told_types(cohort, run)
    judged = [i for i, name in enumerate(mine.ids) if name in told]
    if judged:
        shares = np.stack([told[mine.ids[i]] for i in judged])
        numbers = mine.numbers()[judged]
        scores += type_rows(run, numbers, shares, mine.patients[judged], seed=seed, resamples=1000)
    if progress is not None:
        progress(len(mine), len(mine))
    missing = tuple(name for name in lesions.only(lesions.typed).ids if name not in set(mine.ids))
    unused = tuple(sorted(set(found.ids) - set(lesions.ids)))
    rules = {"name": "lesions of other patients", "metric": "cosine", "reference": reference, "hits": 9, "seed": seed}
    cases = [
        {"case": name, "label": str(kind), "precision@1": float(a), "precision@9": float(b)}
        for name, kind, a, b in zip(mine.ids, mine.types, answered.first, answered.nine, strict=True)
    ]
    return Evaluation(scores, rules=rules, cases=cases, missing=missing, unused=unused)
