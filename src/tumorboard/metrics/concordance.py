"""Harrell's concordance index, with the direction of the score said aloud.

Pairs: two patients are comparable when the earlier time is an event; at equal times when exactly one had the
event (it failed first; the other was seen alive at that time). A comparable pair with equal scores counts one
half. These are the rules of lifelines and of scikit-survival. Source: Harrell et al. 1982, JAMA 247:2543.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["EARLIER", "LATER", "Concordance", "concordance", "count_pairs"]

EARLIER = "earlier event"
LATER = "later event"
MISSING = ("refuse", "omit", "tie")


@dataclass(frozen=True)
class Concordance:
    """The index and the pairs it stands on. `value` is None when no pair is comparable."""

    value: float | None
    concordant: int
    discordant: int
    tied: int
    n: int
    missing: int

    @property
    def pairs(self) -> int:
        """Comparable pairs."""
        return self.concordant + self.discordant + self.tied


def concordance(
    event: ArrayLike, time_days: ArrayLike, score: ArrayLike, *, higher_means: str = EARLIER, missing: str = "refuse"
) -> Concordance:
    """Concordance of a score with censored times, in O(n log n).

    Parameters
    ----------
    event (n,) bool, time_days (n,) > 0 : observed outcome.
    score (n,) : prediction.
    higher_means : ``earlier event`` (a risk) or ``later event`` (a predicted time).
    missing : of scores that are NaN: ``refuse`` (MET105), ``omit`` (leave the patients out) or ``tie`` (every
        comparable pair with such a patient counts one half; HECKTOR 2021 and 2022).

    Errors: MET106 when lengths differ, MET105 for NaN or infinite times and refused NaN scores, MET107 for
    unknown options.
    """
    if higher_means not in (EARLIER, LATER):
        raise TumorboardError(
            codes.OPTION_UNKNOWN, "higher_means", found=repr(higher_means), expected=f"{EARLIER!r} or {LATER!r}"
        )
    if missing not in MISSING:
        raise TumorboardError(codes.OPTION_UNKNOWN, "missing", found=repr(missing), expected=", ".join(MISSING))
    happened, time, risk = np.asarray(event, bool), np.asarray(time_days, float), np.asarray(score, float)
    if not happened.shape == time.shape == risk.shape or time.ndim != 1:
        shapes = f"shapes {happened.shape}, {time.shape}, {risk.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, "concordance", found=shapes, expected="three arrays (n,)")
    if not np.isfinite(time).all():
        bad = int((~np.isfinite(time)).sum())
        raise TumorboardError(codes.VALUE_UNDEFINED, "time_days", found=f"{bad} without a time", expected="times")
    unknown = np.isnan(risk)
    if unknown.any() and missing == "refuse":
        raise TumorboardError(
            codes.VALUE_UNDEFINED, "score", found=f"{int(unknown.sum())} of {len(risk)} NaN", expected="a score each"
        )
    if higher_means == LATER:
        risk = -risk
    known = ~unknown
    concordant, tied, pairs = _count(happened[known], time[known], risk[known])
    if unknown.any() and missing == "tie":
        all_pairs = _count(happened, time, np.zeros(len(time)))[2]
        tied, pairs = tied + all_pairs - pairs, all_pairs
    value = (concordant + tied / 2) / pairs if pairs else None
    n = len(risk) if missing == "tie" else int(known.sum())
    return Concordance(value, concordant, pairs - concordant - tied, tied, n, int(unknown.sum()))


def count_pairs(event: np.ndarray, time: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """Per patient (n, 3): of those known to outlive the patient's event, how many have a lower risk, an equal risk,
    and how many there are; zeros for the censored. At equal times the censored outlive the events."""
    from tumorboard.metrics import kernels

    levels, rank = np.unique(risk, return_inverse=True)
    counts: np.ndarray = kernels.concordance_counts(np.argsort(time, kind="stable"), event, time, rank + 1, len(levels))
    return counts


def _count(event: np.ndarray, time: np.ndarray, risk: np.ndarray) -> tuple[int, int, int]:
    """Concordant, tied and comparable pairs."""
    concordant, tied, pairs = (int(n) for n in count_pairs(event, time, risk).sum(axis=0))
    return concordant, tied, pairs
