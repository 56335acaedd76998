"""Accelerated failure time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Weibull:
    fitter: Any
    columns: list[str]

    def _frame(self, x: Floats) -> Any:
        import pandas as pd

        return pd.DataFrame(x, columns=self.columns)

    def risk(self, x: Floats) -> Floats:
        return -np.log(self.fitter.predict_median(self._frame(x)).to_numpy(float))

    def survival(self, x: Floats, grid: Floats) -> Floats:
        return self.fitter.predict_survival_function(self._frame(x), times=grid).to_numpy().T


@table_model("weibull", "accelerated failure time with Weibull times (lifelines, penalty 0.1)")
def _fit_weibull(training: Training) -> TableModel:
    import pandas as pd
    from lifelines import WeibullAFTFitter

    x = training.patients.x
    columns = [f"x{i}" for i in range(x.shape[1])]
    frame = pd.DataFrame(x, columns=columns).assign(_time=training.time_days, _event=training.event)
    return _Weibull(WeibullAFTFitter(penalizer=0.1).fit(frame, "_time", "_event"), columns)
