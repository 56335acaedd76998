"""Curves that come true on average: level and spread of cumulative hazards, learnt on patients not seen before.

After Crowson, Atkinson and Therneau 2016, Stat Methods Med Res 25:1692: given a patient's cumulative hazard at his own
time, whether he had the event is a Poisson count with that mean, so the level is an intercept and the spread a slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Recalibration", "fit_recalibration"]

Floats = NDArray[np.float64]
PRIOR = 4.0
"""Inverse variance of level and slope about 0, which is no change (our choice): with few events, little is learnt."""
_SMALLEST, _LARGEST = 1e-9, 30.0


@dataclass(frozen=True)
class Recalibration:
    """Cumulative hazards are multiplied by exp(level + slope (score - middle)): `score` the log cumulative hazard at a
    fixed time, `middle` its mean in training. The slope stays above -1, so nobody changes places with anybody."""

    level: float = 0.0
    slope: float = 0.0
    middle: float = 0.0

    def factors(self, score: Floats) -> Floats:
        """(n,) from scores (n,)."""
        factors: Floats = np.exp(self.level + self.slope * (score - self.middle))
        return factors


def fit_recalibration(hazard: Floats, event: NDArray[np.bool_], score: Floats) -> Recalibration:
    """`hazard` (n,): cumulative hazard predicted at each patient's own time, by a model that had not seen him; `event`
    (n,) whether he had the event; `score` (n,). Newton's method on the Poisson likelihood with a normal prior."""
    middle = float(score.mean())
    design = np.column_stack([np.ones(len(score)), score - middle])
    values = np.zeros(2)
    for _ in range(50):
        mean = np.clip(hazard, _SMALLEST, _LARGEST) * np.exp(np.clip(design @ values, -5, 5))
        gradient = design.T @ (event - mean) - PRIOR * values
        step = np.linalg.solve((design * mean[:, None]).T @ design + PRIOR * np.eye(2), gradient)
        values = values + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return Recalibration(float(values[0]), max(float(values[1]), -0.9), middle)
