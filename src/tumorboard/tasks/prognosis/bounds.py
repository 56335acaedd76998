"""Until when is a patient event-free, with nine chances in ten: bounds that hold without the model being right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.survival.curves import Curve, censoring_curve
from tumorboard.tasks.prognosis.models.registry import FittedModel, fit_model
from tumorboard.tasks.prognosis.patients import Training

__all__ = ["CalibratedBound", "calibrate_bound", "missed"]

Floats = NDArray[np.float64]
_LEVELS = np.linspace(0.995, 0.30, 140)


@dataclass(frozen=True)
class CalibratedBound:
    """The time until which a patient's predicted survival stays at or above `level` is a lower bound that about
    `missed` of the training patients (out of fold) had their event before."""

    level: float
    wanted: float
    missed: float
    grid: Floats

    def times(self, survival: Floats) -> Floats:
        """Bounds (n,) in days from survival (n, m) on `grid`; infinity-free: at most the last time of the grid."""
        return _first_below(survival, self.grid, self.level)


def calibrate_bound(model: str, training: Training, *, miss: float = 0.1, grid: Floats) -> CalibratedBound:
    """Lower bounds on the event-free time that fail for a share `miss` of patients.

    Curves of `model` are made out of inner folds; the level is the lowest survival at which the share of events before
    the bound, weighted for censoring, stays within `miss` (after Candes, Lei and Ren 2023; here with weights from
    Kaplan-Meier and cross-fitting, so the guarantee is approximate).
    """
    curves = np.zeros((len(training.event), len(grid)))
    for part, held_out, index in training.inner():
        fitted: FittedModel = fit_model(model, part)
        curves[index] = fitted.survival(held_out, grid)
    censoring = censoring_curve(training.event, training.time_days)
    level, reached = float(_LEVELS[0]), 0.0
    for candidate in _LEVELS:
        share = missed(training.event, training.time_days, _first_below(curves, grid, candidate), censoring=censoring)
        if share > miss:
            break
        level, reached = float(candidate), share
    return CalibratedBound(level, miss, reached, grid)


def missed(event: NDArray[np.bool_], time: Floats, bound: Floats, *, censoring: Curve) -> float:
    """Share of patients whose event came before their bound, each such event weighted by 1 / G(T-)."""
    early = event & (time < bound)
    return float((early / np.maximum(censoring.before(time), 0.05)).mean())


def _first_below(survival: Floats, grid: Floats, level: float) -> Floats:
    """First grid time at which survival is below `level`, linear in between; 0 is the time of survival 1."""
    knots = np.r_[0.0, grid]
    curves = np.column_stack([np.ones(len(survival)), survival])
    below = curves < level
    place = np.where(below.any(axis=1), below.argmax(axis=1), len(knots) - 1)
    rows = np.arange(len(curves))
    before = np.maximum(place - 1, 0)
    drop = curves[rows, before] - curves[rows, place]
    share = np.where(drop > 0, (curves[rows, before] - level) / np.where(drop > 0, drop, 1), 1.0)
    return knots[before] + np.clip(share, 0, 1) * (knots[place] - knots[before])
