"""The scores of one CT along its z axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["DepthCurve", "smoothed"]


@dataclass(frozen=True, eq=False)
class DepthCurve:
    """Score (n,) at RAS z (n,), head first (z falls). Scores grow towards the feet in a volume whose affine is right;
    0 and 1 are the ends of what the training volumes show, and a score may lie beyond them."""

    z_mm: NDArray[np.float64]
    score: NDArray[np.float64]

    def score_at(self, z_mm: ArrayLike) -> NDArray[np.float64]:
        """Scores at any z, linear between slices; beyond the volume, the score of its last slice."""
        found: NDArray[np.float64] = np.interp(np.asarray(z_mm, float), self.z_mm[::-1], self.score[::-1])
        return found

    def z_at(self, score: float) -> float | None:
        """z of a score, on the nearest curve that never falls (isotonic regression); None outside the volume."""
        from scipy.optimize import isotonic_regression

        rising = isotonic_regression(self.score).x
        if not rising[0] <= score <= rising[-1] or rising[0] == rising[-1]:
            return None
        left, right = np.searchsorted(rising, score, side="left"), np.searchsorted(rising, score, side="right")
        if right > left:  # a level stretch of the curve: its middle
            return float((self.z_mm[left] + self.z_mm[right - 1]) / 2)
        share = (score - rising[left - 1]) / (rising[left] - rising[left - 1])
        return float(self.z_mm[left - 1] + share * (self.z_mm[left] - self.z_mm[left - 1]))

    def part(self, first: int, last: int) -> DepthCurve:
        """Slices first (included) to last (excluded)."""
        return DepthCurve(self.z_mm[first:last], self.score[first:last])


def smoothed(z_mm: NDArray[np.float64], score: NDArray[np.float64], *, sigma_mm: float) -> NDArray[np.float64]:
    """Scores (n,) after local linear regression with Gaussian weights of `sigma_mm`: unlike a moving mean, it does not
    pull the ends of the volume inwards."""
    if sigma_mm <= 0 or len(z_mm) < 3:
        return np.asarray(score, float)
    apart = z_mm[None, :] - z_mm[:, None]
    weight = np.exp(-0.5 * (apart / sigma_mm) ** 2)
    total, first = weight.sum(1), (weight * apart).sum(1)
    second = (weight * apart**2).sum(1)
    spread = total * second - first**2
    level = (second * (weight @ score) - first * ((weight * apart) @ score)) / np.where(spread > 0, spread, 1)
    found: NDArray[np.float64] = np.where(spread > 1e-9 * total**2 * sigma_mm**2, level, (weight @ score) / total)
    return found
