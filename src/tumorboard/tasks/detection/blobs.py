"""The baseline that learns next to nothing: round spots by scale-normalised differences of Gaussians.

Spots brighter or darker than their surroundings in the soft-tissue window, and bright ones in the lung window, at
several sizes (Lindeberg 1998); their centre must have the HU of the training lesions. The response is the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.detection.merge import one_per_place
from tumorboard.tasks.detection.prepare import Look

__all__ = ["BLOBS", "BlobDetector", "fit_blobs"]

BLOBS = "intensity blobs"
_DIAMETERS_MM = (8.0, 12.0, 18.0, 27.0, 40.0)
_WINDOWS_HU = ((-160.0, 240.0), (-1000.0, 100.0))
_RATIO = 1.6
_CANDIDATES = 300
_CALM_MM = 2.5
"""Smoothing of the HU at a spot's centre."""


@dataclass(frozen=True)
class BlobDetector:
    """`hu`: range of the smoothed centre that counts; `diameters_mm`: sizes looked for."""

    hu: tuple[float, float]
    diameters_mm: tuple[float, ...] = _DIAMETERS_MM

    def detect(self, look: Look, *, most: int = 60) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes (n, 6) in voxels and scores, best first."""
        from scipy import ndimage

        spacing = look.geometry.spacing_mm
        calm = ndimage.gaussian_filter(look.hu.astype(np.float32), _CALM_MM / spacing, truncate=3)
        fits = (calm >= self.hu[0]) & (calm <= self.hu[1])
        boxes, scores = [], []
        for low, high in _WINDOWS_HU:
            shown = (np.clip(look.hu, low, high).astype(np.float32) - low) / (high - low)
            signs = (1.0, -1.0) if low > -500 else (1.0,)
            for diameter_mm in self.diameters_mm:
                sigma = diameter_mm / (2 * np.sqrt(3.0)) / spacing
                narrow = ndimage.gaussian_filter(shown, sigma, truncate=3)
                response = narrow - ndimage.gaussian_filter(shown, _RATIO * sigma, truncate=3)
                for sign in signs:
                    here, value = _peaks(sign * response, fits, np.maximum(np.rint(sigma), 1).astype(int))
                    half = diameter_mm / 2 / spacing
                    boxes.append(np.concatenate([here - half, here + half], axis=1))
                    scores.append(value)
        every, score = np.concatenate(boxes), np.concatenate(scores)
        kept = one_per_place(every, score, most=most)
        return every[kept], score[kept]


def fit_blobs(looks: Sequence[Look]) -> BlobDetector:
    """The range of HU from the middles of the training lesions (5th to 95th percentile, 15 HU wider)."""
    found = []
    for look in looks:
        for box in look.boxes:
            middle, quarter = (box[:3] + box[3:]) / 2, np.maximum((box[3:] - box[:3]) / 4, 0.5)
            low = np.clip(np.rint(middle - quarter), 0, np.array(look.hu.shape) - 1).astype(int)
            high = np.clip(np.rint(middle + quarter) + 1, low + 1, look.hu.shape).astype(int)
            found.append(float(np.mean(look.hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]])))
    low_hu, high_hu = np.quantile(found, [0.05, 0.95])
    return BlobDetector((float(low_hu) - 15.0, float(high_hu) + 15.0))


def _peaks(
    response: NDArray[np.float32], fits: NDArray[np.bool_], reach: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (n, 3) and heights of the strongest local maxima above 0 where `fits`."""
    from scipy import ndimage

    top = ndimage.maximum_filter(response, size=(2 * reach + 1).tolist())
    at = np.flatnonzero((response == top) & fits & (response > 0))
    values = response.ravel()[at]
    best = at[np.argsort(-values, kind="stable")[:_CANDIDATES]]
    return np.stack(np.unravel_index(best, response.shape), axis=1).astype(float), response.ravel()[best].astype(float)
