"""Where the marked lesions of all patients lie, and how large they are."""

from __future__ import annotations

import numpy as np

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.marked import middle_places, size_histogram
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane | None:
    board = facts.board
    lesions = board.marked
    if not len(lesions):
        return None
    points = board.place_map
    long_mm = size_histogram(lesions.long_mm, bin_mm=10.0, top_mm=100.0)
    short_mm = size_histogram(lesions.short_mm, bin_mm=10.0, top_mm=100.0)
    values = {
        "lesions": len(lesions),
        "patients": len(set(lesions.patient_id)),
        "points": 0 if points is None else len(points.labels),
        "left_out": len(lesions) if points is None else points.left_out,
        "middles": middle_places(lesions),
        "counts": {label: int((np.array(lesions.label, object) == label).sum()) for label in middle_places(lesions)},
        "bins": [
            (f"{low:g} to {high:g}" if high < 100 else f"{low:g} and more", int(a), int(b))
            for low, high, a, b in zip(
                long_mm.edges[:-1], long_mm.edges[1:], long_mm.counts, short_mm.counts, strict=True
            )
        ],
        "missing": (long_mm.missing, short_mm.missing),
    }
    return Pane("lesion_map", "Marked lesions", values, None if points is None else points.data(board.names))
