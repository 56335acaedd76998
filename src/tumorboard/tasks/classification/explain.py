"""What moved a patient's probability: the change of the log odds when one variable is forgotten.

A variable is forgotten by giving the patient, in turn, the values that some training patients have of it, and taking
the mean of the log odds (a marginal effect after Robnik-Sikonja and Kononenko 2008, IEEE Trans Knowl Data Eng 20:589).
Works for every model of clinical variables; effects do not add up to the whole where variables act together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.classification.fitting import FittedModel
from tumorboard.tasks.classification.patients import Patients, Training

__all__ = ["BACKGROUND", "background_of", "effects", "moved"]

Floats = NDArray[np.float64]
BACKGROUND = 8
"""Training patients whose values stand for "not known"."""


def moved(model: FittedModel, patients: Patients, training: Training) -> tuple[dict[str, float], ...]:
    """`effects` against training patients."""
    return effects(model, patients, background_of(model, training.patients))


def background_of(model: FittedModel, patients: Patients) -> Floats:
    """Covariates (at most `BACKGROUND`, p) of patients at equal distances in the order of their own probability."""
    order = np.argsort(model.probabilities(patients)[:, -1], kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(BACKGROUND, len(order))).round().astype(int)]
    return patients.x[chosen]


def effects(model: FittedModel, patients: Patients, background: Floats) -> tuple[dict[str, float], ...]:
    """Per patient: variable -> log odds of the class told, as it is, minus without the variable. Above 0: the variable
    speaks for the class told."""
    if not len(patients):
        return ()
    p = model.probabilities(patients)
    told = model.answers.classes(model.calibration.balanced(p))
    whole = _log_odds(p, told)
    sources = np.array(patients.sources)
    found: dict[str, Floats] = {}
    for name in dict.fromkeys(patients.sources):
        without = np.zeros(len(patients))
        for values in background:
            x = patients.x.copy()
            x[:, sources == name] = values[sources == name]
            without += _log_odds(model.probabilities(patients.with_x(x)), told)
        found[name] = whole - without / len(background)
    return tuple({name: round(float(effect[i]), 4) for name, effect in found.items()} for i in range(len(patients)))


def _log_odds(p: Floats, told: NDArray[np.int64]) -> Floats:
    mine = np.clip(p[np.arange(len(p)), told], 1e-9, 1 - 1e-9)
    odds: Floats = np.log(mine / (1 - mine))
    return odds
