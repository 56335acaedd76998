"""Cox's proportional hazards with Efron's ties and a ridge, by Newton's method; Breslow's baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

__all__ = ["CoxFit", "derivatives", "fit_cox", "log_partial_likelihood", "with_coefficients"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CoxFit:
    """`coefficients` (p,) per unit of each covariate, `covariance` (p, p) from the penalised information, log
    partial likelihood without penalty, and the baseline cumulative hazard (Efron) as steps at `times`, for a
    patient whose covariates equal `centre`."""

    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    centre: Floats
    times: Floats
    cumulative_hazard: Floats
    iterations: int

    @property
    def standard_errors(self) -> Floats:
        return np.sqrt(np.diag(self.covariance))

    def risk(self, covariates: ArrayLike) -> Floats:
        """Linear predictor (n,) relative to `centre`: higher means earlier event."""
        return (np.asarray(covariates, float) - self.centre) @ self.coefficients

    def survival(self, covariates: ArrayLike, grid: ArrayLike) -> Floats:
        """Event-free probability (n, m) at the times `grid`."""
        steps = np.r_[0.0, self.cumulative_hazard][np.searchsorted(self.times, grid, side="right")]
        hazards = np.exp(np.minimum(self.risk(covariates), 500.0))  # beyond e^500 nobody survives a step anyway
        return np.exp(-np.outer(hazards, steps))


@njit(cache=True)
def _value(event: NDArray[np.bool_], time: Floats, eta: Floats) -> float:  # pragma: no cover - compiled
    """Efron's log partial likelihood for risks of any size: sums of exponentials are kept relative to their largest.
    Rows sorted by time, last first."""
    value, largest, total, row = 0.0, -np.inf, 0.0, 0
    while row < len(time):
        first, deaths, mine = row, 0, 0.0
        while row < len(time) and time[row] == time[first]:
            if eta[row] > largest:
                total = total * np.exp(largest - eta[row]) + 1.0
                largest = eta[row]
            else:
                total += np.exp(eta[row] - largest)
            row += 1
        for i in range(first, row):
            if event[i]:
                deaths += 1
                value += eta[i]
                mine += np.exp(eta[i] - largest)
        for k in range(deaths):
            value -= largest + np.log(total - k / deaths * mine)
    return value


@njit(cache=True, error_model="numpy")  # an overlong step gives an infinite likelihood, and is halved
def _walk(
    event: NDArray[np.bool_], time: Floats, x: Floats, eta: Floats
) -> tuple[float, Floats, Floats, Floats, Floats]:  # pragma: no cover - compiled
    """Efron's log partial likelihood, its gradient (p,), the two parts of the information (a weight per row (n,)
    and the risk-set mean at every death (deaths, p)), and the hazard's steps (n,). Rows sorted by time, last first."""
    n, p = x.shape
    value, gradient = 0.0, np.zeros(p)
    row_weight, means = np.zeros(n), np.zeros((int(event.sum()), p))
    gain = np.zeros(n)  # at the last row of each time: sum of 1 / risk-set total over its deaths
    s0, s1, d1 = 0.0, np.zeros(p), np.zeros(p)
    row, found = 0, 0
    while row < n:
        first, deaths, d0 = row, 0, 0.0
        d1[:] = 0.0
        while row < n and time[row] == time[first]:
            w = np.exp(eta[row])
            s0 += w
            for a in range(p):
                s1[a] += w * x[row, a]
            if event[row]:
                deaths += 1
                value += eta[row]
                d0 += w
                for a in range(p):
                    gradient[a] += x[row, a]
                    d1[a] += w * x[row, a]
            row += 1
        thinned = 0.0
        for k in range(deaths):
            part = k / deaths
            total = s0 - part * d0
            value -= np.log(total)
            gain[row - 1] += 1 / total
            thinned += part / total
            for a in range(p):
                means[found, a] = (s1[a] - part * d1[a]) / total
                gradient[a] -= means[found, a]
            found += 1
        for i in range(first, row):
            if event[i]:
                row_weight[i] = -thinned
    running = 0.0
    for i in range(n - 1, -1, -1):
        running += gain[i]
        row_weight[i] = (row_weight[i] + running) * np.exp(eta[i])
    return value, gradient, row_weight, means, gain


def derivatives(event: NDArray[np.bool_], time: Floats, x: Floats, eta: Floats) -> tuple[float, Floats, Floats]:
    """Log partial likelihood, gradient (p,) and information (p, p) in coefficients, at the linear predictor `eta` (n,).
    Rows in any order."""
    order = np.argsort(-time, kind="stable")
    return _derivatives(event[order], time[order], np.ascontiguousarray(x[order]), eta[order])


