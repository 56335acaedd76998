"""Whether a CT's slices run from head to feet, at the distance that its affine states.

After an idea of bpreg (Schuhegger 2021): scores that fall where they should rise mean a reversed stack, scores that
rise too fast or too slowly per millimetre mean a wrong spacing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumorboard.core.bodypart import NOT_ORDERED, REVERSED, WRONG_SPACING
from tumorboard.tasks.bodypart.anatomy import Anatomy
from tumorboard.tasks.bodypart.curve import DepthCurve

__all__ = ["OrderCheck", "check_order"]

_FEWEST = 6
_SHORTEST_MM = 60.0
"""Of body, by the scores and by the affine: less is not judged for its spacing."""
_UNCLEAR = 0.6
"""Rank correlation of score and depth below which the slices have no order."""
_MOST = 200
"""Slices that a slope is taken from."""


@dataclass(frozen=True)
class OrderCheck:
    """`flags` among REVERSED, WRONG_SPACING and NOT_ORDERED. `spacing_ratio`: millimetres of body per stated
    millimetre (1 where the affine is right, 2 where the stated spacing is half the true one); None when the volume
    shows too little to judge. `order`: rank correlation of score and stated depth, -1 to 1. `familiar`: the CT looks
    like those of training; others are not judged."""

    flags: tuple[str, ...]
    spacing_ratio: float | None
    order: float | None
    familiar: bool = True


def check_order(curve: DepthCurve, anatomy: Anatomy, *, tolerance: float, familiar: bool = True) -> OrderCheck:
    """Judge one volume by the median slope between all pairs of slices (Theil and Sen), in mm of an ordinary training
    volume per stated mm. Slices beyond the ends of the training volumes are left out: scores stand still there.

    A CT that does not look like those of training (`familiar` False) gets no flag: there scores may rise too slowly,
    or stand still, without any fault. WRONG_SPACING: the ratio is above 1 + tolerance or below 1 / (1 + tolerance).
    """
    from scipy.stats import spearmanr, theilslopes

    inside = (curve.score > 0.01) & (curve.score < 0.99)
    stated = (curve.z_mm[0] - curve.z_mm)[inside]
    expected = anatomy.expected_mm(curve.score[inside])
    if len(stated) < _FEWEST or np.ptp(expected) == 0:
        return OrderCheck((), None, None, familiar)
    order = float(spearmanr(stated, expected).statistic)
    if not familiar:
        return OrderCheck((), None, order, familiar=False)
    if abs(order) < _UNCLEAR:
        return OrderCheck((NOT_ORDERED,), None, order)
    flags = [REVERSED] if order < 0 else []
    if np.ptp(expected) < _SHORTEST_MM:
        return OrderCheck(tuple(flags), None, order)
    some = np.unique(np.linspace(0, len(stated) - 1, min(len(stated), _MOST)).round().astype(int))
    ratio = abs(float(theilslopes(expected[some], stated[some])[0]))
    if not 1 / (1 + tolerance) <= ratio <= 1 + tolerance:
        flags.append(WRONG_SPACING)
    return OrderCheck(tuple(flags), ratio, order)
