"""Event times from a stated hazard: recurrence, other death, death after recurrence; and how well anybody
can predict them.

eta = a_t T + a_i I + a_x X with standardised parts: T what the table says, I what only the image shows, X their
interaction. Recurrence has the hazard r(t) exp(eta) / mean exp(eta), other death its own, death after
recurrence a median
of 11 months; so overall survival is never shorter than recurrence-free survival. Rates: phantom.md 5, RADCURE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ETA_SD",
    "SHARES",
    "Course",
    "Signal",
    "ceilings",
    "draw_course",
    "harrell",
    "recurrence_days",
    "rfs_risk",
    "signal",
    "table_score",
]

DAYS_PER_YEAR = 365.25
EDGES_YEARS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0])
RECURRENCE_PER_YEAR = np.array([0.093, 0.135, 0.096, 0.065, 0.030, 0.025, 0.010, 0.007])
"""Recurrence per patient-year at risk in each interval; the last goes on for ever."""
OTHER_DEATH_PER_YEAR = 0.04
DEATH_AFTER_RECURRENCE_MEDIAN_DAYS = 11 * 30.44
CENSORING_SHAPE, CENSORING_SCALE_YEARS = 1.8, 6.0

ETA_SD = 0.9
SHARES: Mapping[str, float] = {"table": 0.5, "image": 0.3, "interaction": 0.2}
"""Shares of the variance of eta."""

# Mean and SD of the raw table score over the default population, and the mean of exp(eta): measured once on 40,000
# virtual patients and kept here, so that no patient's times depend on who else is in the cohort.
TABLE_MEAN, TABLE_SD = 0.78, 0.94
MEAN_EXP_ETA = 1.59


@dataclass(frozen=True)
class Signal:
    """The planted log hazard of recurrence and its parts."""

    table: float
    image: float
    interaction: float

    @property
    def eta(self) -> float:
        return self.table + self.image + self.interaction


@dataclass(frozen=True)
class Course:
    """What was observed of one patient; days from the start of treatment."""

    rfs_event: bool
    rfs_days: float
    os_event: bool
    os_days: float


def table_score(
    *, age_years: float, ecog: int, pack_years: float, hpv: bool | None, t_stage: int, n_stage: int
) -> float:
    """Raw log hazard of the table: published adjusted hazard ratios of recurrence (phantom.md 5). Unknown HPV counts
    as the population's mean."""
    score = np.log(1.2) * (age_years - 62) / 10 + np.log(1.05) * pack_years / 10
    score += {0: 0.0, 1: np.log(1.2)}.get(ecog, np.log(2.2))
    score += np.log(0.38) * (0.65 if hpv is None else float(hpv))
    score += np.log(1.9) * (t_stage >= 3)
    return float(score + {2: np.log(2.5), 3: np.log(5.1)}.get(n_stage, 0.0))


def signal(raw_table: float, *, image: float, hpv: bool, necrosis: float) -> Signal:
    """The planted parts, each of its share of the variance. `image`, `necrosis`: standard normal traits.

    The interaction is necrosis with opposite sign in HPV-negative and HPV-positive disease.
    """
    parts = {name: ETA_SD * float(np.sqrt(share)) for name, share in SHARES.items()}
    return Signal(
        parts["table"] * (raw_table - TABLE_MEAN) / TABLE_SD,
        parts["image"] * image,
        parts["interaction"] * necrosis * (-1.0 if hpv else 1.0),
    )


def recurrence_days(eta: ArrayLike, unit_exponential: ArrayLike) -> NDArray[np.float64]:
    """Invert the cumulative hazard: time at which r(t) exp(eta) / mean exp(eta) has accumulated the given amount."""
    widths = np.append(np.diff(EDGES_YEARS), np.inf)
    cumulative = np.concatenate([[0.0], np.cumsum(RECURRENCE_PER_YEAR[:-1] * widths[:-1])])
    target = np.asarray(unit_exponential, float) / (np.exp(np.asarray(eta, float)) / MEAN_EXP_ETA)
    piece = np.searchsorted(cumulative, target, side="right") - 1
    return (EDGES_YEARS[piece] + (target - cumulative[piece]) / RECURRENCE_PER_YEAR[piece]) * DAYS_PER_YEAR


