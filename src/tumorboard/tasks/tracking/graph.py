"""Sequences by the lesion graph with a threshold: Algorithm 1 of Yan et al. 2018, as it stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.tracking.edges import Edges

__all__ = ["graph_sequences", "kept_edges"]


def kept_edges(edges: Edges, *, threshold: float) -> NDArray[np.bool_]:
    """Edges (n, n) that the algorithm keeps: no two types, none above `threshold`, and of several lesions of one exam
    that link to the same lesion the nearest alone. Lesions marked in one series are two lesions: never linked."""
    open_ = (edges.weights <= threshold) & ~edges.differs & (edges.series[:, None] != edges.series[None])
    kept: NDArray[np.bool_] = open_.copy()
    for lesion in range(len(open_)):
        for exam in np.unique(edges.exams[open_[lesion]]):
            linked = np.flatnonzero(open_[lesion] & (edges.exams == exam))
            farther = np.delete(linked, np.argmin(edges.weights[lesion, linked]))
            kept[lesion, farther] = kept[farther, lesion] = False
    return kept


def graph_sequences(edges: Edges, *, threshold: float) -> NDArray[np.intp]:
    """Sequence (n,) of each lesion: connected components of the kept edges; a lesion without an edge is alone.

    Two lesions of one exam may end in one sequence, through a chain: that is the algorithm's known weakness, which
    `assignment` does not have.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not len(edges.weights):
        return np.zeros(0, np.intp)
    _, labels = connected_components(csr_array(kept_edges(edges, threshold=threshold)), directed=False)
    return np.asarray(labels, np.intp)
