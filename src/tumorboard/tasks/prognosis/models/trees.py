"""Survival trees in compiled loops: log-rank splits, cumulative hazards in the leaves."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["grow", "log_rank_statistic", "predict"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True)
def log_rank_statistic(
    x: Floats, cut: float, event: NDArray[np.bool_], time: Floats
) -> float:  # pragma: no cover - compiled
    """Chi-squared of the log-rank test of x <= cut against x > cut; rows sorted by time, first first."""
    at_risk = left = 0.0
    difference = variance = 0.0
    row = len(time) - 1
    while row >= 0:
        now, deaths, mine = time[row], 0.0, 0.0
        while row >= 0 and time[row] == now:
            at_risk += 1
            inside = x[row] <= cut
            if inside:
                left += 1
            if event[row]:
                deaths += 1
                if inside:
                    mine += 1
            row -= 1
        if deaths > 0 and at_risk > 1:
            share = left / at_risk
            difference += mine - deaths * share
            variance += deaths * share * (1 - share) * (at_risk - deaths) / (at_risk - 1)
    return difference * difference / variance if variance > 0 else 0.0


@njit(cache=True)
def _best_split(
    x: Floats, event: NDArray[np.bool_], time: Floats, rows: Ints, tried: int, cuts: int, smallest: int
) -> tuple[int, float]:  # pragma: no cover - compiled
    """Feature and cut with the highest log-rank statistic among `tried` random features and up to `cuts` random cuts
    of each; feature -1 when no split leaves `smallest` rows on both sides. `rows` are sorted by time."""
    n, p = len(rows), x.shape[1]
    events, times = event[rows], time[rows]
    order = np.random.permutation(p)  # noqa: NPY002 - numba's own generator, seeded in `grow`
    best, feature, threshold, looked = 0.0, -1, 0.0, 0
    for j in order:
        if looked == tried:
            break
        values = x[rows, j]
        distinct = np.unique(values)
        if len(distinct) < 2:
            continue  # constant here: not counted among those tried
        looked += 1
        middles = (distinct[1:] + distinct[:-1]) / 2
        if len(middles) > cuts:
            middles = np.random.choice(middles, cuts, replace=False)  # noqa: NPY002
        for cut in middles:
            left = np.sum(values <= cut)
            if left < smallest or n - left < smallest:
                continue
            statistic = log_rank_statistic(values, cut, events, times)
            if statistic > best:
                best, feature, threshold = statistic, j, cut
    return feature, threshold


@njit(cache=True)
def _cumulative_hazard(event: NDArray[np.bool_], time: Floats, knots: Floats) -> Floats:  # pragma: no cover - compiled
    """Nelson-Aalen estimate at `knots`; rows sorted by time."""
    out = np.zeros(len(knots))
    n, row, total, place = len(time), 0, 0.0, 0
    while row < n:
        now, first, deaths = time[row], row, 0
        while place < len(knots) and knots[place] < now:
            out[place] = total
            place += 1
        while row < n and time[row] == now:
            deaths += event[row]
            row += 1
        total += deaths / (n - first)
    while place < len(knots):
        out[place] = total
        place += 1
    return out


@njit(cache=True)
def grow(
    x: Floats, event: NDArray[np.bool_], time: Floats, knots: Floats, tried: int, cuts: int, smallest: int, seed: int
) -> tuple[Ints, Floats, Ints, Floats]:  # pragma: no cover - compiled
    """One tree on a bootstrap sample: feature of each node (-1 for leaves), cut, left child (the right one follows it),
    and the cumulative hazard of each node at `knots` (leaves alone). Rows sorted by time."""
    np.random.seed(seed)  # noqa: NPY002
    n = len(time)
    sample = np.sort(np.random.randint(0, n, n))  # noqa: NPY002
    most = 2 * (n // max(smallest, 1)) + 3
    feature, cut, child = np.full(most, -1), np.zeros(most), np.zeros(most, np.int64)
    hazard = np.zeros((most, len(knots)))
    start, stop = np.zeros(most, np.int64), np.zeros(most, np.int64)
    stop[0], used, node = n, 1, 0
    while node < used:
        rows = sample[start[node] : stop[node]]
        if len(rows) >= 2 * smallest and np.sum(event[rows]) > 0:
            feature[node], cut[node] = _best_split(x, event, time, rows, tried, cuts, smallest)
        if feature[node] < 0:
            hazard[node] = _cumulative_hazard(event[rows], time[rows], knots)
        else:
            inside = x[rows, feature[node]] <= cut[node]
            left, right = rows[inside], rows[~inside]
            middle = start[node] + len(left)
            sample[start[node] : middle] = left
            sample[middle : stop[node]] = right
            child[node] = used
            start[used], stop[used], start[used + 1], stop[used + 1] = start[node], middle, middle, stop[node]
            used += 2
        node += 1
    return feature[:used], cut[:used], child[:used], hazard[:used]


@njit(cache=True)
def predict(
    x: Floats, feature: Ints, cut: Floats, child: Ints, hazard: Floats, out: Floats
) -> None:  # pragma: no cover - compiled
    """Add the cumulative hazards (n, knots) of one tree to `out`."""
    for i in range(len(x)):
        node = 0
        while feature[node] >= 0:
            node = child[node] + (0 if x[i, feature[node]] <= cut[node] else 1)
        out[i] += hazard[node]
