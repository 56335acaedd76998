"""Every model on every endpoint, out of fold, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard import __version__
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.tasks.clinical.folds import centre_folds, stratified_folds
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.prognosis import codes
from tumorboard.tasks.prognosis.config import MODELS, PrognosisConfig
from tumorboard.tasks.prognosis.data import endpoints_of, missing
from tumorboard.tasks.prognosis.models.registry import lacks
from tumorboard.tasks.prognosis.patients import Training
from tumorboard.tasks.prognosis.protocol import FoldPrediction, cross_validate
from tumorboard.tasks.prognosis.scoring import ModelScores, difference_rows, score_model
from tumorboard.tasks.result import TaskResult

__all__ = ["benchmark"]

Progress = Callable[[int, int], None]
REFERENCE = "ridge-cox"
_SMALLEST_CENTRE = 30
"""Patients that a centre needs to be left out and tested on."""


def benchmark(
    cohort: Cohort, out: Path, *, config: PrognosisConfig | None = None, progress: Progress | None = None
) -> TaskResult:
    """Cross-validate every model by patient, and leave out one centre at a time where centres are large enough.

    Predictions of the cross-validation become `outcomes` rows of one run per model; `out` is not written to, since
    all results are rows. PRG103 when the cohort lacks endpoints, events or baseline variables.
    """
    config = config or PrognosisConfig()
    outcomes = endpoints_of(cohort, config.endpoints)
    variables = covariates_of(cohort, config.covariates)
    if not outcomes or not variables:
        raise TumorboardError(
            codes.TOO_FEW_EVENTS,
            cohort.name,
            found=f"no {', no '.join(missing(cohort))}",
            expected="endpoints to predict, and variables to predict them from",
        )
    scores: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    done, total = 0, len(outcomes) * len(config.models)
    for outcome in outcomes:
        records = rows_of(cohort, outcome.patient_ids)
        left_out |= _cannot(records, outcome, variables, config)
        models = [name for name in config.models if name not in left_out]
        for subset, folds in _protocols(cohort, outcome, config).items():
            by_model: dict[str, ModelScores] = {}
            for model in models:
                predictions = cross_validate(model, records, outcome, variables=variables, folds=folds, config=config)
                by_model[model] = score_model(
                    model,
                    outcome,
                    predictions,
                    subset=subset,
                    horizons_days=config.horizons_days,
                    seed=config.seed,
                    resamples=config.resamples,
                )
                scores += by_model[model].rows
                if subset == "all":
                    rows += _outcome_rows(model, outcome, predictions)
                    done += 1
                    if progress is not None:
                        progress(done, total)
            if REFERENCE in by_model:
                scores += difference_rows(outcome, by_model, reference=REFERENCE, subset=subset)
    models = [name for name in config.models if name not in left_out]
    used = {
        "covariates": [variable.name for variable in variables],
        "endpoints": [o.endpoint for o in outcomes],
        "left_out": left_out,
    }
    runs = [
        {
            "run_id": model,
            "task": "prognosis",
            "kind": "model",
            "config": config.model_dump_json(),
            "code_version": __version__,
            "inputs": json.dumps(used),
        }
        for model in models
    ]
    return TaskResult(scores, {"runs": runs, "outcomes": rows})


def _cannot(
    records: Sequence[Mapping[str, Any]], outcome: Survival, variables: Sequence[Variable], config: PrognosisConfig
) -> dict[str, str]:
    """Models that these patients lack something for -> what. PRG104 when they were asked for by name."""
    training = Training.of(records, outcome.event, outcome.time_days, variables=variables, config=config)
    found = {name: reason for name in config.models if (reason := lacks(name, training))}
    if found and config.models != MODELS:
        raise TumorboardError(
            codes.MODEL_LACKS, next(iter(found)), found=f"no {next(iter(found.values()))}", expected="what it needs"
        )
    return found


def _protocols(cohort: Cohort, outcome: Survival, config: PrognosisConfig) -> dict[str, Sequence[np.ndarray[Any, Any]]]:
    """Subset name -> test folds: all patients cross-validated, and large centres each left out."""
    folds = min(config.folds, int(min(outcome.events, len(outcome) - outcome.events) or outcome.events))
    if folds < 2:
        raise TumorboardError(
            codes.TOO_FEW_EVENTS, outcome.endpoint, found=f"{outcome.events} events", expected="both fates in each fold"
        )
    protocols: dict[str, Sequence[np.ndarray[Any, Any]]] = {
        "all": stratified_folds(outcome.event, folds=folds, seed=config.seed)
    }
    centres = centre_folds([row["centre"] for row in rows_of(cohort, outcome.patient_ids)])
    for centre, test in centres.items() if len(centres) > 1 else ():
        rest = np.setdiff1d(np.arange(len(outcome)), test)
        if len(test) >= _SMALLEST_CENTRE and outcome.event[test].sum() >= 5 and outcome.event[rest].sum() >= 10:
            protocols[f"centre {centre} left out"] = [test]
    return protocols


def _outcome_rows(model: str, outcome: Survival, predictions: Sequence[FoldPrediction]) -> list[dict[str, Any]]:
    """Predictions in the shape of the truth: a risk score and a curve per patient."""
    return [
        {
            "patient_id": outcome.patient_ids[patient],
            "endpoint": outcome.endpoint,
            "run_id": model,
            "score": float(prediction.risk[place]),
            "curve_days": prediction.grid.tolist(),
            "curve_survival": prediction.survival[place].tolist(),
        }
        for prediction in predictions
        for place, patient in enumerate(prediction.test)
    ]
