"""Gradient boosting on the hazard of intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Boosted:
    booster: Any
    edges: Floats
    """Ends of the time intervals, ascending."""

    def _hazards(self, x: Floats) -> Floats:
        """(n, intervals) chance of the event in an interval given that it began."""
        n, intervals = len(x), len(self.edges)
        periods = np.column_stack([np.repeat(x, intervals, axis=0), np.tile(np.arange(intervals), n)])
        return self.booster.predict_proba(periods)[:, 1].reshape(n, intervals)

    def risk(self, x: Floats) -> Floats:
        return -np.log1p(-self._hazards(x)).sum(axis=1)

    def survival(self, x: Floats, grid: Floats) -> Floats:
        """Constant hazard within an interval; none is known beyond the last edge."""
        cumulative = np.column_stack([np.zeros(len(x)), -np.cumsum(np.log1p(-self._hazards(x)), axis=1)])
        knots = np.r_[0.0, self.edges]
        return np.exp(-np.array([np.interp(grid, knots, row) for row in cumulative]))


@table_model("boosted-hazard", "gradient-boosted trees on the hazard of ten time intervals (scikit-learn)")
def _fit_boosted(training: Training) -> TableModel:
    """Person-period data: one row per patient and interval begun; a patient censored within an interval counts in
    it when more than half of it was seen."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, event, time = training.patients.x, training.event, training.time_days
    edges = np.unique(np.quantile(time[event], np.linspace(0.1, 1.0, 10)))
    last = np.searchsorted(edges, time, side="left")
    rows, labels = [], []
    starts = np.r_[0.0, edges[:-1]]
    for i, interval in enumerate(last):
        inside = min(interval, len(edges) - 1)
        whole = event[i] or interval == len(edges) or time[i] > (starts[inside] + edges[inside]) / 2
        count = inside + 1 if whole else inside
        rows.append(np.column_stack([np.tile(x[i], (count, 1)), np.arange(count)]))
        labels.append(np.r_[np.zeros(max(count - 1, 0)), [float(event[i] and interval < len(edges))]][:count])
    booster = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.05, max_leaf_nodes=5, min_samples_leaf=20, l2_regularization=5.0,
        early_stopping=False, random_state=training.config.seed,
    )  # fmt: skip
    return _Boosted(booster.fit(np.vstack(rows), np.concatenate(labels)), edges)
