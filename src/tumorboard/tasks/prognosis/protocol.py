"""Who trains and who tests: folds by patient, fitted parts inside the training fold alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.tasks.clinical.variables import rows_of
from tumorboard.tasks.prognosis import codes
from tumorboard.tasks.prognosis.bounds import calibrate_bound
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.models.registry import fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["External", "FoldPrediction", "check_folds", "cross_validate", "external", "time_grid"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class FoldPrediction:
    """Out-of-fold predictions of one model: who was tested and trained on, risk (n_test,), and event-free
    probability (n_test, m) at `grid`."""

    test: Indices
    train: Indices
    risk: Floats
    survival: Floats
    grid: Floats
    bounds: Floats | None = None
    """(n_test,) days until which nine in ten are event-free, where asked for."""
    cuts: Floats = field(default_factory=lambda: np.zeros(0))
    """(2,) thirds of the risks that the fold's model gives to its training patients."""
    columns: tuple[str, ...] = ()
    """What the encoder made of the variables in this fold."""


def cross_validate(
    model: str,
    rows: Sequence[Mapping[str, Any]],
    outcome: Survival,
    *,
    variables: Sequence[Variable],
    folds: Sequence[Indices],
    config: PrognosisConfig,
    cohort: Cohort | None = None,
    bounded: bool = False,
) -> list[FoldPrediction]:
    """Fit `model` on each training part and predict the patients left out.

    `rows` are records of `patients` in the order of `outcome`; `cohort` is for models that look at images. The encoder,
    every choice inside the model, the grid of times and (`bounded`) the calibration of bounds are functions of the
    training part alone. PRG105 when a patient
    stands in two folds.
    """
    check_folds(outcome, folds)
    predictions = []
    for test in folds:
        train = np.setdiff1d(np.arange(len(rows)), test)
        training = Training.of(
            [rows[i] for i in train], outcome.event[train], outcome.time_days[train],
            variables=variables, config=config, cohort=cohort, endpoint=outcome.endpoint,
        )  # fmt: skip
        fitted = fit_model(model, training)
        tested = Patients.encoded([rows[i] for i in test], training.encoder, cohort)
        grid = time_grid(training)
        risk, survival = fitted.risk(tested), fitted.survival(tested, grid)
        cuts = np.quantile(fitted.risk(training.patients), [1 / 3, 2 / 3])
        bounds = calibrate_bound(model, training, grid=grid).times(survival) if bounded else None
        predictions.append(FoldPrediction(test, train, risk, survival, grid, bounds, cuts, tested.names))
    return predictions


@dataclass(frozen=True)
class External:
    """Two cohorts as one list of patients: those to train on, then those to test on (`test`, indices)."""

    rows: list[Mapping[str, Any]]
    outcome: Survival
    test: Indices


def external(train: Cohort, test: Cohort, endpoint: str) -> External:
    """Train on one cohort, test on another: give the parts to `cross_validate` with `folds=[test]`. PRG105 when a
    patient is in both."""
    outcomes = []
    for cohort in (train, test):
        outcome = cohort.outcome(endpoint)
        if not isinstance(outcome, Survival):
            raise TumorboardError(
                codes.TOO_FEW_EVENTS, f"{cohort.name}, {endpoint}", found="classes", expected="times and events"
            )
        outcomes.append(outcome)
    rows = [row for cohort, o in zip((train, test), outcomes, strict=True) for row in rows_of(cohort, o.patient_ids)]
    both = Survival(
        endpoint,
        outcomes[0].patient_ids + outcomes[1].patient_ids,
        np.r_[outcomes[0].event, outcomes[1].event],
        np.r_[outcomes[0].time_days, outcomes[1].time_days],
    )
    tested = np.arange(len(outcomes[0]), len(both))
    check_folds(both, [tested])
    return External(list(rows), both, tested)


def time_grid(training: Training) -> Floats:
    """Times at which curves are kept: 2nd to 98th percentile of the training events, and the horizons."""
    quantiles = np.quantile(training.time_days[training.event], np.linspace(0.02, 0.98, 49))
    return np.unique(np.r_[quantiles, training.config.horizons_days])


def check_folds(outcome: Survival, folds: Sequence[Indices]) -> None:
    """PRG105 when a patient would be tested in two folds, or has two rows in the outcome."""
    tested = [outcome.patient_ids[i] for fold in folds for i in fold]
    for ids in (tested, outcome.patient_ids):
        twice = sorted(patient for patient, count in Counter(ids).items() if count > 1)
        if twice:
            raise TumorboardError(
                codes.PATIENT_TWICE,
                outcome.endpoint,
                found=f"{len(twice)} patients twice, such as {twice[0]}",
                expected="each patient in one fold, once",
            )
