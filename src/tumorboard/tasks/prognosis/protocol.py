"""Who trains and who tests: folds by patient, fitted parts inside the training fold alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.models import fit_model

__all__ = ["FoldPrediction", "cross_validate"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class FoldPrediction:
    """Out-of-fold predictions of one model: who was tested and trained on, risk (n_test,), and event-free
    probability (n_test, m) at `grid`."""

    test: Indices
    train: Indices
    risk: Floats
    survival: Floats
    grid: Floats


def cross_validate(
    model: str,
    rows: Sequence[Mapping[str, Any]],
    outcome: Survival,
    *,
    variables: Sequence[Variable],
    folds: Sequence[Indices],
    config: PrognosisConfig,
) -> list[FoldPrediction]:
    """Fit `model` on each training part and predict the patients left out.

    `rows` are records of `patients` in the order of `outcome`. The encoder, every choice inside the model and the
    grid of times are functions of the training part alone.
    """
    predictions = []
    everyone = np.arange(len(rows))
    for test in folds:
        train = np.setdiff1d(everyone, test)
        encoder = ClinicalEncoder.fit([rows[i] for i in train], variables, rare_below=config.rare_below)
        event, time = outcome.event[train], outcome.time_days[train]
        fitted = fit_model(model, encoder.transform([rows[i] for i in train]), event, time, config)
        grid = np.unique(np.r_[np.quantile(time[event], np.linspace(0.02, 0.98, 49)), config.horizons_days])
        x = encoder.transform([rows[i] for i in test])
        predictions.append(FoldPrediction(test, train, fitted.risk(x), fitted.survival(x, grid), grid))
    return predictions
