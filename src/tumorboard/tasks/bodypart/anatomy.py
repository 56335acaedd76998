"""What scores mean, fitted on the training volumes alone: their ends, landmarks, regions, and millimetres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.bodypart import BOUNDARIES, LANDMARKS, REGIONS
from tumorboard.tasks.bodypart.curve import DepthCurve

__all__ = ["Anatomy", "fit_anatomy", "fit_ends"]

_ENDS = (0.5, 99.5)
"""Percentiles of the training slices' scores that become 0 and 1."""
_KNOTS = np.linspace(0.0, 1.0, 26)


@dataclass(frozen=True)
class Anatomy:
    """Knowledge beside the network.

    `ends`: raw scores that become 0 and 1 (raw scores are free up to a rising straight line). `landmarks`: median
    normalised score of each landmark known in training. `depth_mm`: mm below the top at the scores 0, 0.04 ... 1 of an
    ordinary training volume, head to feet.
    """

    ends: tuple[float, float]
    landmarks: Mapping[str, float]
    depth_mm: tuple[float, ...]

    def normalised(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw scores with 0 and 1 at the ends of the training volumes; not clipped."""
        low, high = self.ends
        normalised: NDArray[np.float64] = (np.asarray(raw, float) - low) / (high - low)
        return normalised

    def expected_mm(self, score: ArrayLike) -> NDArray[np.float64]:
        """mm below the top of an ordinary training volume; beyond its ends, straight on."""
        at, knots = np.asarray(score, float), np.asarray(self.depth_mm)
        inside: NDArray[np.float64] = np.interp(at, _KNOTS, knots)
        first, last = (knots[1] - knots[0]) / _KNOTS[1], (knots[-1] - knots[-2]) / _KNOTS[1]
        return inside + np.minimum(at, 0) * first + np.maximum(at - 1, 0) * last

    @property
    def boundaries(self) -> tuple[float, ...] | None:
        """Scores between the regions, head first; None unless training knew all three, in their order."""
        if not all(name in self.landmarks for name in BOUNDARIES):
            return None
        scores = tuple(self.landmarks[name] for name in BOUNDARIES)
        return scores if all(a < b for a, b in pairwise(scores)) else None

    def regions(self, score: ArrayLike) -> list[str] | None:
        """The region of each score; None when the boundaries are not known."""
        if self.boundaries is None:
            return None
        return [REGIONS[number] for number in np.searchsorted(self.boundaries, np.asarray(score, float), side="right")]

    def to_json(self) -> dict[str, Any]:
        return {"ends": list(self.ends), "landmarks": dict(self.landmarks), "depth_mm": list(self.depth_mm)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Anatomy:
        low, high = state["ends"]
        return cls((low, high), dict(state["landmarks"]), tuple(state["depth_mm"]))


def fit_ends(raw: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Raw scores that become 0 and 1: robust ends over all slices of the training volumes."""
    low, high = np.percentile(np.concatenate(list(raw)), _ENDS)
    return float(low), float(max(high, low + 1e-6))


def fit_anatomy(
    ends: tuple[float, float], curves: Sequence[DepthCurve], landmarks: Sequence[Mapping[str, float]]
) -> Anatomy:
    """Landmarks and millimetres from normalised training curves; `landmarks`: z (mm) by name, one per curve.

    A landmark that lies outside a volume is not read from it. Millimetres per score are the median over the volumes,
    knot by knot, so that one reversed or wrongly spaced volume among many does no harm.
    """
    known: dict[str, list[float]] = {}
    for curve, places in zip(curves, landmarks, strict=True):
        for name, z_mm in places.items():
            if curve.z_mm[-1] <= z_mm <= curve.z_mm[0]:
                known.setdefault(name, []).append(float(curve.score_at(z_mm)))
    medians = {name: float(np.median(known[name])) for name in LANDMARKS if name in known}
    return Anatomy(ends, medians, tuple(_depths(curves)))


def _depths(curves: Sequence[DepthCurve]) -> list[float]:
    """mm between neighbouring knots: the median over the volumes that show both; where none does, the mean of all."""
    lengths: list[list[float]] = [[] for _ in _KNOTS[1:]]
    for curve in curves:
        at = [curve.z_at(float(knot)) for knot in _KNOTS]
        for number, (above, below) in enumerate(pairwise(at)):
            if above is not None and below is not None:
                lengths[number].append(above - below)
    medians = np.array([np.median(one) if one else np.nan for one in lengths])
    usual = float(np.nanmean(medians)) if np.isfinite(medians).any() else 1.0
    steps = np.maximum(np.where(np.isfinite(medians), medians, usual), 1e-3)
    return [0.0, *np.cumsum(steps).tolist()]
