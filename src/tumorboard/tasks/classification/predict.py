"""A trained model on new patients: a class with its probability, or an explicit abstention, for every one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.classification import codes
from tumorboard.tasks.classification.data import Problem
from tumorboard.tasks.classification.explain import effects
from tumorboard.tasks.classification.model import ClassificationModel, Trained
from tumorboard.tasks.classification.patients import Patients
from tumorboard.tasks.classification.protocol import predicted
from tumorboard.tasks.classification.rows import outcome_rows, refused_row, run_row
from tumorboard.tasks.classification.stages import present_nodes
from tumorboard.tasks.clinical.variables import rows_of
from tumorboard.tasks.result import TaskResult

__all__ = ["predict"]


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Predict every patient of `cohort` with the model in the folder `run`; `out` is not written to, all is rows.

    Missing variables, and levels that training never saw, are what they were in training: missing, and no level.
    A patient of whom no variable of the model is known (CLS102), or with a cell that is no value of its variable
    (VAR101, VAR103), gets a row without class or probability whose `problem` says why. With the model's setting
    `abstain`, so does the class of a patient beyond `coverage` (CLS103). Errors: CLS104, ENG103 for the model.
    """
    model = ClassificationModel.load(run)
    name = run_id or run.resolve().name
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for done, trained in enumerate(model.endpoints, start=1):
        found = _endpoint(model, trained, cohort, name)
        rows += found
        for row in found:
            if row.get("problem") and not row.get("probabilities"):
                refused[f"{row['patient_id']}, {trained.endpoint}"] = row["problem"]
        if progress is not None:
            progress(done, len(model.endpoints))
    inputs = {
        "trained_on": model.facts.get("patients", []),
        "notes": [f"{trained.endpoint}: {note}" for trained in model.endpoints for note in trained.notes],
    }
    record = run_row(name, kind="model", config=model.config, inputs=inputs, metrics={"refused": refused})
    return TaskResult([], {"runs": [record], "outcomes": rows})


def _endpoint(model: ClassificationModel, trained: Trained, cohort: Cohort, run_id: str) -> list[dict[str, Any]]:
    rows = present_nodes(rows_of(cohort, cohort.patient_ids), trained.staged)
    errors: dict[int, TumorboardError] = {}
    for i, row in enumerate(rows):
        try:
            trained.encoder.transform([row])
        except TumorboardError as error:
            errors[i] = error
            continue
        if not _known(trained, row):
            errors[i] = TumorboardError(
                codes.NOTHING_KNOWN,
                f"patient {cohort.patient_ids[i]}, {trained.endpoint}",
                found="no variable of the model",
                expected=", ".join(part.variable.name for part in trained.encoder.parts),
            )
    ids = tuple(cohort.patient_ids)
    kept = np.array([i for i in range(len(ids)) if i not in errors], np.int64)
    refused = [refused_row(run_id, ids[i], trained.endpoint, error) for i, error in errors.items()]
    if not len(kept):
        return refused
    patients = Patients.encoded([rows[i] for i in kept], trained.encoder, cohort)
    config = model.config
    found = predicted(trained.fitted, patients, test=kept, config=config)
    explained = effects(trained.fitted, patients, trained.background)
    problem = Problem(trained.endpoint, ids, tuple(rows), np.zeros(len(ids), np.int64), trained.classes, (), cohort)
    said = outcome_rows(
        run_id,
        problem,
        [found.with_explanations(explained)],
        abstain=config.abstain,
        coverage=config.coverage,
    )
    order = {patient: i for i, patient in enumerate(ids)}
    return sorted(said + refused, key=lambda row: order[row["patient_id"]])


def _known(trained: Trained, row: dict[str, Any]) -> bool:
    """Whether any variable of the model has a value."""
    for part in trained.encoder.parts:
        cell = row.get(part.variable.name)
        absent = cell is None or (isinstance(cell, float) and np.isnan(cell))
        if not absent and str(cell).strip() and str(cell).strip() not in part.variable.missing:
            return True
    return False
