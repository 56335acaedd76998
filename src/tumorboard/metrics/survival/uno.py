"""Uno's concordance: Harrell's pairs, weighted so that the value does not depend on who was censored."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tumorboard.metrics.concordance import Concordance, count_pairs
from tumorboard.metrics.survival.curves import Curve
from tumorboard.metrics.survival.error import Weights

__all__ = ["uno_concordance"]


def uno_concordance(
    event: ArrayLike,
    time: ArrayLike,
    risk: ArrayLike,
    *,
    censoring: Curve,
    tau: float | None = None,
    weights: Weights = "left limit",
) -> Concordance:
    """Uno's C (Uno et al. 2011): pairs weighted by 1 / G^2 of the event's time, events before `tau` alone.

    A higher `risk` means an earlier event. `censoring` is G of the *training* patients. Published programs differ
    where an event and a censoring share a time: G just before the event (``left limit``, the estimator's definition
    and ours) or after the drop (``at time``, scikit-survival). Pair counts are unweighted; `value` is None without a
    comparable pair. O(n log n). ValueError for NaN in any input.
    """
    event, time, risk = np.asarray(event, bool), np.asarray(time, float), np.asarray(risk, float)
    if np.isnan(time).any() or np.isnan(risk).any():
        raise ValueError("NaN among times or risks")
    g = censoring.before(time) if weights == "left limit" else censoring.at(time)
    chosen = event & (g > 0) & (time < (np.inf if tau is None else tau))
    lower, equal, pairs = (count_pairs(event, time, risk) * chosen[:, None]).T
    weight = np.divide(1.0, g**2, out=np.zeros(len(time)), where=chosen)
    total = float(weight @ pairs)
    value = float(weight @ (lower + 0.5 * equal)) / total if total else None
    concordant, tied, count = int(lower.sum()), int(equal.sum()), int(pairs.sum())
    return Concordance(value, concordant, count - concordant - tied, tied, len(time), 0)
