"""Time in intervals, for models of discrete hazards; one convention for all of them.

Interval k is (edge[k-1], edge[k]], the first starts at 0: an event exactly on an edge belongs to the interval that ends
there. A censored patient counts through the intervals it has completed. Edges are quantiles of the event times of the
training patients; beyond the last edge nobody's hazard is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["curve", "interval_edges", "intervals_of"]

Floats = NDArray[np.float64]


def interval_edges(event: NDArray[np.bool_], time: Floats, *, intervals: int) -> Floats:
    """Ends of up to `intervals` intervals with about as many events each; the last is the last event."""
    return np.unique(np.quantile(time[event], np.linspace(0, 1, intervals + 1)[1:]))


def intervals_of(event: NDArray[np.bool_], time: Floats, edges: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Per patient the number of completed intervals (n,), and whether the event falls into the next one (n,).

    An event beyond the last edge was event-free through all intervals.
    """
    completed = np.where(event, np.searchsorted(edges, time, side="left"), np.searchsorted(edges, time, side="right"))
    return completed, event & (completed < len(edges))


def curve(survival: Floats, edges: Floats, grid: Floats) -> Floats:
    """(n, m) event-free probability at `grid` from that at the ends of the intervals (n, k): constant hazard within an
    interval, flat beyond the last."""
    logs = np.column_stack([np.zeros(len(survival)), np.log(np.clip(survival, 1e-12, 1))])
    return np.exp(np.array([np.interp(grid, np.r_[0.0, edges], row) for row in logs]))
