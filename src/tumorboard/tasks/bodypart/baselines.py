"""What needs no network: the place in the volume, and one answer for all slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tumorboard.core.bodypart import REGIONS
from tumorboard.tasks.bodypart.anatomy import Anatomy, fit_anatomy
from tumorboard.tasks.bodypart.answer import Answer, answer
from tumorboard.tasks.bodypart.curve import DepthCurve
from tumorboard.tasks.bodypart.evaluate import true_regions
from tumorboard.tasks.bodypart.flags import OrderCheck
from tumorboard.tasks.bodypart.slices import BodySlices

__all__ = [
    "CONSTANT",
    "FRACTION",
    "constant_answer",
    "fit_fraction",
    "fraction_answer",
    "fraction_curve",
    "usual_region",
]

FRACTION, CONSTANT = "fraction of the volume", "constant"


def fraction_curve(slices: BodySlices) -> DepthCurve:
    """Score = place in the volume: 0 for the first slice, 1 for the last, linear in its number."""
    return DepthCurve(slices.z_mm, np.linspace(0.0, 1.0, len(slices)))


def fit_fraction(volumes: Sequence[BodySlices], landmarks: Sequence[Mapping[str, float]]) -> Anatomy:
    """Landmarks and boundaries at their median place in the training volumes."""
    return fit_anatomy((0.0, 1.0), [fraction_curve(volume) for volume in volumes], landmarks)


def fraction_answer(slices: BodySlices, anatomy: Anatomy, *, tolerance: float) -> Answer:
    """Blind to the pixels: it can flag a wrong length, never a reversed order."""
    return answer(fraction_curve(slices), anatomy, tolerance=tolerance)


def usual_region(volumes: Sequence[BodySlices], landmarks: Sequence[Mapping[str, float]]) -> str | None:
    """The region of most training slices whose region is known, head and neck left out; None without any."""
    counts: Counter[int] = Counter()
    for volume, known in zip(volumes, landmarks, strict=True):
        counts.update(int(one) for one in true_regions(volume.z_mm, known) if one > 0)
    return REGIONS[counts.most_common(1)[0][0]] if counts else None


def constant_answer(slices: BodySlices, region: str | None) -> Answer:
    """0.5 and the usual region for every slice; no landmarks, no flags."""
    curve = DepthCurve(slices.z_mm, np.full(len(slices), 0.5))
    return Answer(curve, None if region is None else (region,) * len(slices), {}, OrderCheck((), None, None))
