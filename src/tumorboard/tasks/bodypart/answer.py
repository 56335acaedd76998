"""What a run says about one CT: scores, regions, landmarks, flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.bodypart import BOUNDARIES, NOT_ORDERED, REGIONS, REVERSED
from tumorboard.tasks.bodypart.anatomy import Anatomy
from tumorboard.tasks.bodypart.curve import DepthCurve
from tumorboard.tasks.bodypart.flags import OrderCheck, check_order

__all__ = ["Answer", "answer"]


@dataclass(frozen=True, eq=False)
class Answer:
    """`regions`: one per slice, None where training knew no boundaries; `landmarks`: RAS z (mm) of those that the
    volume shows."""

    curve: DepthCurve
    regions: tuple[str, ...] | None
    landmarks: Mapping[str, float]
    check: OrderCheck


def answer(
    curve: DepthCurve,
    anatomy: Anatomy,
    *,
    tolerance: float,
    chances: NDArray[np.float64] | None = None,
    familiar: bool = True,
) -> Answer:
    """Regions, landmarks and flags of a curve.

    `chances` (n, regions): probability of each region per slice; the region is the likeliest, and the landmark between
    two regions lies where half of the probability is below it. Without them, regions begin at the scores that their
    landmarks have in training. All other landmarks lie where the score is theirs (none of them in a volume that runs
    the wrong way or has no order). `familiar`: see `check_order`.
    """
    check = check_order(curve, anatomy, tolerance=tolerance, familiar=familiar)
    places: dict[str, float] = {}
    if not {REVERSED, NOT_ORDERED} & set(check.flags) and np.ptp(curve.score) > 0:
        found = {name: curve.z_at(score) for name, score in anatomy.landmarks.items()}
        if chances is not None:
            below = np.cumsum(chances[:, ::-1], axis=1)[:, ::-1]
            found |= {name: DepthCurve(curve.z_mm, below[:, n + 1]).z_at(0.5) for n, name in enumerate(BOUNDARIES)}
        places = {name: z_mm for name, z_mm in found.items() if z_mm is not None}
    if chances is None:
        regions = anatomy.regions(curve.score)
    else:
        regions = [REGIONS[number] for number in chances.argmax(axis=1)]
    return Answer(curve, None if regions is None else tuple(regions), places, check)
