"""Out-of-fold predictions -> figures with intervals, and differences between models on the same patients.

Every figure is taken within each test fold, with the censoring curve of its training fold, and averaged over folds.
Intervals resample patients within their folds; models are compared on the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.outcome import Survival
from tumorboard.metrics.comparisons import against_reference
from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.intervals import percentile_interval
from tumorboard.metrics.survival.curves import Curve, censoring_curve, kaplan_meier
from tumorboard.metrics.survival.discrimination import dynamic_auc
from tumorboard.metrics.survival.error import brier_contributions, usable_horizons
from tumorboard.metrics.survival.uno import uno_concordance
from tumorboard.tasks.prognosis.bounds import missed
from tumorboard.tasks.prognosis.protocol import FoldPrediction
from tumorboard.tasks.result import score_row

__all__ = ["ModelScores", "difference_rows", "score_model"]

Floats = NDArray[np.float64]
_SECONDARY = ("uno_c", "auc (")
_QUANTILES = (0.1, 0.8)
"""The Brier score is integrated between these quantiles of the training fold's times."""


@dataclass(frozen=True)
class ModelScores:
    """Score rows of one model, and its concordance for comparisons: resampled (draws,), and of each fold (k,)."""

    rows: list[dict[str, Any]]
    tested: int
    concordance: float
    draws: Floats
    by_fold: tuple[float, ...] = ()
    test_share: float = 0.0
    """Patients tested per fold over patients trained on, mean over folds."""


@dataclass(frozen=True)
class _Fold:
    """One test fold, ready to be resampled."""

    event: NDArray[np.bool_]
    time: Floats
    risk: Floats
    censoring: Curve
    tau: float
    brier: Floats
    """(n,) each patient's part of the integrated Brier score."""
    null: Floats
    bounds: Floats
    """(n,) calibrated bounds in days; NaN where none were asked for."""


def score_model(
    model: str,
    outcome: Survival,
    predictions: Sequence[FoldPrediction],
    *,
    subset: str,
    horizons_days: Sequence[float],
    seed: int,
    resamples: int,
    metrics: Sequence[str] = (),
) -> ModelScores:
    """All figures of one model on one endpoint, or those of `metrics` (the concordance always)."""
    folds = [_fold(outcome, prediction) for prediction in predictions]
    figures: dict[str, Callable[[_Fold], float | None]] = {
        "c_index": _harrell,
        "uno_c": _uno,
        "ibs": lambda fold: float(fold.brier.mean()),
        "ipa": _accuracy,
    }
    if all(prediction.bounds is not None for prediction in predictions):
        figures["bound_missed"] = lambda fold: missed(fold.event, fold.time, fold.bounds, censoring=fold.censoring)
    for horizon in horizons_days:
        figures[f"auc (by {horizon:g} days)"] = lambda fold, horizon=horizon: _auc(fold, horizon)
    if metrics:
        figures = {name: figure for name, figure in figures.items() if name in {"c_index", *metrics}}
    draws = {name: np.full(resamples, np.nan) for name in figures}
    random = np.random.default_rng(seed)  # the same seed for every model: the same resamples
    for place in range(resamples):
        drawn = [_resampled(fold, random) for fold in folds]
        for name, figure in figures.items():
            if name.startswith(_SECONDARY) and place % 4:
                continue  # a quarter of the resamples is enough for what is not compared
            draws[name][place] = _mean(figure(fold) for fold in drawn)
    tested = sum(len(fold.time) for fold in folds)
    rows = []
    for name, figure in figures.items():
        value = _mean(figure(fold) for fold in folds)
        rows.append(_row(model, name, outcome, subset, value, draws[name], n=tested))
    found = (_harrell(fold) for fold in folds)
    by_fold = tuple(np.nan if value is None else value for value in found)
    share = float(np.mean([len(p.test) / len(p.train) for p in predictions]))
    return ModelScores(rows, tested, _mean(by_fold), draws["c_index"], by_fold, share)


