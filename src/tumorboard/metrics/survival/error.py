"""Prediction error in time: Brier score under censoring, its integral, and the gain over Kaplan-Meier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.metrics.survival.curves import Curve, censoring_curve, kaplan_meier

__all__ = [
    "BrierScores",
    "IntegratedBrier",
    "brier_contributions",
    "brier_scores",
    "integrated_brier",
    "usable_horizons",
]

Floats = NDArray[np.float64]
Weights = Literal["left limit", "at time"]


@dataclass(frozen=True)
class BrierScores:
    """Brier score at each of `horizons`; `weights` names the censoring weight that events got."""

    horizons: Floats
    values: Floats
    weights: Weights


@dataclass(frozen=True)
class IntegratedBrier:
    """Mean Brier score over [`start`, `stop`], the same of the Kaplan-Meier null model, and what was cut off.

    `index_of_accuracy` = 1 - value / null: 0 is no better than Kaplan-Meier, below 0 is worse.
    """

    value: float
    null: float
    start: float
    stop: float
    clipped: str
    """What was removed from the horizons asked for, in words; empty when nothing was."""

    @property
    def index_of_accuracy(self) -> float:
        return 1 - self.value / self.null


def brier_contributions(
    event: ArrayLike,
    time: ArrayLike,
    survival: ArrayLike,
    *,
    horizons: ArrayLike,
    censoring: Curve,
    weights: Weights = "left limit",
) -> Floats:
    """(n, m) what each patient adds to the Brier score at each horizon; the mean over patients is the score.

    Parameters
    ----------
    survival : (n, m), predicted event-free probability of each patient at each horizon.
    horizons : (m,), in the unit of `time`; each must have G > 0.
    censoring : G of the *training* patients, from `censoring_curve`.
    weights : an event at T is weighted by 1 / G(T-), the chance to be uncensored just before T. ``at time`` is
        1 / G(T), as scikit-survival has it; the two differ only where events and censorings share a time.
    """
    event, time = np.asarray(event, bool), np.asarray(time, float)
    grid = np.atleast_1d(np.asarray(horizons, float))
    predicted = np.asarray(survival, float).reshape(len(time), len(grid))
    weight, g_grid = _weights(event, time, grid, censoring, weights)
    past = time[:, None] <= grid
    return np.where(past, weight[:, None] * predicted**2, (1 - predicted) ** 2 / g_grid)


def _weights(
    event: NDArray[np.bool_], time: Floats, grid: Floats, censoring: Curve, weights: Weights
) -> tuple[Floats, Floats]:
    """1 / G of each event (n,), 0 for the censored, and G at each horizon (m,)."""
    g_event = censoring.before(time) if weights == "left limit" else censoring.at(time)
    return np.divide(event, g_event, out=np.zeros(len(time)), where=event & (g_event > 0)), _g_at(grid, censoring)


def _g_at(grid: Floats, censoring: Curve) -> Floats:
    g_grid = censoring.at(grid)
    if (g_grid <= 0).any():
        raise ValueError("a horizon lies where nobody is left uncensored; clip with usable_horizons first")
    return g_grid


def brier_scores(
    event: ArrayLike,
    time: ArrayLike,
    survival: ArrayLike,
    *,
    horizons: ArrayLike,
    censoring: Curve,
    weights: Weights = "left limit",
) -> BrierScores:
    """Brier score with inverse probability of censoring weights (Graf et al. 1999) at each horizon; parameters as in
    `brier_contributions`."""
    from tumorboard.metrics import kernels

    event, time = np.asarray(event, bool), np.asarray(time, float)
    grid = np.atleast_1d(np.asarray(horizons, float))
    predicted = np.asarray(survival, float).reshape(len(time), len(grid))
    order = np.argsort(grid, kind="stable")
    if (np.diff(order) < 0).any():
        predicted = predicted[:, order]
    steps, g_grid = np.r_[1.0, censoring.survival], _g_at(grid[order], censoring)
    sums = np.empty(len(grid))
    predicted, after_drop = np.ascontiguousarray(predicted), weights == "at time"
    sums[order] = kernels.brier_sums(
        event, time, predicted, grid[order], 1 / g_grid, censoring.times, steps, after_drop
    )
    return BrierScores(grid, sums / len(time), weights)


def usable_horizons(
    horizons: ArrayLike, *, time: ArrayLike, censoring: Curve, smallest_g: float = 0.0
) -> tuple[Floats, str]:
    """The horizons inside the follow-up of the test patients with G above `smallest_g`, and in words what was cut.

    Libraries either raise here or extrapolate; a table should do neither.
    """
    grid = np.unique(np.asarray(horizons, float))
    time = np.asarray(time, float)
    inside = (grid >= time.min()) & (grid < time.max()) & (censoring.at(grid) > smallest_g)
    if inside.all():
        return grid, ""
    kept = grid[inside]
    span = f"{kept[0]:.6g} to {kept[-1]:.6g}" if len(kept) else "nothing"
    return kept, f"{(~inside).sum()} of {len(grid)} horizons outside the usable follow-up; kept {span}"


def integrated_brier(
    event: ArrayLike,
    time: ArrayLike,
    survival: ArrayLike,
    *,
    grid: ArrayLike,
    train_event: ArrayLike,
    train_time: ArrayLike,
    weights: Weights = "left limit",
) -> IntegratedBrier:
    """Brier score integrated (trapezoid) over the part of `grid` that the data supports, divided by its length.

    `survival` is (n, m) on `grid` (m,). Both G and the Kaplan-Meier null model come from the training patients.
    ValueError when fewer than two horizons are usable.
    """
    grid = np.asarray(grid, float)
    censoring = censoring_curve(train_event, train_time)
    kept, clipped = usable_horizons(grid, time=time, censoring=censoring)
    if len(kept) < 2:
        raise ValueError(f"no span of time to integrate over: {clipped}")
    columns = np.searchsorted(grid, kept)
    null = np.tile(kaplan_meier(train_event, train_time).at(kept), (len(np.asarray(time)), 1))
    means = []
    for predicted in (np.asarray(survival, float)[:, columns], null):
        scores = brier_scores(event, time, predicted, horizons=kept, censoring=censoring, weights=weights)
        means.append(float(np.trapezoid(scores.values, kept) / (kept[-1] - kept[0])))
    return IntegratedBrier(means[0], means[1], float(kept[0]), float(kept[-1]), clipped)
