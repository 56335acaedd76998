"""How well a shape drawn without seeing the image hits the mask.

Ellipsoids in the middle of the field of view, with one number to choose: the margin to its border, the fraction of
its size, or a radius. If one number fits a whole cohort, the field of view was made from the mask (or the mask is
always in its middle), and a model can learn the border instead of the tumour.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["blind_dice", "leave_one_out", "parameter_text"]

MARGINS_MM = np.arange(0.0, 150.0, 2.5)
FRACTIONS = np.linspace(0.05, 1.0, 20)
RADII_MM = np.arange(5.0, 155.0, 5.0)
_SIDE = 36
"""Voxels per axis after thinning out; a Dice changes by about 0.01."""


def blind_dice(mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> NDArray[np.float64]:
    """Dice of `mask` with each ellipsoid of the three families, shape (len(MARGINS_MM) + len(FRACTIONS) +
    len(RADII_MM),)."""
    steps = [max(1, n // _SIDE) for n in mask.shape]
    small = mask[tuple(slice(step // 2, None, step) for step in steps)]
    spacing = np.asarray(spacing_mm, float)
    half = np.array(mask.shape) * spacing / 2
    offsets = [
        (np.arange(step // 2, n, step) + 0.5) * s - h
        for n, step, s, h in zip(mask.shape, steps, spacing, half, strict=True)
    ]
    size = float(small.sum())
    semis = [half - margin for margin in MARGINS_MM]
    semis += [half * fraction for fraction in FRACTIONS]
    semis += [np.full(3, radius) for radius in RADII_MM]
    return np.array([_dice(small, size, offsets, semi) for semi in semis])


def _dice(
    mask: NDArray[np.bool_], size: float, offsets: Sequence[NDArray[np.float64]], semi: NDArray[np.float64]
) -> float:
    if (semi <= 0).any() or size == 0:
        return 0.0
    squares = [(offset / s) ** 2 for offset, s in zip(offsets, semi, strict=True)]
    spans = [np.flatnonzero(square <= 1) for square in squares]
    if any(len(span) == 0 for span in spans):
        return 0.0
    box = tuple(slice(span[0], span[-1] + 1) for span in spans)
    x, y, z = (square[part] for square, part in zip(squares, box, strict=True))
    inside = (x[:, None, None] + y[None, :, None] + z[None, None, :]) <= 1
    drawn = float(np.count_nonzero(inside))
    return 2 * float(np.count_nonzero(mask[box] & inside)) / (size + drawn) if drawn else 0.0


def leave_one_out(curves: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Dice of each patient (n,) with the parameter that fits the *other* patients best, and the parameter that fits
    all. `curves` (n patients, parameters)."""
    others = (curves.sum(axis=0)[None] - curves) / (len(curves) - 1)
    chosen = others.argmax(axis=1)
    return curves[np.arange(len(curves)), chosen], int(curves.mean(axis=0).argmax())


def parameter_text(parameter: int) -> str:
    """The ellipsoid in words."""
    if parameter < len(MARGINS_MM):
        return f"{MARGINS_MM[parameter]:g} mm inside the border"
    parameter -= len(MARGINS_MM)
    if parameter < len(FRACTIONS):
        return f"of {FRACTIONS[parameter]:.0%} of the field of view"
    return f"of radius {RADII_MM[parameter - len(FRACTIONS)]:g} mm in its middle"