def rfs_risk(eta: ArrayLike, age_years: ArrayLike) -> NDArray[np.float64]:
    """Log of the expected number of RFS events within three years: recurrence by eta, other death by age.
    The score that no model of recurrence-free survival beats but by chance."""
    recurrence = (
        float((RECURRENCE_PER_YEAR[:5] * np.diff(EDGES_YEARS[:6])).sum()) * np.exp(np.asarray(eta)) / MEAN_EXP_ETA
    )
    return np.log(recurrence + 3.0 * other_death_per_year(age_years))


def other_death_per_year(age_years: ArrayLike) -> NDArray[np.float64]:
    """Hazard of death without recurrence: .04 per year at 62, times 1.5 per decade of age."""
    return OTHER_DEATH_PER_YEAR * 1.5 ** ((np.asarray(age_years, float) - 62) / 10)


def draw_course(rng: np.random.Generator, *, eta: float, age_years: float, follow_up_years: float) -> Course:
    """Times of one patient. `follow_up_years`: the centre's administrative cut, reached by the earliest patients."""
    recurrence = float(recurrence_days(eta, rng.exponential()))
    other = float(rng.exponential() / other_death_per_year(age_years)) * DAYS_PER_YEAR
    after = rng.exponential() * DEATH_AFTER_RECURRENCE_MEDIAN_DAYS / np.log(2)
    death = min(other, recurrence + after)
    lost = CENSORING_SCALE_YEARS * rng.weibull(CENSORING_SHAPE) * DAYS_PER_YEAR
    cut = rng.uniform(0.7, 1.5) * follow_up_years * DAYS_PER_YEAR
    censor = min(lost, cut)
    first = min(recurrence, death)
    return Course(
        first <= censor,
        _days(min(first, censor)),
        death <= censor,
        _days(min(death, censor)),
    )


def _days(value: float) -> float:
    return float(max(1, round(value)))


def ceilings(
    scores: Mapping[str, NDArray[np.float64]],
    *,
    eta: NDArray[np.float64],
    age_years: NDArray[np.float64],
    seed: int,
    repeats: int = 40,
) -> dict[str, dict[str, float]]:
    """The C-index that each score reaches for recurrence-free survival: mean and SD over `repeats` redrawn
    follow-ups of the
    same patients. A model above the ceiling of what it was given, by more than sampling, has seen a leak."""
    rng = np.random.default_rng([seed, 77])
    n = len(eta)
    found: dict[str, list[float]] = {name: [] for name in scores}
    for _ in range(repeats):
        recurrence = recurrence_days(eta, rng.exponential(size=n))
        other = rng.exponential(size=n) / other_death_per_year(age_years) * DAYS_PER_YEAR
        lost = CENSORING_SCALE_YEARS * rng.weibull(CENSORING_SHAPE, n)
        lost = np.minimum(lost, 8.0 * rng.uniform(0.7, 1.5, n)) * DAYS_PER_YEAR
        first = np.minimum(recurrence, other)
        event, days = first <= lost, np.minimum(first, lost)
        for name, score in scores.items():
            found[name].append(harrell(event, days, score))
    values = {name: np.array([c for c in each if np.isfinite(c)]) for name, each in found.items()}
    return {name: {"c_index": float(c.mean()), "sd": float(c.std())} for name, c in values.items() if len(c)}


def harrell(event: NDArray[np.bool_], days: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    """Share of usable pairs in which the higher score fails first; ties count half."""
    good = usable = 0.0
    for i in np.flatnonzero(event):
        later = days > days[i]
        usable += later.sum()
        good += (score[later] < score[i]).sum() + 0.5 * (score[later] == score[i]).sum()
    return float(good / usable) if usable else float("nan")
