"""Sequences with at most one lesion per exam: constrained agglomeration, then exams assigned anew until nothing moves.

Marks of two series of one exam are one time point: they are merged first, where they are each other's. Agglomeration
joins the two sequences with the nearest lesions as long as they share no exam and the weight is within the threshold;
then the lesions of each exam are taken out and given back to the sequences, all at once, by linear assignment (gain =
threshold - weight to the nearest lesion of the sequence). The nearest sighting decides, not the mean: a lesion moves
and grows from exam to exam. The order of rows changes nothing, and the order of exams in time is not used.
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
    between = np.array([[weights[np.ix_(one, two)].min() for two in marks] for one in marks])
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
    """Sequences joined by their nearest lesions up to `threshold`, never with two lesions of one exam."""
    nearest = weights.astype(float).copy()
    nearest[exams[:, None] == exams] = np.inf  # stays so: what shares an exam with a part shares it with the whole
    labels = np.arange(len(weights))
    while len(weights):
        one, two = sorted(np.unravel_index(int(np.argmin(nearest)), nearest.shape))
        if not nearest[one, two] <= threshold:
            break
        apart = np.isinf(nearest[one]) | np.isinf(nearest[two])
        joined = np.where(apart, np.inf, np.minimum(nearest[one], nearest[two]))
        nearest[one], nearest[:, one] = joined, joined
        nearest[two], nearest[:, two] = np.inf, np.inf
        labels[labels == two] = one
    return labels.astype(np.intp)


def _reassigned(
    labels: NDArray[np.intp], weights: NDArray[np.float64], exams: NDArray[np.str_], threshold: float
) -> NDArray[np.intp]:
    """Each exam's lesions given to the sequences of the other exams by linear assignment, until nothing moves."""
    gain = threshold - np.where(np.isfinite(weights), weights, 1e6 + threshold)
    labels = labels.copy()
    order = np.unique(exams)
    for _ in range(_ROUNDS):
        moved = False
        for exam in order:
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
    gains = np.stack([gain[np.ix_(mine, others[labels[others] == one])].max(axis=1) for one in sequences], axis=1)
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
