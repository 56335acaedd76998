"""Where a place of the body lies in an exam, from the lesions marked there and their relative locations.

For cohorts without pixels that state relative locations (DeepLesion). Millimetres in an image = size of the body x
relative location + an offset, which is a patient's (smooth over the body), an exam's and a series' own. Offsets are
Gaussian, so that the place is a weighted mean of what the marked lesions say (kriging); with no lesion marked in the
series it falls back to the usual place. The constants below were fitted, by maximum likelihood, to DeepLesion's test
table (665 patients); of two forms of the kernel, the better one on the validation pairs was kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["BODY_MM", "Anchors", "Place", "place_in_exam"]

BODY_MM = (355.0, 290.0, 1125.0)
"""Millimetres per unit of relative location along x, y and z."""


@dataclass(frozen=True)
class _Spread:
    """Standard deviations of the offsets in mm: of the patient (with the distance over which it changes), over the
    whole patient, of the exam, of the series, of one mark; and the mean offset."""

    local: float
    reach: float
    patient: float
    exam: float
    series: float
    mark: float
    mean: float


_SPREADS = (
    _Spread(local=12.0, reach=56.0, patient=2.0, exam=5.5, series=2.5, mark=3.5, mean=-174.0),
    _Spread(local=15.0, reach=118.0, patient=3.0, exam=15.0, series=3.0, mark=3.5, mean=-146.0),
    _Spread(local=24.0, reach=38.0, patient=14.5, exam=58.0, series=49.0, mark=4.0, mean=-403.0),
)


@dataclass(frozen=True, eq=False)
class Anchors:
    """Marked lesions of one patient: relative locations (n, 3), places (n, 3) in mm of their images with x and y from
    the middle of the image and z from the first slice, exams and series (n,)."""

    relative: NDArray[np.float64]
    places_mm: NDArray[np.float64]
    exams: NDArray[np.str_]
    series: NDArray[np.str_]


@dataclass(frozen=True)
class Place:
    """Expected place (3,) in mm and its standard deviation (3,)."""

    mean_mm: tuple[float, float, float]
    sd_mm: tuple[float, float, float]

    def within(self, axis: int, low: float, high: float) -> float:
        """Expected place along one axis when it is known to lie between `low` and `high` mm."""
        from scipy.stats import truncnorm

        mean, sd = self.mean_mm[axis], max(self.sd_mm[axis], 1e-3)
        if not low < high:
            return low
        expected = mean + sd * float(truncnorm.mean((low - mean) / sd, (high - mean) / sd))
        return expected if low <= expected <= high else float(np.clip(mean, low, high))


def place_in_exam(anchors: Anchors, relative: ArrayLike, *, exam: str, series: str) -> Place:
    """Where the relative location (3,) is expected in a series of an exam, in the millimetres of the anchors."""
    wanted = np.asarray(relative, float)
    at = np.vstack([anchors.relative.reshape(-1, 3), wanted])
    exams = np.append(anchors.exams, exam)
    rows = np.append(anchors.series, series)
    apart = ((at[:, None] * BODY_MM - at[None] * BODY_MM) ** 2).sum(axis=2)
    means, deviations = [], []
    for axis, spread in enumerate(_SPREADS):
        covariance = (
            spread.local**2 * np.exp(-apart / (2 * spread.reach**2))
            + spread.patient**2
            + spread.exam**2 * (exams[:, None] == exams)
            + spread.series**2 * (rows[:, None] == rows)
        )
        known = covariance[:-1, :-1] + spread.mark**2 * np.eye(len(at) - 1)
        weights = np.linalg.solve(known, covariance[:-1, -1]) if len(at) > 1 else np.zeros(0)
        offsets = anchors.places_mm.reshape(-1, 3)[:, axis] - BODY_MM[axis] * at[:-1, axis] - spread.mean
        means.append(float(spread.mean + BODY_MM[axis] * wanted[axis] + weights @ offsets))
        left = covariance[-1, -1] - weights @ covariance[:-1, -1] + spread.mark**2
        deviations.append(float(np.sqrt(max(left, 0.0))))
    x, y, z = means
    return Place((x, y, z), (deviations[0], deviations[1], deviations[2]))
