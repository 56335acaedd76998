"""Concordance of one risk per patient: Harrell's C and Uno's C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tumorboard.metrics.survival.curves import Curve
from tumorboard.metrics.survival.pairs import count_pairs

__all__ = ["Concordance", "harrell_c", "uno_c"]


@dataclass(frozen=True)
class Concordance:
    """`value` = (concordant + tied risk / 2) / comparable; NaN without a comparable pair. Counts are of pairs."""

    value: float
    concordant: int
    discordant: int
    tied_risk: int

    @property
    def comparable(self) -> int:
        return self.concordant + self.discordant + self.tied_risk


def harrell_c(event: ArrayLike, time: ArrayLike, risk: ArrayLike) -> Concordance:
    """Harrell's C; a higher `risk` means an earlier event. O(n log n).

    A pair is comparable when the patient with the shorter time had the event; at equal times when exactly one
    had it. ValueError for NaN in any input: what a missing prediction counts for is a rule, not a number.
    """
    event, time, risk = _arrays(event, time, risk)
    lower, equal, higher = (int(x) for x in count_pairs(event, time, risk).sum(axis=0))
    total = lower + equal + higher
    return Concordance((lower + 0.5 * equal) / total if total else float("nan"), lower, higher, equal)


def uno_c(
    event: ArrayLike,
    time: ArrayLike,
    risk: ArrayLike,
    *,
    censoring: Curve,
    tau: float | None = None,
    weights: Literal["left limit", "at time"] = "left limit",
) -> Concordance:
    """Uno's C (2011): pairs weighted by 1 / G^2 of the event's time, events before `tau` alone. O(n log n).

    `censoring` is G of the *training* patients. Published programs differ where an event and a censoring share a
    time: G just before the event (``left limit``, the estimator's definition and ours) or after the drop
    (``at time``, scikit-survival). Pair counts are unweighted.
    """
    event, time, risk = _arrays(event, time, risk)
    counts = count_pairs(event, time, risk)
    g = censoring.before(time) if weights == "left limit" else censoring.at(time)
    chosen = event & (g > 0) & (time < np.inf if tau is None else time < tau)
    counts = counts * chosen[:, None]
    weight = np.divide(1.0, g**2, out=np.zeros(len(time)), where=chosen)
    lower, equal, higher = (int(x) for x in counts.sum(axis=0))
    total = float(weight @ counts.sum(axis=1))
    value = float(weight @ (counts[:, 0] + 0.5 * counts[:, 1])) / total if total else float("nan")
    return Concordance(value, lower, higher, equal)


def _arrays(event: ArrayLike, time: ArrayLike, risk: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = np.asarray(event, bool), np.asarray(time, float), np.asarray(risk, float)
    if not len(arrays[0]) == len(arrays[1]) == len(arrays[2]):
        raise ValueError("event, time and risk differ in length")
    if np.isnan(arrays[1]).any() or np.isnan(arrays[2]).any():
        raise ValueError("NaN among times or risks")
    return arrays
