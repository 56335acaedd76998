"""Who goes first: time-dependent AUC and Antolini's concordance, for predictions that change with time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.metrics.survival.curves import Curve
from tumorboard.metrics.survival.error import Weights

__all__ = ["AntoliniConcordance", "DynamicAuc", "antolini_concordance", "dynamic_auc"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DynamicAuc:
    """Cumulative/dynamic AUC at each horizon; NaN where there are no cases or no controls.

    `cases` and `controls` count them; `weights` names the censoring weight of the cases.
    """

    horizons: Floats
    values: Floats
    cases: NDArray[np.int64]
    controls: NDArray[np.int64]
    weights: Weights


def dynamic_auc(
    event: ArrayLike,
    time: ArrayLike,
    risk: ArrayLike,
    *,
    horizons: ArrayLike,
    censoring: Curve,
    weights: Weights = "left limit",
) -> DynamicAuc:
    """Chance that a patient with the event by t has a higher risk than one without (Uno et al. 2007).

    `risk` is (n,) or, when it depends on the horizon, (n, m); higher means earlier event. Cases are weighted by the
    inverse chance to be uncensored, G from the *training* patients. Equal risks count one half.
    """
    event, time = np.asarray(event, bool), np.asarray(time, float)
    grid = np.atleast_1d(np.asarray(horizons, float))
    risk = np.asarray(risk, float)
    scores = np.broadcast_to(risk[:, None] if risk.ndim == 1 else risk, (len(time), len(grid)))
    g = censoring.before(time) if weights == "left limit" else censoring.at(time)
    weight = np.divide(event, g, out=np.zeros(len(time)), where=event & (g > 0))
    values = np.full(len(grid), np.nan)
    cases, controls = np.zeros(len(grid), np.int64), np.zeros(len(grid), np.int64)
    for column, horizon in enumerate(grid):
        case, control = event & (time <= horizon), time > horizon
        cases[column], controls[column] = case.sum(), control.sum()
        total = weight[case].sum()
        if total and controls[column]:
            others = np.sort(scores[control, column])
            mine = scores[case, column]
            below = np.searchsorted(others, mine, side="left")
            equal = np.searchsorted(others, mine, side="right") - below
            values[column] = weight[case] @ (below + 0.5 * equal) / (total * len(others))
    return DynamicAuc(grid, values, cases, controls, weights)


@dataclass(frozen=True)
class AntoliniConcordance:
    """Time-dependent concordance and the number of comparable pairs it rests on; NaN when there are none."""

    value: float
    comparable: int


def antolini_concordance(
    event: ArrayLike, time: ArrayLike, survival: ArrayLike, *, grid: ArrayLike
) -> AntoliniConcordance:
    """Antolini et al. (2005): for an event at T_i and a patient still event-free then, is S_i(T_i) the lower one?

    `survival` is (n, m) on `grid`, read as right-continuous steps that start at 1. At equal times a pair is
    comparable when the other patient is censored. Equal predictions count one half. With proportional hazards it
    equals Harrell's C, which this is the extension of.
    """
    event, time = np.asarray(event, bool), np.asarray(time, float)
    curves = np.column_stack([np.ones(len(time)), np.asarray(survival, float)])
    step = np.searchsorted(np.asarray(grid, float), time, side="right")
    credit, comparable = 0.0, 0
    for i in np.flatnonzero(event):
        other = (time > time[i]) | ((time == time[i]) & ~event)
        theirs = curves[other, step[i]]
        mine = curves[i, step[i]]
        comparable += len(theirs)
        credit += np.count_nonzero(mine < theirs) + 0.5 * np.count_nonzero(mine == theirs)
    return AntoliniConcordance(credit / comparable if comparable else float("nan"), comparable)
