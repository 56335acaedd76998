"""The null model, tumour volume alone, and Cox regression with a fixed and with a chosen ridge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.survival.curves import Curve, kaplan_meier
from tumorboard.tasks.prognosis.cox import CoxFit, fit_cox
from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

__all__ = ["chosen_ridge", "volume_of"]

Floats = NDArray[np.float64]
_VOLUME_UNITS = {"ml", "cm3", "cm^3", "mm3", "mm^3"}
_RIDGES = np.geomspace(1, 1000, 7)


@dataclass(frozen=True)
class _Null:
    curve: Curve

    def risk(self, x: Floats) -> Floats:
        return np.zeros(len(x))

    def survival(self, x: Floats, grid: Floats) -> Floats:
        return np.tile(self.curve.at(grid), (len(x), 1))


@table_model("kaplan-meier", "the same Kaplan-Meier curve for everybody: the null model")
def _fit_null(training: Training) -> TableModel:
    return _Null(kaplan_meier(training.event, training.time_days))


def volume_of(training: Training) -> str:
    """The variable that holds the tumour's volume: the configured one, else the first in ml or mm3 that says volume."""
    if training.config.volume:
        return training.config.volume
    for variable in training.variables:
        if variable.unit in _VOLUME_UNITS and ("volume" in variable.name.lower() or "mtv" in variable.name.lower()):
            return variable.name
    return ""


def _no_volume(training: Training) -> str:
    return "" if volume_of(training) in training.patients.sources else "a variable with the tumour's volume"


@dataclass(frozen=True)
class _Volume:
    column: int
    fit: CoxFit

    def risk(self, x: Floats) -> Floats:
        return self.fit.risk(x[:, [self.column]])

    def survival(self, x: Floats, grid: Floats) -> Floats:
        return self.fit.survival(x[:, [self.column]], grid)


@table_model("volume", "Cox regression on the tumour's volume alone", lacks=_no_volume)
def _fit_volume(training: Training) -> TableModel:
    column = training.patients.sources.index(volume_of(training))
    fit = fit_cox(training.patients.x[:, [column]], training.event, training.time_days, ridge=training.config.ridge)
    return _Volume(column, fit)


@table_model("ridge-cox", "Cox regression with Efron's ties and one fixed ridge")
def _fit_ridge_cox(training: Training) -> TableModel:
    return fit_cox(training.patients.x, training.event, training.time_days, ridge=training.config.ridge)


@table_model("tuned-ridge-cox", "Cox regression whose ridge is chosen by inner folds")
def _fit_tuned_cox(training: Training) -> TableModel:
    return fit_cox(training.patients.x, training.event, training.time_days, ridge=chosen_ridge(training))


def chosen_ridge(training: Training) -> float:
    """The strongest ridge whose inner concordance is within a quarter of its standard error of the best."""
    rows = []
    for part, held_out, index in training.inner():
        fits = [fit_cox(part.patients.x, part.event, part.time_days, ridge=ridge) for ridge in _RIDGES]
        rows.append(
            [concordance(training.event[index], training.time_days[index], fit.risk(held_out.x)).value for fit in fits]
        )
    scores = np.array([row for row in rows if None not in row], float)
    if not len(scores):
        return float(_RIDGES[2])
    mean, error = scores.mean(axis=0), scores.std(axis=0) / np.sqrt(len(scores))
    best = int(np.argmax(mean))
    return float(_RIDGES[np.flatnonzero(mean >= mean[best] - 0.25 * error[best])[-1]])
