"""The two spaces of a box: 224 x 224 (the image padded to a square and scaled) and source pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["SIDE", "Scaling"]

SIDE = 224
"""Edge of the small space in pixels."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How one image got into the 224 space: padded by `left` and `top` source pixels, then scaled by 1 / `ratio`.

    `ratio` is source pixels per small pixel (side of the padded square / 224). x_224 = (x + left) / ratio.
    """

    ratio: float
    left: float = 0.0
    top: float = 0.0

    @classmethod
    def pad_to_square(cls, width: int, height: int) -> Scaling:
        """The scaling of an image of this size, padded evenly on both sides of its shorter axis."""
        side = max(width, height)
        return cls(side / SIDE, (side - width) / 2, (side - height) / 2)

    @classmethod
    def fitted(cls, small: Sequence[Sequence[float]], source: Sequence[Sequence[float]]) -> Scaling | None:
        """The scaling that leads from boxes in source pixels to the same boxes in the 224 space, both (n, 4) with
        corners x1, y1, x2, y2; least squares over all corners, one ratio for both axes. None from fewer than two
        different corners per axis."""
        a, b = np.asarray(small, float).reshape(-1, 2), np.asarray(source, float).reshape(-1, 2)
        if len(a) < 2 or np.ptp(a, axis=0).min() < 1:
            return None
        centred_a, centred_b = a - a.mean(0), b - b.mean(0)
        ratio = float((centred_a * centred_b).sum() / (centred_a**2).sum())
        if not np.isfinite(ratio) or ratio <= 0:
            return None
        left, top = ratio * a.mean(0) - b.mean(0)
        return cls(ratio, float(left), float(top))

    def to_small(self, box: Iterable[float]) -> list[float]:
        """Corners x1, y1, x2, y2 in source pixels -> the 224 space (not rounded)."""
        x1, y1, x2, y2 = box
        left, top, ratio = self.left, self.top, self.ratio
        return [(x1 + left) / ratio, (y1 + top) / ratio, (x2 + left) / ratio, (y2 + top) / ratio]

    def to_source(self, box: Iterable[float]) -> list[float]:
        """Corners in the 224 space -> source pixels (not rounded)."""
        x1, y1, x2, y2 = box
        left, top, ratio = self.left, self.top, self.ratio
        return [x1 * ratio - left, y1 * ratio - top, x2 * ratio - left, y2 * ratio - top]
