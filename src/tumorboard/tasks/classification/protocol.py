"""Who trains and who tests: folds by patient, left-out centres, another cohort. Everything is fitted on the training
part alone: encoder, exclusion of leaks, models, weights, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.rules.ids_alike import plain_id
from tumorboard.core.errors import TumorboardError
from tumorboard.core.naming import words
from tumorboard.core.variables import Variable
from tumorboard.tasks.classification.calibration import estimated_shares
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import Problem, leaks
from tumorboard.tasks.classification.fitting import FittedModel, fit_models
from tumorboard.tasks.classification.patients import Patients, Training
from tumorboard.tasks.classification.stages import depends_on_hpv, harmonised, present_nodes
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.variables import rows_of

__all__ = [
    "FoldPrediction",
    "Prepared",
    "Run",
    "cross_validate",
    "held_out_folds",
    "predicted",
    "prepare",
    "transfer",
    "unreadable",
]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class FoldPrediction:
    """What one model says of patients that it has not seen: `test` their places, calibrated `probabilities` (n, k),
    class numbers `told` (n,), `confidence` (n,) 0 to 1, whether they are `answered` at the configured coverage (n,),
    and conformal `sets` (n, k); `order` (n,), their places within the group predicted together, the surest last.
    `explained`: per patient, variable -> change of the log odds; empty where not asked."""

    test: Indices
    probabilities: Floats
    told: Indices
    confidence: Floats
    answered: NDArray[np.bool_]
    sets: NDArray[np.bool_]
    order: Floats
    explained: tuple[dict[str, float], ...] = ()

    def with_explanations(self, explained: tuple[dict[str, float], ...]) -> FoldPrediction:
        """The same with what moved each probability."""
        return replace(self, explained=explained)


@dataclass
class Run:
    """Predictions by model, and what happened on the way (note -> in how many folds)."""

    predictions: dict[str, list[FoldPrediction]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    folds: int = 0

    def told(self) -> list[str]:
        """Notes with the number of folds they concern, where not all."""
        return [f"{n}" if k == self.folds else f"{n} (in {k} of {self.folds} folds)" for n, k in self.notes.items()]


@dataclass(frozen=True)
class Prepared:
    """A training part ready to be fitted, and how the rows of other patients become its rows."""

    training: Training
    staged: Mapping[str, Variable]
    notes: tuple[str, ...]

    def patients(self, rows: Sequence[Record], cohort: Any = None) -> Patients:
        return Patients.encoded(present_nodes(rows, self.staged), self.training.encoder, cohort)


def held_out_folds(problem: Problem, *, folds: int, seed: int) -> list[Indices]:
    """Stratified folds; patients whose ids differ only in writing stay together, with the first of them."""
    parts = stratified_folds(problem.y, folds=folds, seed=seed)
    place = np.empty(len(problem), np.int64)
    for number, part in enumerate(parts):
        place[part] = number
    first: dict[str, int] = {}
    for i, patient in enumerate(problem.patient_ids):
        place[i] = place[first.setdefault(plain_id(patient), i)]
    return [np.flatnonzero(place == number) for number in range(folds)]


def unreadable(rows: Sequence[Record], variables: Sequence[Variable]) -> dict[int, TumorboardError]:
    """Place of each row with a cell that is no value of its variable -> the error (VAR101, VAR103)."""
    found: dict[int, TumorboardError] = {}
    for i, row in enumerate(rows):
        try:
            ClinicalEncoder.fit([row], variables)
        except TumorboardError as error:
            found[i] = error
    return found


def prepare(problem: Problem, train: Indices, variables: Sequence[Variable], config: ClassificationConfig) -> Prepared:
    """The training part `train` of a problem: stages harmonised, leaks left out, encoded. Nothing else is looked at."""
    rows = [problem.rows[i] for i in train]
    kept, staged, notes = list(variables), dict[str, Variable](), list[str]()
    if {"hpv", "p16"} & set(words(problem.endpoint)) and depends_on_hpv(rows, variables):
        kept, staged, notes = harmonised(variables, how=config.n_stage)
    judged = [v for v in kept if v.name not in config.keep and v.name not in staged]
    for name, why in leaks(problem, train, judged).items():
        kept = [v for v in kept if v.name != name]
        notes.append(f"{name!r} left out, it gives {problem.endpoint} away: {why}")
    training = Training.of(
        present_nodes(rows, staged),
        problem.y[train],
        problem.classes,
        variables=kept,
        config=config,
        cohort=problem.cohort,
    )
    return Prepared(training, staged, tuple(notes))


def cross_validate(
    problem: Problem,
    *,
    variables: Sequence[Variable],
    folds: Sequence[Indices],
    config: ClassificationConfig,
    explain: str = "",
    transductive: bool = False,
    on_fold: Callable[[], None] | None = None,
) -> Run:
    """Fit every model on each training part and predict the patients left out. `explain`: the model whose
    probabilities are taken apart per patient. `transductive`: class shares are those estimated from each test part."""
    run = Run(folds=len(folds))
    everyone = np.arange(len(problem))
    for test in folds:
        prepared = prepare(problem, np.setdiff1d(everyone, test), variables, config)
        fitted, lacking = fit_models(prepared.training, config.models)
        for note in (*prepared.notes, *(f"{name} cannot be fitted: lacks {why}" for name, why in lacking.items())):
            run.notes[note] = run.notes.get(note, 0) + 1
        patients = prepared.patients([problem.rows[i] for i in test], problem.cohort)
        for name, model in fitted.items():
            found = predicted(model, patients, test=test, config=config, transductive=transductive)
            if name == explain:
                from tumorboard.tasks.classification.explain import moved

                found = found.with_explanations(moved(model, patients, prepared.training))
            run.predictions.setdefault(name, []).append(found)
        if on_fold is not None:
            on_fold()
    return run


def predicted(
    model: FittedModel, patients: Patients, *, test: Indices, config: ClassificationConfig, transductive: bool = False
) -> FoldPrediction:
    """Probabilities, class, sureness and sets of patients. With `transductive`, probabilities carry the class shares
    estimated from these very patients; the class told does not depend on shares."""
    p = model.probabilities(patients)
    balanced = model.calibration.balanced(p)
    if transductive and len(p):
        now = estimated_shares(p, model.calibration.shares)
        p = balanced * now
        p = p / p.sum(axis=1, keepdims=True)
    answers = model.answers
    return FoldPrediction(
        test,
        p,
        answers.classes(balanced),
        answers.confidence(balanced),
        answers.answered(balanced, coverage=config.coverage),
        answers.sets(balanced),
        answers.order(p, balanced),
    )


def transfer(
    train: Problem,
    test: Problem,
    *,
    variables: Sequence[Variable],
    config: ClassificationConfig,
    transductive: bool = False,
) -> Run:
    """Fit on one cohort, predict the patients of another; variables that the other lacks are missing there. Classes
    that the first does not know cannot be told."""
    run = Run(folds=1)
    prepared = prepare(train, np.arange(len(train)), variables, config)
    fitted, lacking = fit_models(prepared.training, config.models)
    run.notes = dict.fromkeys((*prepared.notes, *(f"{n} cannot be fitted: lacks {w}" for n, w in lacking.items())), 1)
    patients = prepared.patients(rows_of(test.cohort, test.patient_ids), test.cohort)
    everyone = np.arange(len(test))
    for name, model in fitted.items():
        run.predictions[name] = [predicted(model, patients, test=everyone, config=config, transductive=transductive)]
    return run
