"""Boxes of slices -> boxes of volumes, and one box per place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.detection import DetectionRules, pair_overlaps

__all__ = ["merge_slices", "one_per_place"]

Floats = NDArray[np.float64]
_TWO = DetectionRules(dimensions=2)
_LINK = 0.3
"""Overlap with which a box continues one of the slice beside it."""
_SEED = 0.15
"""Overlap with the best box of its chain that a box needs: less than `_LINK`, as lesions taper."""
_MEMBER = 0.4
"""Boxes of the chain below this part of its best score do not count to its extent."""


def merge_slices(boxes: Floats, scores: Floats, slices: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Chains of boxes over neighbouring slices as 3-D boxes.

    `boxes` (n, 4) x, y low and high in voxels, `scores` (n,), `slices` (n,). From the best box on, up and down: the box
    of the next slice that overlaps it most (one slice may be missed), if it also lies on the chain's best box: what
    drifts away begins a chain of its own. Returns boxes (m, 6) and scores (m,): the mean of the best score and of the
    three best ones (of fewer slices: the rest counts 0), so that what is seen on one slice only ranks below what goes
    on.
    """
    free = np.ones(len(boxes), bool)
    on_slice = {int(k): np.flatnonzero(slices == k) for k in np.unique(slices)}
    made, ranks = [], []
    for seed in np.lexsort((np.arange(len(boxes)), -scores)).tolist():
        if not free[seed]:
            continue
        chain = [seed]
        free[seed] = False
        for step in (1, -1):
            _follow(seed, step, boxes, slices, on_slice, free, chain)
        mine = np.array(chain)
        strong = mine[scores[mine] >= _MEMBER * scores[seed]]
        low, high = boxes[strong, :2].min(axis=0), boxes[strong, 2:].max(axis=0)
        made.append([*low, slices[strong].min() - 0.5, *high, slices[strong].max() + 0.5])
        best = np.sort(scores[mine])[::-1][:3]
        ranks.append((best[0] + best.sum() / 3) / 2)
    return np.array(made, float).reshape(-1, 6), np.array(ranks, float)


def _follow(
    seed: int,
    step: int,
    boxes: Floats,
    slices: NDArray[np.int64],
    on_slice: dict[int, NDArray[np.int64]],
    free: NDArray[np.bool_],
    chain: list[int],
) -> None:
    here, missed, at = seed, 0, int(slices[seed])
    while missed < 2:
        at += step
        near = on_slice.get(at, np.empty(0, np.int64))
        near = near[free[near]]
        near = near[pair_overlaps(boxes[seed], boxes[near], rules=_TWO)[0] >= _SEED] if len(near) else near
        overlap = pair_overlaps(boxes[here], boxes[near], rules=_TWO)[0] if len(near) else np.empty(0)
        if not len(near) or overlap.max() < _LINK:
            missed += 1
            continue
        here, missed = int(near[overlap.argmax()]), 0
        free[here] = False
        chain.append(here)


def one_per_place(boxes: Floats, scores: Floats, *, overlap: float = 0.2, most: int = 100) -> NDArray[np.int64]:
    """Indices of the boxes (n, 6) to keep, best first: each overlaps the better ones by less than `overlap` (IoU)."""
    kept: list[int] = []
    for index in np.lexsort((np.arange(len(boxes)), -scores)).tolist():
        if len(kept) == most:
            break
        if not kept or pair_overlaps(boxes[kept], boxes[index]).max() < overlap:
            kept.append(index)
    return np.array(kept, np.int64)
