"""What a run says about one CT: scores, regions, landmarks, flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tumorboard.core.bodypart import NOT_ORDERED, REVERSED
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


def answer(curve: DepthCurve, anatomy: Anatomy, *, tolerance: float) -> Answer:
    """Regions and flags of a curve; landmarks where its score is that of the landmark in training (not in a volume that
    runs the wrong way or has no order)."""
    check = check_order(curve, anatomy, tolerance=tolerance)
    places: dict[str, float] = {}
    if not {REVERSED, NOT_ORDERED} & set(check.flags) and np.ptp(curve.score) > 0:
        for name, score in anatomy.landmarks.items():
            z_mm = curve.z_at(score)
            if z_mm is not None:
                places[name] = z_mm
    regions = anatomy.regions(curve.score)
    return Answer(curve, None if regions is None else tuple(regions), places, check)