def with_coefficients(covariates: ArrayLike, event: ArrayLike, time: ArrayLike, coefficients: ArrayLike) -> CoxFit:
    """Efron's baseline for coefficients found otherwise (an elastic net, an ensemble). No standard errors: NaN."""
    event, time, beta = np.asarray(event, bool), np.asarray(time, float), np.asarray(coefficients, float)
    x = np.asarray(covariates, float)
    centre, order = x.mean(axis=0), np.argsort(-time, kind="stable")
    event, time, x = event[order], time[order], np.ascontiguousarray((x - centre)[order])
    times, hazard = _baseline(event, time, x, x @ beta)
    value = float(_walk(event, time, x, x @ beta)[0])
    return CoxFit(beta, np.full((len(beta), len(beta)), np.nan), value, centre, times, hazard, 0)


def _derivatives(event: NDArray[np.bool_], time: Floats, x: Floats, eta: Floats) -> tuple[float, Floats, Floats]:
    """The same for rows sorted by time, last first."""
    value, gradient, row_weight, means, _ = _walk(event, time, x, eta)
    return value, gradient, (x * row_weight[:, None]).T @ x - means.T @ means


def log_partial_likelihood(event: ArrayLike, time: ArrayLike, risk: ArrayLike) -> float:
    """Efron's log partial likelihood of given log-risks (n,): the risk set of an event are those still under
    observation at its time. Its negative, divided by the events, is the Cox loss of networks."""
    event, time, eta = np.asarray(event, bool), np.asarray(time, float), np.asarray(risk, float)
    order = np.argsort(-time, kind="stable")
    return float(_value(event[order], time[order], eta[order]))


def fit_cox(
    covariates: ArrayLike, event: ArrayLike, time: ArrayLike, *, ridge: float = 0.0, tolerance: float = 1e-9
) -> CoxFit:
    """Maximise log partial likelihood - ridge / 2 * |coefficients|^2 (Efron 1977 for ties).

    `covariates` (n, p), standardised by the caller where a ridge should weigh them alike. With `ridge` 0 a small
    diagonal is not added: ValueError when the information is singular (collinear or constant columns) or when
    the iterations do not settle (a covariate that separates early from late events).
    """
    event, time = np.asarray(event, bool), np.asarray(time, float)
    x = np.asarray(covariates, float).reshape(len(time), -1)
    if not event.any():
        raise ValueError("no event: a hazard cannot be estimated")
    centre = x.mean(axis=0)
    order = np.argsort(-time, kind="stable")
    event, time, x = event[order], time[order], np.ascontiguousarray((x - centre)[order])
    beta, value, information, iterations = _newton(event, time, x, ridge, tolerance)
    covariance = np.linalg.inv(information)
    times, hazard = _baseline(event, time, x, x @ beta)
    return CoxFit(beta, covariance, value, centre, times, hazard, iterations)


def _newton(
    event: NDArray[np.bool_], time: Floats, x: Floats, ridge: float, tolerance: float
) -> tuple[Floats, float, Floats, int]:
    p = x.shape[1]
    beta = np.zeros(p)
    value, gradient, information = _derivatives(event, time, x, x @ beta)
    at_start = np.diag(information)
    for iteration in range(1, 51):
        hessian = information + ridge * np.eye(p)
        if ridge == 0 and p and np.linalg.cond(hessian) > 1e12:
            raise ValueError("the information is singular: collinear or constant covariates, or separation")
        step = np.linalg.solve(hessian, gradient - ridge * beta)
        objective = value - ridge / 2 * beta @ beta
        for _ in range(30):  # halve while the step overshoots
            trial = beta + step
            value, gradient, information = _derivatives(event, time, x, x @ trial)
            if value - ridge / 2 * trial @ trial >= objective - 1e-10 * abs(objective):
                break
            step = step / 2
        beta = trial
        if ridge == 0 and (np.diag(information) < 1e-8 * at_start).any():
            break  # the likelihood has gone flat: it has no maximum
        if np.abs(step).max(initial=0.0) < tolerance:
            return beta, value, information + ridge * np.eye(p), iteration
    raise ValueError("no maximum: a covariate separates early from late events; add a ridge")


def _baseline(event: NDArray[np.bool_], time: Floats, x: Floats, eta: Floats) -> tuple[Floats, Floats]:
    """Efron's estimate of the cumulative baseline hazard at the distinct event times, ascending."""
    gain = _walk(event, time, x, eta)[4]
    drops = gain > 0
    return time[drops][::-1], np.cumsum(gain[drops][::-1])
