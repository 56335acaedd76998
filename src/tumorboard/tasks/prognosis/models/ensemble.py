"""A mean of different models, weighted by what inner folds say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.survival.curves import censoring_curve
from tumorboard.tasks.prognosis.models.registry import FittedModel, add_model, fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["MEMBERS", "brier_weights"]

Floats = NDArray[np.float64]
MEMBERS = ("ridge-cox", "elastic-net-cox", "survival-forest", "boosted-hazard")
_INNER_TREES = 100


@dataclass(frozen=True)
class _Stack:
    members: tuple[FittedModel, ...]
    weights: Floats
    knots: Floats

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        """Weighted mean of the members' curves."""
        return sum(w * m.survival(patients, grid) for w, m in zip(self.weights, self.members, strict=True) if w > 0)

    def risk(self, patients: Patients) -> Floats:
        """Cumulative hazards of the mean curve, summed over the knots."""
        return -np.log(np.clip(self.survival(patients, self.knots), 1e-6, 1)).sum(axis=1)


def brier_weights(
    curves: Floats, event: NDArray[np.bool_], time: Floats, grid: Floats, *, shrink: float = 0.5
) -> Floats:
    """Weights (k,) >= 0 of sum 1 for the mean of `curves` (k, n, m) that has the least Brier score with inverse
    probability of censoring weights, drawn towards equal weights by `shrink`.

    The score is a weighted sum of squares, so the weights are a least-squares fit under constraints.
    """
    from scipy.optimize import nnls

    censoring = censoring_curve(event, time)
    g_event, g_grid = censoring.before(time), censoring.at(grid)
    past = time[:, None] <= grid
    weight = np.where(past, (event / np.maximum(g_event, 0.05))[:, None], 1 / np.maximum(g_grid, 0.05))
    root = np.sqrt(weight).ravel()
    design = np.column_stack([one.ravel() * root for one in curves])
    target = np.where(past, 0.0, 1.0).ravel() * root
    heavy = 1e3 * np.abs(design).sum()  # a row that holds the sum of the weights at one
    found = nnls(np.vstack([design, np.full(len(curves), heavy)]), np.r_[target, heavy])[0]
    return (1 - shrink) * found / found.sum() + shrink / len(curves)


def _fit_stack(training: Training) -> FittedModel:
    event, time = training.event, training.time_days
    knots = np.unique(np.quantile(time[event], np.linspace(0.05, 0.9, 18)))
    curves = np.zeros((len(MEMBERS), len(event), len(knots)))
    for part, held_out, index in training.inner():
        part = replace(part, config=part.config.model_copy(update={"trees": min(_INNER_TREES, part.config.trees)}))
        for place, name in enumerate(MEMBERS):
            curves[place, index] = fit_model(name, part).survival(held_out, knots)
    weights = brier_weights(curves, event, time, knots)
    members = tuple(fit_model(name, training) for name in MEMBERS)
    return _Stack(members, weights, knots)


add_model(
    "best-by-inner-folds",
    f"mean curve of {', '.join(MEMBERS)}, half weighted alike and half by the Brier score of inner folds",
    _fit_stack,
)
