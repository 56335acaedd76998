"""Cox regression with an elastic net, along a path of penalties."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.cox import CoxFit, derivatives, fit_cox, log_partial_likelihood, with_coefficients
from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

__all__ = ["elastic_path"]

Floats = NDArray[np.float64]
_STEPS = 12


@njit(cache=True)
def _descend(
    gradient: Floats, information: Floats, start: Floats, lasso: float, ridge: float
) -> Floats:  # pragma: no cover - compiled
    """Minimise the quadratic model of -log likelihood around `start` plus the penalties, coordinate by coordinate."""
    beta = start.copy()
    slope = -gradient.copy()  # of the model at beta
    for _ in range(1000):
        largest = 0.0
        for j in range(len(beta)):
            curvature = information[j, j] + ridge
            if curvature <= 0:
                continue
            target = information[j, j] * beta[j] - slope[j]
            new = 0.0
            if target > lasso:
                new = (target - lasso) / curvature
            elif target < -lasso:
                new = (target + lasso) / curvature
            change = new - beta[j]
            if change != 0.0:
                beta[j] = new
                for k in range(len(beta)):
                    slope[k] += information[k, j] * change
                largest = max(largest, abs(change))
        if largest < 1e-8:
            break
    return beta


def elastic_path(
    x: Floats, event: NDArray[np.bool_], time: Floats, *, penalties: Floats, mixing: float = 0.5
) -> Floats:
    """Coefficients (len(penalties), p) that maximise log partial likelihood / n - penalty * (mixing * |b|_1 + (1 -
    mixing) / 2 * |b|_2^2), for descending penalties (after Simon et al. 2011; here by proximal Newton steps with the
    full information matrix and Efron's ties)."""
    n, beta = len(x), np.zeros(x.shape[1])
    centred = x - x.mean(axis=0)
    path = []
    for penalty in penalties:
        lasso, ridge = n * penalty * mixing, n * penalty * (1 - mixing)
        for _ in range(25):
            _, gradient, information = derivatives(event, time, centred, centred @ beta)
            new = _descend(gradient, information, beta, lasso, ridge)
            settled = np.abs(new - beta).max(initial=0.0) < 1e-6
            beta = new
            if settled:
                break
        path.append(beta.copy())
    return np.array(path)


def _strongest(x: Floats, event: NDArray[np.bool_], time: Floats, mixing: float) -> float:
    """The smallest penalty at which every coefficient is zero."""
    gradient = derivatives(event, time, x - x.mean(axis=0), np.zeros(len(x)))[1]
    return float(np.abs(gradient).max(initial=1e-12) / (len(x) * mixing))


@table_model("elastic-net-cox", "Cox regression with an elastic net (half lasso), its strength chosen by inner folds")
def _fit_elastic(training: Training) -> TableModel:
    """The strength with the best inner partial likelihood (all patients minus the training part: van Houwelingen)."""
    x, event, time = training.patients.x, training.event, training.time_days
    penalties = np.geomspace(1, 0.01, _STEPS) * _strongest(x, event, time, 0.5)
    gains = np.zeros(_STEPS)
    for part, held_out, index in training.inner():
        kept = np.setdiff1d(np.arange(len(event)), index)
        path = elastic_path(part.patients.x, part.event, part.time_days, penalties=penalties)
        order = np.r_[kept, index]
        for step, beta in enumerate(path):
            inside, outside = part.patients.x @ beta, held_out.x @ beta
            whole = log_partial_likelihood(event[order], time[order], np.r_[inside, outside])
            gains[step] += whole - log_partial_likelihood(event[kept], time[kept], inside)
    best = int(np.argmax(gains))
    beta = elastic_path(x, event, time, penalties=penalties[: best + 1])[-1]
    fit: CoxFit = with_coefficients(x, event, time, beta) if beta.any() else fit_cox(x * 0.0, event, time, ridge=1.0)
    return fit
