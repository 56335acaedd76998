"""Whether predicted probabilities come true: D-calibration, calibration at a horizon, ICI."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.metrics.survival.curves import kaplan_meier

__all__ = ["CalibrationAt", "DCalibration", "calibration_at", "d_calibration"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DCalibration:
    """Share of patients by decile of the predicted survival at their own time; uniform when calibrated.

    A small p says "not calibrated". With fewer than about 100 patients almost any model passes.
    """

    shares: Floats
    statistic: float
    p_value: float


def d_calibration(event: ArrayLike, survival_at_own_time: ArrayLike, *, bins: int = 10) -> DCalibration:
    """Distribution calibration (Haider et al. 2020).

    `survival_at_own_time` (n,): each patient's predicted S at the observed time. An event counts in its bin; a
    censored patient at value c is spread over [0, c], since the event is still to come.
    """
    from scipy.stats import chi2

    event = np.asarray(event, bool)
    value = np.clip(np.asarray(survival_at_own_time, float), 0, 1)
    place = np.minimum((value * bins).astype(int), bins - 1)
    counts = np.bincount(place[event], minlength=bins).astype(float)
    edges = np.arange(bins + 1) / bins
    for c, b in zip(value[~event], place[~event], strict=True):
        if c <= 0:
            counts[0] += 1
            continue
        counts[:b] += 1 / (bins * c)
        counts[b] += (c - edges[b]) / c
    expected = len(value) / bins
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return DCalibration(counts / len(value), statistic, float(chi2.sf(statistic, bins - 1)))


@dataclass(frozen=True)
class CalibrationAt:
    """Predicted against observed risk at one horizon, by group of predicted risk.

    `predicted`, `observed` (1 - Kaplan-Meier), `low`, `high`, `n`: one entry per group. `ici` is the mean, `e50` the
    median and `e90` the 90th percentile of |predicted - smoothed observed| over patients.
    """

    horizon: float
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]
    ici: float
    e50: float
    e90: float


def calibration_at(
    event: ArrayLike, time: ArrayLike, risk: ArrayLike, *, horizon: float, groups: int = 5, bandwidth: float = 0.1
) -> CalibrationAt:
    """Calibration of the predicted risk `risk` (n,) of an event by `horizon`.

    Groups have equal size. The smoothed observed risk of a patient is 1 - Kaplan-Meier among the patients whose
    predicted risk lies nearest (`bandwidth` of all of them, at least 20): Harrell's moving window, which assumes no
    model; Austin et al. (2020) smooth with splines in a hazard model instead, so ICI values differ a little.
    """
    event, time, risk = np.asarray(event, bool), np.asarray(time, float), np.asarray(risk, float)
    order = np.argsort(risk, kind="stable")
    event, time, risk = event[order], time[order], risk[order]
    rows = []
    for members in np.array_split(np.arange(len(risk)), min(groups, len(risk))):
        curve = kaplan_meier(event[members], time[members])
        low, high = curve.interval()
        last = np.searchsorted(curve.times, horizon, side="right") - 1
        bounds = (1.0, 1.0) if last < 0 else (low[last], high[last])
        rows.append((risk[members].mean(), 1 - curve.at(horizon), 1 - bounds[1], 1 - bounds[0], len(members)))
    predicted, observed, low, high, n = (np.array(column) for column in zip(*rows, strict=True))
    gaps = np.abs(risk - _smoothed_risk(event, time, horizon=horizon, window=max(20, round(bandwidth * len(risk)))))
    return CalibrationAt(
        horizon,
        predicted,
        observed,
        low,
        high,
        n,
        float(gaps.mean()),
        float(np.median(gaps)),
        float(np.quantile(gaps, 0.9)),
    )


def _smoothed_risk(event: NDArray[np.bool_], time: Floats, *, horizon: float, window: int) -> Floats:
    """1 - Kaplan-Meier at `horizon` in a window of neighbours by rank of predicted risk (inputs sorted by it)."""
    count = len(time)
    window = min(window, count)
    starts = np.clip(np.arange(count) - window // 2, 0, count - window)
    value = {
        start: 1 - float(kaplan_meier(event[start : start + window], time[start : start + window]).at(horizon))
        for start in np.unique(starts)
    }
    return np.array([value[start] for start in starts])
