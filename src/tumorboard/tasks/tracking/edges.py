"""Edges of a patient's lesion graph: how unlike two marked lesions are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.tracking.marks import Mark

__all__ = ["Edges", "embedding_edges", "place_edges"]


@dataclass(frozen=True, eq=False)
class Edges:
    """Symmetric weights (n, n) between marks, `inf` where they cannot be compared; `differs` (n, n): both types are
    known and unlike; `exams`, `series` (n,): names that tell exams, and series of exams, apart."""

    weights: NDArray[np.float64]
    differs: NDArray[np.bool_]
    exams: NDArray[np.str_]
    series: NDArray[np.str_]

    def part(self, index: Sequence[int] | NDArray[np.intp]) -> Edges:
        """Edges between some of the marks."""
        i = np.asarray(index, dtype=np.intp)
        return Edges(self.weights[np.ix_(i, i)], self.differs[np.ix_(i, i)], self.exams[i], self.series[i])


def place_edges(marks: Sequence[Mark], places_mm: NDArray[np.float64], *, size_mm: float) -> Edges:
    """Weight = distance of the places (n, 3) after alignment, in mm, plus `size_mm` x mean absolute log ratio of long
    and short axis. A place that is not known (NaN) compares with nothing; a size that is not known adds nothing."""
    places = np.asarray(places_mm, float).reshape(len(marks), 3)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    axes = np.log(np.maximum(np.array([mark.axes_mm for mark in marks], float).reshape(-1, 2), 1.0))
    ratio = np.abs(axes[:, None] - axes[None]).mean(axis=2)
    weights = np.where(np.isfinite(apart), apart, np.inf) + size_mm * np.where(np.isfinite(ratio), ratio, 0.0)
    return _edges(marks, weights)


def embedding_edges(marks: Sequence[Mark], vectors: NDArray[np.floating]) -> Edges:
    """Weight = Euclidean distance of the lesions' vectors (n, d)."""
    x = np.asarray(vectors, float)
    return _edges(marks, np.linalg.norm(x[:, None] - x[None], axis=2))


def _edges(marks: Sequence[Mark], weights: NDArray[np.float64]) -> Edges:
    types = np.array([mark.type for mark in marks], dtype=np.str_)
    known = types != ""
    differs = (types[:, None] != types[None]) & known[:, None] & known[None]
    exams = np.array([mark.exam_id for mark in marks], dtype=np.str_)
    return Edges(weights, differs, exams, np.array([mark.series for mark in marks], dtype=np.str_))
