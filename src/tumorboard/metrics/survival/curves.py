"""Kaplan-Meier and what is read off it: censoring curve, restricted mean, log-rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Curve", "LogRank", "censoring_curve", "kaplan_meier", "log_rank", "restricted_mean"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A right-continuous step function that starts at 1 and drops at `times` (distinct, ascending).

    `at_risk`, `events`, `censored` count patients at each of `times`; `variance` is Greenwood's.
    """

    times: Floats
    survival: Floats
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]
    censored: NDArray[np.int64]
    variance: Floats

    def at(self, time: ArrayLike) -> Floats:
        """Value at `time`: drops that happen at `time` are in."""
        return np.r_[1.0, self.survival][np.searchsorted(self.times, time, side="right")]

    def before(self, time: ArrayLike) -> Floats:
        """Left limit at `time`: drops that happen at `time` are not in yet."""
        return np.r_[1.0, self.survival][np.searchsorted(self.times, time, side="left")]

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Pointwise interval on the complementary log-log scale (Kalbfleisch and Prentice), within [0, 1];
        where the curve is 1 or 0 it has no width."""
        from scipy.stats import norm

        low, high = self.survival.copy(), self.survival.copy()
        inner = (self.survival > 0) & (self.survival < 1)
        s = self.survival[inner]
        width = norm.ppf(0.5 + level / 2) * np.sqrt(self.variance[inner]) / (s * np.abs(np.log(s)))
        low[inner], high[inner] = s ** np.exp(width), s ** np.exp(-width)
        return low, high

    def number_at_risk(self, time: ArrayLike) -> NDArray[np.int64]:
        """Patients with follow-up of at least `time`."""
        remaining = np.r_[self.at_risk, 0]
        return remaining[np.searchsorted(self.times, time, side="left")]


def _counts(
    event: ArrayLike, time: ArrayLike
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    event, time = np.asarray(event, bool), np.asarray(time, float)
    ordered = np.sort(time)
    starts = np.flatnonzero(np.r_[len(time) > 0, ordered[1:] != ordered[:-1]])
    times = ordered[starts]
    at_risk = len(time) - starts
    leaving = np.diff(np.r_[starts, len(time)])
    died = np.sort(time[event])
    events = np.searchsorted(died, times, side="right") - np.searchsorted(died, times, side="left")
    return times, at_risk, events, leaving - events


def _product(times: Floats, at_risk: Floats, drops: NDArray[np.int64]) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(np.where(at_risk > 0, 1 - drops / at_risk, 1.0))
        terms = np.where(drops > 0, drops / (at_risk * (at_risk - drops)), 0.0)
        variance = survival**2 * np.cumsum(terms)
    return survival, np.where(survival > 0, variance, 0.0)


def kaplan_meier(event: ArrayLike, time: ArrayLike) -> Curve:
    """Product-limit estimate of the event-free share; variance after Greenwood (0 where the curve reaches 0)."""
    times, at_risk, events, censored = _counts(event, time)
    survival, variance = _product(times, at_risk, events)
    return Curve(times, survival, at_risk, events, censored, variance)


def censoring_curve(event: ArrayLike, time: ArrayLike) -> Curve:
    """G(t), the share not yet censored: the reverse Kaplan-Meier estimate.

    At a time with both, events leave the risk set before the censored do, as they had to be under observation to
    be seen. Merely exchanging event and censoring indicators keeps them in and gives another, biased curve.
    """
    times, at_risk, events, censored = _counts(event, time)
    survival, variance = _product(times, at_risk - events, censored)
    return Curve(times, survival, at_risk - events, censored, events, variance)


def restricted_mean(curve: Curve, horizon: float) -> float:
    """Area under `curve` up to `horizon`: mean event-free time within it, in the unit of the times.

    NaN when the curve has not reached 0 and nobody was followed as far as `horizon`.
    """
    followed = len(curve.times) > 0 and (curve.times[-1] >= horizon or curve.survival[-1] == 0)
    if not followed:
        return float("nan")
    inner = curve.times[curve.times < horizon]
    edges = np.r_[0.0, inner, horizon]
    heights = np.r_[1.0, curve.survival[: len(inner)]]
    return float(np.sum(heights * np.diff(edges)))


@dataclass(frozen=True)
class LogRank:
    """Test of equal hazards between groups: chi-squared, degrees of freedom, p; observed and expected events."""

    statistic: float
    degrees_of_freedom: int
    p_value: float
    observed: Floats
    expected: Floats


def log_rank(event: ArrayLike, time: ArrayLike, group: Sequence[object] | NDArray[np.generic]) -> LogRank:
    """Log-rank test over two or more groups (in sorted order), with the hypergeometric variance.

    ValueError for fewer than two groups; p is 1 when nobody had an event.
    """
    from scipy.stats import chi2

    event, time = np.asarray(event, bool), np.asarray(time, float)
    names, index = np.unique(np.asarray(group), return_inverse=True)
    if len(names) < 2:
        raise ValueError("a log-rank test needs at least two groups")
    times, place = np.unique(time, return_inverse=True)
    shape = (len(times), len(names))
    leaving, deaths = np.zeros(shape), np.zeros(shape)
    np.add.at(leaving, (place, index), 1)
    np.add.at(deaths, (place, index), event)
    at_risk = leaving[::-1].cumsum(axis=0)[::-1]
    n, d = at_risk.sum(axis=1), deaths.sum(axis=1)
    share = at_risk / n[:, None]
    expected = (d[:, None] * share).sum(axis=0)
    observed = deaths.sum(axis=0)
    factor = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)
    covariance = np.diag(factor @ share) - (share * factor[:, None]).T @ share
    difference = (observed - expected)[:-1]
    degrees = len(names) - 1
    if not d.any():
        return LogRank(0.0, degrees, 1.0, observed, expected)
    statistic = float(difference @ np.linalg.pinv(covariance[:-1, :-1]) @ difference)
    return LogRank(statistic, degrees, float(chi2.sf(statistic, degrees)), observed, expected)
