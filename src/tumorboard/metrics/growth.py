"""How fast a lesion grows: rate and volume doubling time, with what the error of measurement leaves of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Growth", "axes_volume_ml", "growth"]

_95 = 1.959963984540054
NO_TIME, NO_VOLUME, NO_CHANGE = "no time between exams", "fewer than two volumes above zero", "no change"
GROWING, SHRINKING, UNCERTAIN = "growing", "shrinking", "within the error of measurement"


@dataclass(frozen=True)
class Growth:
    """Exponential growth through the volumes of one lesion.

    `per_day` (share of the logarithm of volume; None when undefined) with its 95 % interval; `doubling_days` only of a
    growing lesion (of a shrinking one `halving_days`), with an interval whose end is infinite (None) when no growth
    cannot be excluded. `state`: growing, shrinking, within the error of measurement, or why nothing can be said.
    """

    state: str
    per_day: float | None = None
    low_per_day: float | None = None
    high_per_day: float | None = None
    doubling_days: float | None = None
    halving_days: float | None = None
    low_days: float | None = None
    high_days: float | None = None


def growth(days: Sequence[float], volumes_ml: Sequence[float], *, volume_error: float | Sequence[float]) -> Growth:
    """Growth by the weighted line through the logarithms of all volumes above zero.

    `days` (n,) of the exams, any order; `volume_error`: standard deviation of one volume as a share of it (0.1 = 10 %;
    of a diameter with error e and size d it is about 3 e / d), one number or one per volume. Two volumes give
    Schwartz's doubling time (Cancer 1961; 14: 1272). ValueError when lengths differ or an error is not above zero.
    """
    time, volume = np.asarray(days, float), np.asarray(volumes_ml, float)
    error = np.broadcast_to(np.asarray(volume_error, float), volume.shape)
    if time.shape != volume.shape or (error <= 0).any() or not np.isfinite(error).all():
        raise ValueError("as many days as volumes, and errors above zero")
    usable = np.isfinite(time) & np.isfinite(volume) & (volume > 0)
    time, logs, weight = time[usable], np.log(volume[usable]), 1 / error[usable] ** 2
    if len(logs) < 2:
        return Growth(NO_VOLUME)
    centred = time - np.average(time, weights=weight)
    spread = float((weight * centred**2).sum())
    if spread <= 1e-12:
        return Growth(NO_TIME)
    rate = float((weight * centred * logs).sum()) / spread
    reach = _95 / np.sqrt(spread)
    low, high = rate - reach, rate + reach
    if abs(rate) < 1e-12:
        return Growth(NO_CHANGE, 0.0, low, high)
    state = UNCERTAIN if low <= 0 <= high else GROWING if rate > 0 else SHRINKING
    half = float(np.log(2) / abs(rate))
    fast, slow = (high, low) if rate > 0 else (-low, -high)
    return Growth(
        state, rate, low, high,
        doubling_days=half if rate > 0 else None,
        halving_days=half if rate < 0 else None,
        low_days=float(np.log(2) / fast),
        high_days=float(np.log(2) / slow) if slow > 0 else None,
    )  # fmt: skip


def axes_volume_ml(long_mm: float, short_mm: float) -> float:
    """Volume of the ellipsoid with these axes and a depth like the short one: what two axes tell of a volume."""
    return float(np.pi / 6 * long_mm * short_mm**2 / 1000)