def difference_rows(
    outcome: Survival, scores: Mapping[str, ModelScores], *, reference: str, subset: str
) -> list[dict[str, Any]]:
    """Concordance of each model minus that of `reference`, on the same resamples; over several folds also p of the
    difference (Nadeau and Bengio's test over folds, Holm's correction for all models)."""
    base = scores[reference]
    rows = [
        _row(
            name,
            f"c_index minus {reference}",
            outcome,
            subset,
            mine.concordance - base.concordance,
            mine.draws - base.draws,
            n=mine.tested,
        )
        for name, mine in scores.items()
        if name != reference
    ]
    if len(base.by_fold) > 1:
        by_fold = {name: mine.by_fold for name, mine in scores.items()}
        metric = f"p_holm (c_index against {reference})"
        for name, p in against_reference(by_fold, reference=reference, test_share=base.test_share).items():
            value = np.nan if p is None else p
            rows.append(_row(name, metric, outcome, subset, value, np.array([]), n=scores[name].tested))
    return rows


def _fold(outcome: Survival, prediction: FoldPrediction) -> _Fold:
    event, time = outcome.event[prediction.test], outcome.time_days[prediction.test]
    train_event, train_time = outcome.event[prediction.train], outcome.time_days[prediction.train]
    censoring = censoring_curve(train_event, train_time)
    low, high = np.quantile(train_time, _QUANTILES)
    inside = (prediction.grid >= low) & (prediction.grid <= high)
    kept, _ = usable_horizons(prediction.grid[inside], time=time, censoring=censoring)
    if len(kept) < 2:  # nobody to follow that long: no Brier score, said as undefined
        undefined = np.full(len(time), np.nan)
        bounds = undefined if prediction.bounds is None else prediction.bounds
        return _Fold(event, time, prediction.risk, censoring, float(high), undefined, undefined, bounds)
    columns = np.isin(prediction.grid, kept)
    null = np.tile(kaplan_meier(train_event, train_time).at(kept), (len(time), 1))
    brier, baseline = (
        np.trapezoid(brier_contributions(event, time, curves, horizons=kept, censoring=censoring), kept, axis=1)
        / (kept[-1] - kept[0])
        for curves in (prediction.survival[:, columns], null)
    )
    bounds = np.full(len(time), np.nan) if prediction.bounds is None else prediction.bounds
    return _Fold(event, time, prediction.risk, censoring, float(high), brier, baseline, bounds)


def _resampled(fold: _Fold, random: np.random.Generator) -> _Fold:
    index = random.integers(0, len(fold.time), len(fold.time))
    return _Fold(
        fold.event[index],
        fold.time[index],
        fold.risk[index],
        fold.censoring,
        fold.tau,
        fold.brier[index],
        fold.null[index],
        fold.bounds[index],
    )


def _harrell(fold: _Fold) -> float | None:
    return concordance(fold.event, fold.time, fold.risk).value


def _accuracy(fold: _Fold) -> float | None:
    null = float(fold.null.mean())
    return 1 - float(fold.brier.mean()) / null if null > 0 else None


def _uno(fold: _Fold) -> float | None:
    return uno_concordance(fold.event, fold.time, fold.risk, censoring=fold.censoring, tau=fold.tau).value


def _auc(fold: _Fold, horizon: float) -> float | None:
    if not fold.censoring.at(horizon) > 0:
        return None
    value = float(dynamic_auc(fold.event, fold.time, fold.risk, horizons=[horizon], censoring=fold.censoring).values[0])
    return None if np.isnan(value) else value


def _mean(values: Any) -> float:
    """Mean over folds; NaN when it is undefined in one of them."""
    listed = [np.nan if value is None else value for value in values]
    return float(np.mean(listed))


def _row(
    model: str, metric: str, outcome: Survival, subset: str, value: float, draws: Floats, *, n: int
) -> dict[str, Any]:
    interval = percentile_interval(value, draws[::4] if metric.startswith(_SECONDARY) else draws)
    return score_row(
        model, task="prognosis", metric=metric, label=outcome.endpoint, subset=subset, interval=interval, n=n
    )
