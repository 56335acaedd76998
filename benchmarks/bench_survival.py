"""Uno's concordance and the Brier score against scikit-survival (100,000 patients), Cox regression with Efron's ties
and standard errors against lifelines (10,000 patients x 20 covariates); equal values asserted."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tumorboard.metrics.survival.curves import censoring_curve
from tumorboard.metrics.survival.error import brier_scores
from tumorboard.metrics.survival.uno import uno_concordance
from tumorboard.tasks.prognosis.cox import fit_cox

PATIENTS = 100_000
TIMES = 20


def main() -> list[dict[str, Any]]:
    """Rows with name, ours_s, peer, peer_s, ratio, goal, note."""
    return [_uno(), _brier(), _cox()]


def _patients() -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    days = random.integers(1, 3000, PATIENTS).astype(float)
    return random.random(PATIENTS) < 0.3, days, np.round(random.normal(size=PATIENTS) - days / 1500, 2)


def _uno() -> dict[str, Any]:
    from sksurv.metrics import concordance_index_ipcw
    from sksurv.util import Surv

    event, days, risk = _patients()
    y = Surv.from_arrays(event, days)

    def ours() -> float | None:
        return uno_concordance(
            event, days, risk, censoring=censoring_curve(event, days), tau=2000.0, weights="at time"
        ).value

    own, value = seconds(ours, repeats=5)
    theirs, expected = seconds(lambda: concordance_index_ipcw(y, y, risk, tau=2000.0)[0], repeats=1, warm_up=False)
    assert value is not None
    assert abs(value - expected) < 1e-12, (value, expected)
    name = f"Uno's C, {PATIENTS:,} patients with ties"
    return _row(name, own, "scikit-survival", theirs, 1 / 15, "equal within 1e-12")


def _brier() -> dict[str, Any]:
    from sksurv.metrics import brier_score
    from sksurv.util import Surv

    event, days, risk = _patients()
    grid = np.linspace(300, 2400, TIMES)
    curves = np.exp(-np.outer(np.exp(0.5 * risk), grid / 3000))
    y = Surv.from_arrays(event, days)

    def ours() -> Any:
        censoring = censoring_curve(event, days)
        return brier_scores(event, days, curves, horizons=grid, censoring=censoring, weights="at time").values

    own, values = seconds(ours, repeats=5)
    theirs, expected = seconds(lambda: brier_score(y, y, curves, grid)[1], repeats=5)
    assert np.abs(values - expected).max() < 1e-12
    name = f"Brier score, {PATIENTS:,} patients, {TIMES} times"
    return _row(name, own, "scikit-survival", theirs, 1 / 15, "equal within 1e-12")


def _cox() -> dict[str, Any]:
    import pandas as pd
    from lifelines import CoxPHFitter

    random = np.random.default_rng(0)
    x = random.normal(size=(10_000, 20))
    death = random.exponential(1000 * np.exp(-x @ np.linspace(-0.4, 0.4, 20)))
    loss = random.uniform(100, 3000, len(x))
    event, days = death <= loss, np.ceil(np.minimum(death, loss))
    frame = pd.DataFrame(x).assign(days=days, event=event)
    own, fit = seconds(lambda: fit_cox(x, event, days), repeats=5)
    theirs, fitter = seconds(lambda: CoxPHFitter().fit(frame, "days", "event"), repeats=3)
    assert np.abs(fit.coefficients - fitter.params_.to_numpy()).max() < 1e-5
    assert np.abs(fit.standard_errors - fitter.standard_errors_.to_numpy()).max() < 1e-5
    note = "coefficients and errors within 1e-5"
    return _row("Cox, Efron's ties, 10,000 x 20", own, "lifelines", theirs, 1 / 8, note)


def seconds(work: Callable[[], Any], *, repeats: int, warm_up: bool = True) -> tuple[float, Any]:
    """Median time, after one run that is not counted, and the result."""
    result = work() if warm_up else None
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def _row(name: str, own: float, peer: str, theirs: float, goal: float, note: str) -> dict[str, Any]:
    return {
        "name": name, "ours_s": own, "peer": peer, "peer_s": theirs, "ratio": own / theirs, "goal": goal, "note": note,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
