"""Survival models under one interface: fit on numbers, predict a risk and a curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.survival.curves import Curve, kaplan_meier
from tumorboard.tasks.prognosis.config import MODELS, PrognosisConfig
from tumorboard.tasks.prognosis.cox import CoxFit, fit_cox

__all__ = ["FittedModel", "fit_model", "summaries"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class FittedModel(Protocol):
    """A model after training. Covariates (n, p) as the encoder of the same training fold makes them."""

    def risk(self, x: Floats) -> Floats:
        """(n,); higher means earlier event."""
        ...

    def survival(self, x: Floats, grid: Floats) -> Floats:
        """(n, m) event-free probability at the times `grid`."""
        ...


Fit = Callable[[Floats, Bools, Floats, PrognosisConfig], FittedModel]
_FITS: dict[str, tuple[str, Fit]] = {}


def _model(name: str, summary: str) -> Callable[[Fit], Fit]:
    def register(fit: Fit) -> Fit:
        _FITS[name] = (summary, fit)
        return fit

    return register


def fit_model(name: str, x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    """Fit the model `name` on training covariates (n, p), events and times."""
    return _FITS[name][1](x, event, time, config)


def summaries() -> dict[str, str]:
    """Model name -> what it is, in the order of the tables."""
    return {name: _FITS[name][0] for name in MODELS}


@dataclass(frozen=True)
class _Null:
    curve: Curve

    def risk(self, x: Floats) -> Floats:
        return np.zeros(len(x))

    def survival(self, x: Floats, grid: Floats) -> Floats:
        return np.tile(self.curve.at(grid), (len(x), 1))


@_model("kaplan-meier", "the same Kaplan-Meier curve for everybody: the null model")
def _fit_null(x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    return _Null(kaplan_meier(event, time))


@_model("ridge-cox", "Cox regression with Efron's ties and one fixed ridge")
def _fit_ridge_cox(x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    return fit_cox(x, event, time, ridge=config.ridge)


@_model("tuned-ridge-cox", "Cox regression whose ridge is chosen inside the training part")
def _fit_tuned_cox(x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    """The strongest ridge whose inner concordance is within one standard error of the best."""
    grid = np.geomspace(1, 1000, 7)
    scores = np.array([_inner_scores(x, event, time, config, ridge) for ridge in grid])
    mean, error = scores.mean(axis=1), scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    best = int(np.argmax(mean))
    good = np.flatnonzero(mean >= mean[best] - 0.25 * error[best])
    return fit_cox(x, event, time, ridge=float(grid[good[-1]]))


def _inner_scores(x: Floats, event: Bools, time: Floats, config: PrognosisConfig, ridge: float) -> list[float]:
    from tumorboard.tasks.clinical.folds import stratified_folds

    scores = []
    for held_out in stratified_folds(event, folds=config.inner_folds, seed=config.seed):
        kept = np.setdiff1d(np.arange(len(event)), held_out)
        fit = fit_cox(x[kept], event[kept], time[kept], ridge=ridge)
        scores.append(concordance(event[held_out], time[held_out], fit.risk(x[held_out])).value)
    return scores


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


@_model("sign-sum", "mean of covariates, each with the sign of its own concordance; no weights (after ICARE)")
def _fit_sign_sum(x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    """After Rebaud et al.'s ICARE: only signs are learned. Covariates whose own concordance is within 0.02 of one
    half take no part; bagging and feature sampling of the original are left out (our choice)."""
    alone = np.array([concordance(event, time, column).value - 0.5 for column in x.T])
    signs = np.where(np.abs(alone) > 0.02, np.sign(alone), 0.0)
    centre, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    draft = _SignSum(signs, spread, centre, fit_cox(np.zeros((len(x), 0)), event, time))
    calibration = fit_cox(draft.risk(x)[:, None], event, time, ridge=1e-3)
    return _SignSum(signs, spread, centre, calibration)


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


@_model("weibull", "accelerated failure time with Weibull times (lifelines, penalty 0.1)")
def _fit_weibull(x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    import pandas as pd
    from lifelines import WeibullAFTFitter

    columns = [f"x{i}" for i in range(x.shape[1])]
    frame = pd.DataFrame(x, columns=columns).assign(_time=time, _event=event)
    return _Weibull(WeibullAFTFitter(penalizer=0.1).fit(frame, "_time", "_event"), columns)


@dataclass(frozen=True)
class _Boosted:
    booster: Any
    edges: Floats
    """Ends of the time intervals, ascending."""

    def _hazards(self, x: Floats) -> Floats:
        """(n, intervals) chance of the event in an interval given that it began."""
        n, intervals = len(x), len(self.edges)
        periods = np.column_stack([np.repeat(x, intervals, axis=0), np.tile(np.arange(intervals), n)])
        return self.booster.predict_proba(periods)[:, 1].reshape(n, intervals)

    def risk(self, x: Floats) -> Floats:
        return -np.log1p(-self._hazards(x)).sum(axis=1)

    def survival(self, x: Floats, grid: Floats) -> Floats:
        """Constant hazard within an interval; none is known beyond the last edge."""
        cumulative = np.column_stack([np.zeros(len(x)), -np.cumsum(np.log1p(-self._hazards(x)), axis=1)])
        knots = np.r_[0.0, self.edges]
        return np.exp(-np.array([np.interp(grid, knots, row) for row in cumulative]))


@_model("boosted-hazard", "gradient-boosted trees on the hazard of ten time intervals (scikit-learn)")
def _fit_boosted(x: Floats, event: Bools, time: Floats, config: PrognosisConfig) -> FittedModel:
    """Person-period data: one row per patient and interval begun; a patient censored within an interval counts in
    it when more than half of it was seen."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    edges = np.unique(np.quantile(time[event], np.linspace(0.1, 1.0, 10)))
    last = np.searchsorted(edges, time, side="left")
    rows, labels = [], []
    starts = np.r_[0.0, edges[:-1]]
    for i, interval in enumerate(last):
        inside = min(interval, len(edges) - 1)
        whole = event[i] or interval == len(edges) or time[i] > (starts[inside] + edges[inside]) / 2
        count = inside + 1 if whole else inside
        rows.append(np.column_stack([np.tile(x[i], (count, 1)), np.arange(count)]))
        labels.append(np.r_[np.zeros(max(count - 1, 0)), [float(event[i] and interval < len(edges))]][:count])
    booster = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.05, max_leaf_nodes=5, min_samples_leaf=20, l2_regularization=5.0,
        early_stopping=False, random_state=config.seed,
    )  # fmt: skip
    return _Boosted(booster.fit(np.vstack(rows), np.concatenate(labels)), edges)
