"""A mean of different models, weighted by what inner folds say, and calibrated on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.variables import Variable
from tumorboard.metrics.survival.curves import censoring_curve
from tumorboard.tasks.features.blocks import block_of, known_blocks
from tumorboard.tasks.features.modalities import CLINICAL, MODALITIES
from tumorboard.tasks.prognosis.models.recalibration import Recalibration, fit_recalibration
from tumorboard.tasks.prognosis.models.registry import FittedModel, add_model, fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["FUSION", "MEMBERS", "Blend", "brier_weights", "fit_blend"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MEMBERS = ("ridge-cox", "elastic-net-cox", "survival-forest", "boosted-hazard")
FUSION = "fusion-cox"
"""Takes part, and the place of ridge Cox as the anchor, where there are image features."""
_INNER_TREES = 100
_KNOTS = 18


@dataclass(frozen=True)
class Blend:
    """`weights` of the log cumulative hazards of the `members`, called `names`; the first is the anchor. A patient who
    lacks one of the `common` modalities, those that most training patients have, is predicted by the anchor alone: the
    others would fill the gap with what is usual."""

    names: tuple[str, ...]
    members: tuple[FittedModel, ...]
    weights: Floats
    knots: Floats
    common: frozenset[str]
    variables: tuple[Variable, ...]
    recalibration: Recalibration

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        """Calibrated (n, m) event-free probability at `grid`."""
        return self._calibrated(patients, self.plain(patients, grid), self.plain(patients, self.knots))

    def plain(self, patients: Patients, grid: Floats) -> Floats:
        """The same before calibration."""
        curves = np.array(self.members[0].survival(patients, grid))
        whole = _have(patients, self.variables, self.common)
        logs = sum(w * _log_hazard(m.survival(patients, grid)) for w, m in zip(self.weights, self.members, strict=True))
        curves[whole] = np.exp(-np.exp(np.asarray(logs)[whole]))
        return curves

    def risk(self, patients: Patients) -> Floats:
        """Log of the mean cumulative hazard over the knots."""
        plain = self.plain(patients, self.knots)
        risk: Floats = np.log(np.exp(_log_hazard(self._calibrated(patients, plain, plain))).mean(axis=1))
        return risk

    def _calibrated(self, patients: Patients, curves: Floats, at_knots: Floats) -> Floats:
        factors = self.recalibration.factors(_middle(_log_hazard(at_knots)))
        factors[~_have(patients, self.variables, self.common)] = 1.0
        calibrated: Floats = curves ** factors[:, None]
        return calibrated


def _log_hazard(survival: Floats) -> Floats:
    found: Floats = np.log(-np.log(np.clip(survival, 1e-9, 1 - 1e-9)))
    return found


def _middle(log_hazards: Floats) -> Floats:
    column: Floats = log_hazards[:, log_hazards.shape[1] // 2]
    return column


def _have(patients: Patients, variables: Sequence[Variable], wanted: frozenset[str]) -> Bools:
    """(n,) whether a patient has every modality of `wanted`; clinical variables are one."""
    if not wanted:
        return np.ones(len(patients), bool)
    known = known_blocks(patients.rows, variables)
    return np.asarray(known[:, [MODALITIES.index(m) for m in wanted]].all(axis=1))


def brier_weights(curves: Floats, event: Bools, time: Floats, grid: Floats) -> Floats:
    """Weights (k,) >= 0 of sum 1 for the mean of `curves` (k, n, m) that has the least Brier score with inverse
    probability of censoring weights: a weighted sum of squares, so a least-squares fit under constraints."""
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
    weights: Floats = found / found.sum()
    return weights


def fit_blend(training: Training) -> Blend:
    """Members, weights and calibration from one training part, by its inner folds."""
    images = {block_of(v) for v in training.variables if v.name in training.patients.sources} - {CLINICAL}
    names = ((FUSION,) if images else ()) + MEMBERS
    event, time = training.event, training.time_days
    knots = np.unique(np.quantile(time[event], np.linspace(0.05, 0.9, _KNOTS)))
    curves = np.zeros((len(names), len(event), len(knots)))
    for part, held_out, index in training.inner():
        part = replace(part, config=part.config.model_copy(update={"trees": min(_INNER_TREES, part.config.trees)}))
        for place, name in enumerate(names):
            curves[place, index] = fit_model(name, part).survival(held_out, knots)
    common = _common(training) if images else frozenset()
    whole = _have(training.patients, training.variables, common)
    event, time, curves = event[whole], time[whole], curves[:, whole]
    weights = (brier_weights(curves, event, time, knots) + 1 / len(names) + np.eye(len(names))[0]) / 3
    logs = np.tensordot(weights, _log_hazard(curves), axes=1)
    own = np.array([np.interp(t, np.r_[0, knots], np.r_[0, h]) for t, h in zip(time, np.exp(logs), strict=True)])
    recalibration = fit_recalibration(own, event & (time <= knots[-1]), _middle(logs))
    members = tuple(fit_model(name, training) for name in names)
    return Blend(names, members, weights, knots, common, training.variables, recalibration)


def _common(training: Training) -> frozenset[str]:
    """Modalities that at least half of the training patients have."""
    share = known_blocks(training.patients.rows, training.variables).mean(axis=0)
    return frozenset(m for m, part in zip(MODALITIES, share, strict=True) if part >= 0.5)


add_model(
    "best-by-inner-folds",
    f"mean log hazard of {', '.join(MEMBERS)}, and {FUSION} where there are image features; a third of the weight is "
    f"equal, a third by the Brier score of inner folds, a third on the Cox regression; calibrated on inner folds",
    fit_blend,
)
