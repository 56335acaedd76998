"""What moved a patient's risk: the same question asked of any model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.models.registry import FittedModel
from tumorboard.tasks.prognosis.patients import Patients

__all__ = ["hazard_ratios", "moved_by"]

Floats = NDArray[np.float64]


def moved_by(
    model: FittedModel, patients: Patients, background: Patients, *, horizon_days: float, most: int = 25
) -> dict[str, Floats]:
    """Variable -> (n,) change of the predicted risk by `horizon_days` (0 to 1) that comes with a patient's own value,
    compared with the values of up to `most` background patients of the training fold.

    One variable is exchanged at a time, all others stay the patient's own; so the parts need not add up to the whole
    where variables act together. For any model with curves.
    """
    grid = np.array([horizon_days])
    own = 1 - model.survival(patients, grid)[:, 0]
    chosen = np.unique(np.linspace(0, len(background) - 1, min(most, len(background))).astype(int))
    found = {}
    for variable in dict.fromkeys(patients.sources):
        columns = [i for i, source in enumerate(patients.sources) if source == variable]
        total = np.zeros(len(patients))
        for other in chosen:
            x = patients.x.copy()
            x[:, columns] = background.x[other, columns]
            total += own - (1 - model.survival(patients.with_x(x), grid)[:, 0])
        found[variable] = total / len(chosen)
    return found


def hazard_ratios(
    names: tuple[str, ...], coefficients: Floats, standard_errors: Floats
) -> list[tuple[str, float, float, float]]:
    """(what, hazard ratio, low, high) of each column, 95 % by Wald; per standard deviation for numbers. With a ridge
    the ratios are shrunk towards 1 and the intervals are of the penalised fit."""
    width = 1.959963984540054 * standard_errors
    return [
        (name, float(np.exp(b)), float(np.exp(b - w)), float(np.exp(b + w)))
        for name, b, w in zip(names, coefficients, width, strict=True)
    ]
