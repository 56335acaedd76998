"""Random survival forest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

__all__ = ["Forest", "fit_forest"]

Floats = NDArray[np.float64]
_KNOTS = 64


@dataclass(frozen=True)
class Forest:
    """Trees as arrays, and the times `knots` at which their leaves hold a cumulative hazard."""

    trees: tuple[tuple[NDArray[np.int64], Floats, NDArray[np.int64], Floats], ...]
    knots: Floats

    def _hazards(self, x: Floats) -> Floats:
        from tumorboard.tasks.prognosis.models.trees import predict

        out, x = np.zeros((len(x), len(self.knots))), np.ascontiguousarray(x)
        for tree in self.trees:
            predict(x, *tree, out)
        return out / len(self.trees)

    def risk(self, x: Floats) -> Floats:
        """Mortality: cumulative hazards summed over the knots."""
        return self._hazards(x).sum(axis=1)

    def survival(self, x: Floats, grid: Floats) -> Floats:
        """Linear between knots; beyond the last event of training nothing more is known."""
        knots = np.r_[0.0, self.knots]
        hazards = np.column_stack([np.zeros(len(x)), self._hazards(x)])
        return np.exp(-np.array([np.interp(grid, knots, row) for row in hazards]))


def fit_forest(
    x: Floats,
    event: NDArray[np.bool_],
    time: Floats,
    *,
    trees: int,
    seed: int,
    smallest_leaf: int = 15,
    cuts: int = 10,
    tried: int | None = None,
) -> Forest:
    """Random survival forest after Ishwaran et al. 2008: bootstrap samples, the log-rank statistic over `tried` random
    covariates (square root of all) with up to `cuts` random cuts each, Nelson-Aalen in the leaves, mean over trees.

    Knots are quantiles of the event times (all of them when there are few). The same seed gives the same forest.
    """
    from tumorboard.tasks.prognosis.models.trees import grow

    order = np.argsort(time, kind="stable")
    x, event, time = np.ascontiguousarray(x[order]), event[order], time[order]
    knots = np.unique(time[event])
    if len(knots) > _KNOTS:
        knots = np.unique(np.quantile(time[event], np.linspace(0, 1, _KNOTS)))
    tried = tried or max(1, int(np.sqrt(x.shape[1])))
    seeds = np.random.default_rng(seed).integers(0, 2**31 - 1, trees)
    grown = [grow(x, event, time, knots, tried, cuts, smallest_leaf, int(one)) for one in seeds]
    return Forest(tuple(grown), knots)


@table_model("survival-forest", "random survival forest: log-rank splits, 15 patients or more in a leaf")
def _fit_forest(training: Training) -> TableModel:
    config = training.config
    return fit_forest(training.patients.x, training.event, training.time_days, trees=config.trees, seed=config.seed)
