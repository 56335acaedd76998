"""Intensities brought into a stated range. What the numbers meant is checked first."""

from __future__ import annotations

import math

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops import codes

__all__ = ["clip_suv", "window_hu", "z_score"]


def window_hu(volume: Volume, *, low_hu: float, high_hu: float) -> Volume:
    """HU -> 0 at and below `low_hu`, 1 at and above `high_hu`, linear between (float32, unit fraction).

    Errors: UNT101 for other units, OPS106 for a window of no width.
    """
    volume.require(Unit.HU, where="window_hu")
    return _window(volume, low_hu, high_hu)


def clip_suv(volume: Volume, *, high_suv: float, low_suv: float = 0.0, scaled: bool = False) -> Volume:
    """SUV held within `low_suv` to `high_suv` (float32, still SUV); with `scaled` as a fraction of that range.

    Errors: UNT101 for other units, OPS106 for a range of no width.
    """
    volume.require(Unit.SUVBW, where="clip_suv")
    if scaled:
        return _window(volume, low_suv, high_suv)
    _require_width(low_suv, high_suv)
    return volume.with_array(np.clip(volume.array, low_suv, high_suv, dtype=np.float32, casting="unsafe"))


def z_score(volume: Volume, *, mean: float | None = None, sd: float | None = None) -> Volume:
    """(value - mean) / sd (float32, unit z-score). Statistics of a training fold are given; left out, both are
    the volume's own. Errors: UNT101 for label maps, OPS106 for a standard deviation of 0."""
    if volume.unit == Unit.LABEL:
        volume.require(Unit.HU, where="z_score")
    centre = float(volume.array.mean(dtype=np.float64)) if mean is None else mean
    spread = float(volume.array.std(dtype=np.float64)) if sd is None else sd
    if not (math.isfinite(centre) and math.isfinite(spread) and spread > 0):
        raise _no_width(f"mean {centre:g}, standard deviation {spread:g}")
    scaled = volume.array.astype(np.float32)
    scaled -= np.float32(centre)
    scaled /= np.float32(spread)
    return volume.with_array(scaled, Unit.ZSCORE)


def _window(volume: Volume, low: float, high: float) -> Volume:
    _require_width(low, high)
    scaled = volume.array.astype(np.float32)
    scaled -= np.float32(low)
    scaled *= np.float32(1 / (high - low))
    return volume.with_array(np.clip(scaled, 0, 1, out=scaled), Unit.FRACTION)


def _require_width(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise _no_width(f"{low:g} to {high:g}")


def _no_width(found: str) -> TumorboardError:
    return TumorboardError(codes.WINDOW_EMPTY, "window", found=found, expected="a range of some width")
