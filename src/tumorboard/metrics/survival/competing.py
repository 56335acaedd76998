"""Several fates of which the first to come excludes the others: cumulative incidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CumulativeIncidence", "cumulative_incidence", "first_fate"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CumulativeIncidence:
    """Chance that fate `cause` has come by each of `times` (distinct, ascending), and its standard error there."""

    cause: int
    times: Floats
    incidence: Floats
    standard_error: Floats

    def at(self, time: ArrayLike) -> Floats:
        """Value at `time`: what happens at `time` is in."""
        return np.r_[0.0, self.incidence][np.searchsorted(self.times, time, side="right")]


def cumulative_incidence(fate: ArrayLike, time: ArrayLike, *, cause: int) -> CumulativeIncidence:
    """Aalen and Johansen's estimate for fate `cause` (n,): 0 censored, 1, 2 ... what came first.

    The sum over causes and the event-free share is 1 at every time; one minus Kaplan-Meier of a single cause is too
    high, since it lets those whom another fate has taken go on being at risk. Standard error: the delta method of
    Marubini and Valsecchi 1995. ValueError when no patient has the fate.
    """
    fate, time = np.asarray(fate, int), np.asarray(time, float)
    if not (fate == cause).any():
        raise ValueError(f"nobody had fate {cause}")
    times, place = np.unique(time, return_inverse=True)
    leaving = np.bincount(place, minlength=len(times))
    at_risk = (len(time) - np.r_[0, np.cumsum(leaving)[:-1]]).astype(float)
    all_events = np.bincount(place, weights=fate > 0, minlength=len(times))
    mine = np.bincount(place, weights=fate == cause, minlength=len(times))
    survival = np.cumprod(1 - all_events / at_risk)
    before = np.r_[1.0, survival[:-1]]
    incidence = np.cumsum(before * mine / at_risk)
    return CumulativeIncidence(cause, times, incidence, _standard_error(at_risk, all_events, mine, before, incidence))


def _standard_error(at_risk: Floats, all_events: Floats, mine: Floats, before: Floats, incidence: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard_part = np.where(at_risk > all_events, all_events / (at_risk * (at_risk - all_events)), 0.0)
    own = before**2 * mine * (at_risk - mine) / at_risk**3
    crossed = before * mine / at_risk**2
    # sum over j <= t of (I(t) - I(j))^2 a_j + b_j - 2 (I(t) - I(j)) c_j, from running sums
    a0, a1, a2 = (np.cumsum(hazard_part * incidence**k) for k in (0, 1, 2))
    c0, c1 = np.cumsum(crossed), np.cumsum(crossed * incidence)
    variance = incidence**2 * a0 - 2 * incidence * a1 + a2 + np.cumsum(own) - 2 * (incidence * c0 - c1)
    return np.sqrt(np.maximum(variance, 0.0))


def first_fate(events: Sequence[ArrayLike], times: Sequence[ArrayLike]) -> tuple[NDArray[np.int64], Floats]:
    """Fates (n,), times (n,) from several endpoints of the same patients, in order of precedence where two fall on one
    time: 0 and the shortest follow-up when none has come."""
    happened = np.array([np.asarray(event, bool) for event in events])
    when = np.array([np.asarray(time, float) for time in times])
    reached = np.where(happened, when, np.inf)
    first = reached.argmin(axis=0)
    none = ~happened.any(axis=0)
    return np.where(none, 0, first + 1), np.where(none, when.min(axis=0), reached.min(axis=0))
