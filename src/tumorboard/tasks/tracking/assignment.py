"""Sequences with at most one lesion per exam: constrained agglomeration, then exams assigned anew until nothing moves.

The sum of (threshold - weight) over all pairs within a sequence is made large, under the rule that a sequence holds at
most one lesion of an exam. Marks of two series of one exam are one time point: they are merged first, where they are
each other's. Agglomeration joins the two nearest sequences (mean weight) that share no exam, as long as they are nearer
than the threshold; then each exam's lesions are taken out and given back to the sequences by linear assignment, which
never lowers the sum. The order of rows changes nothing; nor does the order of exams in time, which is not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.tracking.edges import Edges

__all__ = ["assigned_sequences", "merge_series"]

_ROUNDS = 50
_NOISE = 1e-9


def assigned_sequences(edges: Edges, *, threshold: float, differs: float) -> NDArray[np.intp]:
    """Sequence (n,) of each lesion. `differs` is added to the weight of lesions of two types."""
    weights = edges.weights + differs * edges.differs
    marks = merge_series(weights, edges, threshold=threshold)
    if not marks:
        return np.zeros(0, np.intp)
    between = np.array([[weights[np.ix_(one, two)].mean() for two in marks] for one in marks])
    exams = np.array([edges.exams[members[0]] for members in marks])
    labels = _reassigned(_agglomerated(between, exams, threshold), between, exams, threshold)
    sequences = np.empty(len(weights), np.intp)
    for members, label in zip(marks, labels, strict=True):
        sequences[members] = label
    return _renumbered(sequences)


def merge_series(weights: NDArray[np.float64], edges: Edges, *, threshold: float) -> list[list[int]]:
    """Marks that are one lesion at one exam: of several series, nearest first, one per series. In order of marks."""
    groups = {place: [place] for place in range(len(weights))}
    owner = list(range(len(weights)))
    same_exam = (edges.exams[:, None] == edges.exams) & (edges.series[:, None] != edges.series)
    first, second = np.nonzero(np.triu(same_exam & (weights <= threshold)))
    for place in np.lexsort((second, first, weights[first, second])):
        one, two = sorted((owner[first[place]], owner[second[place]]))
        if one == two or set(edges.series[groups[one]]) & set(edges.series[groups[two]]):
            continue
        for member in groups[two]:
            owner[member] = one
        groups[one] = sorted(groups[one] + groups.pop(two))
    return list(groups.values())


def _agglomerated(weights: NDArray[np.float64], exams: NDArray[np.str_], threshold: float) -> NDArray[np.intp]:
    """Mean-linkage sequences without two lesions of one exam, joined up to `threshold`."""
    n = len(weights)
    mean, size = weights.astype(float).copy(), np.ones(n)
    mean[exams[:, None] == exams] = np.inf
    labels, alive = np.arange(n), np.ones(n, bool)
    while alive.sum() > 1:
        rows = np.flatnonzero(alive)
        part = mean[np.ix_(rows, rows)]
        place = int(np.argmin(part))
        one, two = sorted((rows[place // len(rows)], rows[place % len(rows)]))
        if not mean[one, two] <= threshold:
            break
        joined = (size[one] * mean[one] + size[two] * mean[two]) / (size[one] + size[two])
        mean[one], mean[:, one] = joined, joined
        mean[one, one] = np.inf
        size[one] += size[two]
        labels[labels == two] = one
        alive[two] = False
    return labels.astype(np.intp)


def _reassigned(
    labels: NDArray[np.intp], weights: NDArray[np.float64], exams: NDArray[np.str_], threshold: float
) -> NDArray[np.intp]:
    """Each exam's lesions given to the sequences of the other exams by linear assignment, until nothing moves."""
    gain = threshold - np.where(np.isfinite(weights), weights, 1e6 + threshold)
    labels = labels.copy()
    for _ in range(_ROUNDS):
        moved = False
        for exam in np.unique(exams):
            moved |= _assign_exam(labels, gain, np.flatnonzero(exams == exam), np.flatnonzero(exams != exam))
        if not moved:
            break
    return labels


def _assign_exam(
    labels: NDArray[np.intp], gain: NDArray[np.float64], mine: NDArray[np.intp], others: NDArray[np.intp]
) -> bool:
    """Give the lesions `mine` of one exam to sequences of `others`, each at most one; whether that gained anything."""
    from scipy.optimize import linear_sum_assignment

    sequences = np.unique(labels[others])
    if not len(sequences):
        return False
    member = labels[others] == sequences[:, None]
    gains = gain[np.ix_(mine, others)] @ member.T.astype(float)
    now = sum(float(gains[i, sequences == labels[lesion]].sum()) for i, lesion in enumerate(mine))
    alone = np.zeros((len(mine), len(mine)))  # joining nothing gains nothing
    rows, columns = linear_sum_assignment(np.hstack([gains, alone]), maximize=True)
    best = sum(float(gains[i, c]) for i, c in zip(rows, columns, strict=True) if c < len(sequences))
    if best <= now + _NOISE:
        return False
    fresh = int(labels.max()) + 1
    for i, column in zip(rows, columns, strict=True):
        taken = column < len(sequences) and gains[i, column] > 0
        labels[mine[i]] = sequences[column] if taken else fresh + i
    return True


def _renumbered(labels: Sequence[int] | NDArray[np.intp]) -> NDArray[np.intp]:
    """Sequences numbered in the order of their first mark."""
    seen: dict[int, int] = {}
    return np.array([seen.setdefault(int(label), len(seen)) for label in labels], np.intp)
