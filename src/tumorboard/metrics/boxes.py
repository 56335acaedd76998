"""Boxes against boxes: overlap and distance of centres, per location, with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.metrics.intervals import Interval, bootstrap_mean

__all__ = ["BoxScore", "box_iou", "centre_distance", "patient_means", "score_location"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BoxScore:
    """Figures of one location over patients: mean overlap (a box that was not found counts 0), mean distance of centres
    in pixels and in parts of the thorax' width (found boxes only), and how many patients each speaks of."""

    iou: Interval
    distance_px: Interval
    distance_share: Interval
    patients: int
    found: int


def box_iou(a: ArrayLike, b: ArrayLike) -> Floats:
    """Intersection over union of boxes (..., 4) as x1, y1, x2, y2; 0 where either has no area or is not a number."""
    one, two = np.asarray(a, float), np.asarray(b, float)
    low, high = np.maximum(one[..., :2], two[..., :2]), np.minimum(one[..., 2:], two[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    total = _area(one) + _area(two) - shared
    usable = (_area(one) > 0) & (_area(two) > 0) & np.isfinite(total)
    return np.where(usable, shared / np.where(usable, total, 1.0), 0.0)


def centre_distance(a: ArrayLike, b: ArrayLike) -> Floats:
    """Distance of the centres of boxes (..., 4), in their own unit."""
    one, two = np.asarray(a, float), np.asarray(b, float)
    return np.asarray(np.hypot(*np.moveaxis((one[..., :2] + one[..., 2:] - two[..., :2] - two[..., 2:]) / 2, -1, 0)))


def score_location(
    patients: Sequence[str],
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    thorax_px: ArrayLike,
    seed: int,
    resamples: int = 1000,
) -> BoxScore:
    """Figures of one location over images (n, 4) of `patients` (n,); boxes that were not found hold NaN.

    Images of one patient are averaged first; intervals resample patients. `thorax_px` (n,) is the width of the box
    round both lungs of each image (NaN where it is not known).
    """
    predicted = np.asarray(predicted, float)
    iou = patient_means(patients, box_iou(truth, predicted))
    distance = centre_distance(truth, predicted)
    pixels = patient_means(patients, distance)
    shares = patient_means(patients, distance / np.asarray(thorax_px, float))
    intervals = [
        bootstrap_mean(list(values.values()), seed=seed, resamples=resamples, undefined="omit")
        for values in (iou, pixels, shares)
    ]
    found = int(np.isfinite(list(pixels.values())).sum())
    return BoxScore(intervals[0], intervals[1], intervals[2], patients=len(iou), found=found)


def patient_means(patients: Sequence[str], values: ArrayLike) -> Mapping[str, float]:
    """Mean per patient of the values that are numbers; NaN for a patient without any."""
    grouped: dict[str, list[float]] = {}
    for patient, value in zip(patients, np.asarray(values, float).tolist(), strict=True):
        grouped.setdefault(patient, []).append(value)
    known = {patient: [v for v in listed if np.isfinite(v)] for patient, listed in grouped.items()}
    return {patient: float(np.mean(listed)) if listed else float("nan") for patient, listed in known.items()}


def _area(boxes: Floats) -> Floats:
    sides = boxes[..., 2:] - boxes[..., :2]
    return np.where((sides > 0).all(axis=-1), sides.prod(axis=-1), 0.0)
