"""Signs instead of weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.concordance import concordance
from tumorboard.tasks.prognosis.cox import CoxFit, fit_cox
from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _SignSum:
    signs: Floats
    spread: Floats
    centre: Floats
    calibration: CoxFit

    def risk(self, x: Floats) -> Floats:
        return ((x - self.centre) / self.spread * self.signs).sum(axis=1) / max(np.abs(self.signs).sum(), 1.0)

    def survival(self, x: Floats, grid: Floats) -> Floats:
        return self.calibration.survival(self.risk(x)[:, None], grid)


@table_model("sign-sum", "mean of covariates, each with the sign of its own concordance; no weights (after ICARE)")
def _fit_sign_sum(training: Training) -> TableModel:
    """After Rebaud et al.'s ICARE: only signs are learned. Covariates whose own concordance is within 0.02 of one
    half take no part; bagging and feature sampling of the original are left out (our choice)."""
    x, event, time = training.patients.x, training.event, training.time_days
    alone = np.array([(concordance(event, time, column).value or 0.5) - 0.5 for column in x.T])
    signs = np.where(np.abs(alone) > 0.02, np.sign(alone), 0.0)
    centre, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    draft = _SignSum(signs, spread, centre, fit_cox(np.zeros((len(x), 0)), event, time))
    calibration = fit_cox(draft.risk(x)[:, None], event, time, ridge=1e-3)
    return _SignSum(signs, spread, centre, calibration)
