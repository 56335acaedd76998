"""Lesions that split in two or grew together: joined to the sequence that they came from, or went into.

A lesion that begins while a sequence goes on, inside the box that the sequence had at the exam before, is a part of it
(split). A sequence that ends while another goes on, inside the other's box at the next exam, went into it (merged).
Boxes are those of the marks, in 3-D, after alignment. Such a sequence then has two lesions of one exam: the only way.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.tracking.marks import Mark

__all__ = ["join_parts"]

_RIM_MM = 4.0
_LEAST_THICKNESS_MM = 1.5


def join_parts(
    marks: Sequence[Mark], places_mm: NDArray[np.float64], sequences: NDArray[np.intp]
) -> tuple[NDArray[np.intp], dict[str, str]]:
    """Sequences (n,) with parts joined, and finding_id -> "split" or "merged" of the lesions that were joined so.

    `places_mm` (n, 3) are aligned. Marks without a 3-D box are left as they are.
    """
    labels = np.asarray(sequences).copy()
    joined: dict[str, str] = {}
    halves = np.array([_half(mark) for mark in marks]).reshape(-1, 3)
    order = np.array([mark.exam_order for mark in marks])
    exams = sorted(set(order.tolist()))
    for before, after in pairwise(exams):
        then, now = np.flatnonzero(order == before), np.flatnonzero(order == after)
        for lesion in now:
            if (order[labels == labels[lesion]] < after).any():
                continue  # not new
            parent = _inside_of(lesion, then, places_mm, halves, marks)
            if parent is not None and (labels[now] == labels[parent]).any():
                labels[labels == labels[lesion]] = labels[parent]
                joined[marks[lesion].finding_id] = "split"
        for lesion in then:
            if (order[labels == labels[lesion]] > before).any():
                continue  # goes on
            whole = _inside_of(lesion, now, places_mm, halves, marks)
            if whole is not None and (labels[then] == labels[whole]).any():
                labels[labels == labels[lesion]] = labels[whole]
                joined[marks[lesion].finding_id] = "merged"
    return labels, joined


def _half(mark: Mark) -> NDArray[np.float64]:
    """Half of the box's sides (3,), NaN without a 3-D box."""
    if mark.box_mm is None or mark.box_mm.shape != (2, 3):
        return np.full(3, np.nan)
    sides = mark.box_mm[1] - mark.box_mm[0]
    return sides / 2 if sides[2] > _LEAST_THICKNESS_MM else np.full(3, np.nan)


def _inside_of(
    lesion: int,
    others: NDArray[np.intp],
    places_mm: NDArray[np.float64],
    halves: NDArray[np.float64],
    marks: Sequence[Mark],
) -> int | None:
    """The lesion among `others` in whose box the middle of `lesion` lies, nearest first, types alike."""
    away = np.abs(places_mm[others] - places_mm[lesion])
    inside = (away <= halves[others] + _RIM_MM).all(axis=1) & np.isfinite(halves[lesion]).all()
    alike = [marks[o].type == marks[lesion].type or not marks[o].type or not marks[lesion].type for o in others]
    found = others[inside & np.array(alike, bool)]
    if not len(found):
        return None
    return int(found[np.argmin(np.linalg.norm(places_mm[found] - places_mm[lesion], axis=1))])
