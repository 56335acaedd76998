"""Every model on every endpoint, out of fold, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from tumorboard.tasks.prognosis.competing import competition
from tumorboard.tasks.prognosis.config import MODELS, ON_IMAGES, PrognosisConfig
from tumorboard.tasks.prognosis.data import endpoints_of, missing
from tumorboard.tasks.prognosis.leaks import telling_variables
from tumorboard.tasks.prognosis.models.registry import lacks
from tumorboard.tasks.prognosis.patients import Training
from tumorboard.tasks.prognosis.pictures import draw_pictures
from tumorboard.tasks.prognosis.protocol import FoldPrediction, cross_validate
from tumorboard.tasks.prognosis.scoring import ModelScores, difference_rows, score_model
from tumorboard.tasks.prognosis.subgroups import groups_of, subgroup_rows
from tumorboard.tasks.result import Picture, TaskResult

__all__ = ["benchmark"]

Progress = Callable[[int, int], None]
REFERENCE = "ridge-cox"
BEST = "best-by-inner-folds"
TOO_GOOD = 0.95
"""Concordance above which a model is under suspicion."""
_SMALLEST_CENTRE = 30
"""Patients that a centre needs to be left out and tested on."""


def benchmark(
    cohort: Cohort, out: Path, *, config: PrognosisConfig | None = None, progress: Progress | None = None
) -> TaskResult:
    """Cross-validate every model by patient, and leave out one centre at a time where centres are large enough.

    Predictions of the cross-validation become `outcomes` rows of one run per model; figures are written to
    `out`/pictures. Variables that tell the outcome are left out and named in the notes, with everything else that a
    reader must know. PRG103 when the cohort lacks endpoints, events or baseline variables.
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
    done, total = 0, len(outcomes) * len(config.models)

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)

    parts = [_one_endpoint(cohort, outcome, variables, out, config=config, step=step) for outcome in outcomes]
    runs = []
    for model in config.models:
        mine = [part for part in parts if model in part.models]
        if not mine:
            continue
        used = {
            "covariates": {part.outcome.endpoint: [v.name for v in part.variables] for part in mine},
            "endpoints": [part.outcome.endpoint for part in mine],
        }
        runs.append(
            {
                "run_id": model,
                "task": "prognosis",
                "kind": "model",
                "config": config.model_dump_json(),
                "code_version": __version__,
                "inputs": json.dumps(used),
            }
        )
    scores = [row for part in parts for row in part.scores]
    rows = [row for part in parts for row in part.rows]
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    pictures = tuple(picture for part in parts for picture in part.pictures)
    return TaskResult(scores, {"runs": runs, "outcomes": rows}, notes, pictures)


@dataclass
class _Part:
    """What came of one endpoint."""

    outcome: Survival
    variables: list[Variable]
    models: list[str]
    scores: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def _one_endpoint(
    cohort: Cohort,
    outcome: Survival,
    variables: Sequence[Variable],
    out: Path,
    *,
    config: PrognosisConfig,
    step: Callable[[], None],
) -> _Part:
    records = rows_of(cohort, outcome.patient_ids)
    honest, notes = _honest(records, outcome, variables, config)
    unfit = _cannot(records, outcome, honest, config, cohort)
    part = _Part(outcome, honest, [name for name in config.models if name not in unfit], notes=notes)
    part.notes += [f"{outcome.endpoint}: {name} left out, no {reason}" for name, reason in unfit.items()]
    told = competition(cohort, outcome, horizon_days=config.horizons_days[len(config.horizons_days) // 2])
    if told is not None and told.in_words():
        part.notes.append(told.in_words())
    everybody: dict[str, list[FoldPrediction]] = {}
    for subset, folds in _protocols(cohort, outcome, config).items():
        by_model: dict[str, ModelScores] = {}
        for model in part.models:
            if subset != "all" and model not in config.across_centres:
                continue
            predictions = cross_validate(
                model, records, outcome, variables=honest, folds=folds, config=config, cohort=cohort,
                bounded=model == config.bound_of and subset == "all",
            )  # fmt: skip
            by_model[model] = score_model(
                model, outcome, predictions, subset=subset,
                horizons_days=config.horizons_days, seed=config.seed, resamples=config.resamples,
            )  # fmt: skip
            part.scores += by_model[model].rows
            if subset == "all":
                everybody[model] = predictions
                step()
        if REFERENCE in by_model:
            part.scores += difference_rows(outcome, by_model, reference=REFERENCE, subset=subset)
    _tell(part, everybody, records, out, config)
    return part


def _tell(
    part: _Part,
    everybody: Mapping[str, Sequence[FoldPrediction]],
    records: Sequence[Mapping[str, Any]],
    out: Path,
    config: PrognosisConfig,
) -> None:
    """Rows of predictions, figures of subgroups, suspicion of what is too good, and pictures."""
    groups = groups_of(records, [*part.variables])
    for model, predictions in everybody.items():
        part.rows += _outcome_rows(model, part.outcome, predictions)
        if model in (REFERENCE, BEST):
            part.scores += subgroup_rows(
                model, part.outcome, predictions, groups, seed=config.seed, resamples=max(100, config.resamples // 5)
            )
    for row in part.scores:
        if row["metric"] == "c_index" and row["subset"] == "all" and (row["value"] or 0) > TOO_GOOD:
            part.notes.append(
                f"{row['label']}: {row['run']} reaches a concordance of {row['value']:.3f}, more than honest models of "
                "a tumour's course do: look for what was known only later."
            )
    shown = next((model for model in (BEST, REFERENCE) if model in everybody), None)
    if config.pictures and shown is not None:
        part.pictures += draw_pictures(
            part.outcome, everybody, records, part.variables, out / "pictures", shown=shown, config=config
        )


def _honest(
    records: Sequence[Mapping[str, Any]], outcome: Survival, variables: Sequence[Variable], config: PrognosisConfig
) -> tuple[list[Variable], list[str]]:
    """The variables that do not tell the outcome, and notes on the others."""
    telling = telling_variables(records, outcome, variables)
    action = "left out" if config.leaks == "leave out" else "KEPT by the setting `leaks`"
    notes = [f"{outcome.endpoint}: {name} {action}, since it {reason}" for name, reason in telling.items()]
    if config.leaks == "keep":
        return list(variables), notes
    kept = [variable for variable in variables if variable.name not in telling]
    if not kept:
        raise TumorboardError(
            codes.ONLY_LEAKS, outcome.endpoint, found="; ".join(notes), expected="variables known before treatment"
        )
    return kept, notes


def _cannot(
    records: Sequence[Mapping[str, Any]],
    outcome: Survival,
    variables: Sequence[Variable],
    config: PrognosisConfig,
    cohort: Cohort,
) -> dict[str, str]:
    """Models that these patients lack something for -> what. PRG104 when they were asked for by name."""
    training = Training.of(
        records,
        outcome.event,
        outcome.time_days,
        variables=variables,
        config=config,
        cohort=cohort,
        endpoint=outcome.endpoint,
    )
    found = {name: reason for name in config.models if (reason := lacks(name, training))}
    if found and config.models != (*MODELS, *ON_IMAGES):
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
