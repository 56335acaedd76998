"""Out-of-fold predictions -> figures with intervals, and differences between models on the same patients.

Figures of rank and of classes are taken within each test fold and averaged over folds; figures of calibration are
taken over all patients together, since a fold of a small table holds too few for them. Intervals resample patients
within their class and fold (stratified bootstrap), the same draws for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.classification import auc, average_precision, f1_macro, matthews, one_versus_rest_auc
from tumorboard.metrics.classification.abstention import balanced_accuracy_at_coverage
from tumorboard.metrics.classification.calibration import (
    brier_score,
    calibration_in_the_large,
    calibration_slope,
    expected_calibration_error,
    log_loss,
)
from tumorboard.metrics.classification.ranking import specificity_at_sensitivity
from tumorboard.metrics.comparisons import against_reference
from tumorboard.metrics.intervals import percentile_interval
from tumorboard.tasks.classification.data import Problem
from tumorboard.tasks.classification.protocol import FoldPrediction
from tumorboard.tasks.result import score_row

__all__ = ["Draws", "ModelScores", "difference_rows", "draws_of", "score_model"]

Floats = NDArray[np.float64]
Draws = Sequence[Sequence[NDArray[np.int64]]]
"""For each resample and fold, the places within the fold that were drawn."""
SENSITIVITY = 0.9
"""At which specificity is read off the ROC curve."""
_SLOW = 200
"""Resamples for figures that are fitted (calibration slope and intercept, points of the ROC curve)."""


@dataclass(frozen=True)
class ModelScores:
    """Score rows of one model, and value and resampled values (draws,) of the figures that are compared; its AUC in
    each fold, and patients tested per fold over all others (mean over folds)."""

    rows: list[dict[str, Any]]
    compared: dict[str, tuple[float, Floats]]
    n: int
    auc_by_fold: tuple[float, ...]
    test_share: float


@dataclass(frozen=True)
class _Part:
    """Patients of one fold, or of all, drawn or as they are."""

    y: NDArray[np.int64]
    p: Floats
    told: NDArray[np.int64]
    order: Floats
    answered: NDArray[np.bool_]
    sets: NDArray[np.bool_]

    def at(self, index: NDArray[np.int64]) -> _Part:
        return _Part(
            self.y[index], self.p[index], self.told[index], self.order[index], self.answered[index],
            self.sets[index],
        )  # fmt: skip


Figure = Callable[[_Part], float | None]


def draws_of(problem: Problem, folds: Sequence[NDArray[np.int64]], *, seed: int, resamples: int) -> Draws:
    """Stratified resamples: as many patients of each class in each fold as there are."""
    random = np.random.default_rng(seed)
    strata = [[np.flatnonzero(problem.y[test] == k) for k in np.unique(problem.y[test])] for test in folds]
    return [
        [np.concatenate([s[random.integers(0, len(s), len(s))] for s in fold]) for fold in strata]
        for _ in range(resamples)
    ]


def score_model(
    model: str,
    problem: Problem,
    predictions: Sequence[FoldPrediction],
    *,
    subset: str,
    draws: Draws,
    coverage: float,
    miss: float,
) -> ModelScores:
    """All figures of one model on one endpoint."""
    folds = [_Part(problem.y[f.test], f.probabilities, f.told, f.order, f.answered, f.sets) for f in predictions]
    whole = _joined(folds)
    n = len(whole.y)
    rows, compared, by_fold = [], {}, ()
    for name, figure, pooled, limit in _figures(problem, coverage, miss):
        value = _value(figure, [whole] if pooled else folds)
        drawn = np.full(min(limit, len(draws)), np.nan)
        if not np.isnan(value):
            for place, indices in enumerate(draws[: len(drawn)]):
                parts = [fold.at(index) for fold, index in zip(folds, indices, strict=True)]
                drawn[place] = _value(figure, [_joined(parts)] if pooled else parts)
        rows.append(_row(model, name, problem, subset, value, drawn, n))
        if name in ("auc", "balanced_accuracy", "log_loss"):
            compared[name] = (value, drawn)
        if name == "auc":
            by_fold = tuple(_value(figure, [fold]) for fold in folds)
        if name.startswith("balanced_accuracy at"):
            base, base_draws = compared["balanced_accuracy"]
            gain = f"gain of {name}"
            rows.append(_row(model, gain, problem, subset, value - base, drawn - base_draws, n))
    share = float(np.mean([len(f.test) / max(n - len(f.test), 1) for f in predictions]))
    return ModelScores(rows, compared, n, by_fold, share)


def difference_rows(
    problem: Problem, scores: Mapping[str, ModelScores], *, reference: str, subset: str
) -> list[dict[str, Any]]:
    """AUC, balanced accuracy and log loss of each model minus those of `reference`, on the same resamples; over several
    folds also p of the difference in AUC (Nadeau and Bengio's test over folds, Holm's correction for all models)."""
    if reference not in scores:
        return []
    rows = []
    for name, mine in scores.items():
        for metric, (value, drawn) in mine.compared.items() if name != reference else ():
            base, base_draws = scores[reference].compared[metric]
            n = mine.n
            rows.append(_row(name, f"{metric} minus {reference}", problem, subset, value - base, drawn - base_draws, n))
    base_folds, share = scores[reference].auc_by_fold, scores[reference].test_share
    if len(base_folds) > 1:
        by_fold = {name: mine.auc_by_fold for name, mine in scores.items()}
        for name, p in against_reference(by_fold, reference=reference, test_share=share).items():
            value = np.nan if p is None else p
            metric = f"p_holm (auc against {reference})"
            rows.append(_row(name, metric, problem, subset, value, np.array([]), scores[name].n))
    return rows


def _figures(problem: Problem, coverage: float, miss: float) -> list[tuple[str, Figure, bool, int]]:
    """(name, figure, whether over all patients together, most resamples)."""
    k, many = len(problem.classes), 10**9

    def counts(part: _Part) -> NDArray[np.int64]:
        square = np.bincount(part.y * k + part.told, minlength=k * k).reshape(k, k)
        return np.column_stack([square, np.zeros(k, np.int64)])

    def recalls(part: _Part) -> float | None:
        return _balanced(part.y, part.told, k)

    found: list[tuple[str, Figure, bool, int]] = [
        ("auc", lambda part: one_versus_rest_auc(part.y, part.p), False, many),
        ("balanced_accuracy", recalls, False, many),
        (
            f"balanced_accuracy at coverage {coverage:g}",
            lambda part: balanced_accuracy_at_coverage(part.y, part.told, part.order, coverage=coverage),
            False,
            many,
        ),
        ("mcc", lambda part: matthews(counts(part)), False, many),
        ("f1_macro", lambda part: f1_macro(counts(part)), False, many),
        ("brier", lambda part: brier_score(part.y, part.p), True, many),
        ("log_loss", lambda part: log_loss(part.y, part.p), True, many),
        ("ece", lambda part: expected_calibration_error(part.y, part.p), True, many),
        ("answered", lambda part: float(part.answered.mean()), True, many),
        ("balanced_accuracy of the answered", lambda part: _of_answered(part, k), True, many),
        ("conformal answered", lambda part: float((part.sets.sum(axis=1) == 1).mean()), True, many),
        (f"conformal coverage (stated {1 - miss:g})", _least_covered, True, many),
    ]
    if k == 2:
        found += [
            ("average_precision", lambda part: average_precision(part.y == 1, part.p[:, 1]), False, many),
            ("sensitivity", lambda part: _share(part.told[part.y == 1] == 1), False, many),
            ("specificity", lambda part: _share(part.told[part.y == 0] == 0), False, many),
            (f"specificity at sensitivity {SENSITIVITY:g}", _read_off, True, _SLOW),
            ("calibration_slope", lambda part: calibration_slope(part.y == 1, part.p[:, 1]), True, _SLOW),
            ("calibration_in_the_large", lambda p: calibration_in_the_large(p.y == 1, p.p[:, 1]), True, _SLOW),
            ("auc over all", lambda part: auc(part.y == 1, part.p[:, 1]), True, _SLOW),
        ]
    return found


def _balanced(y: NDArray[np.int64], told: NDArray[np.int64], k: int) -> float | None:
    total = np.bincount(y, minlength=k)
    hits = np.bincount(y[y == told], minlength=k)
    return float((hits[total > 0] / total[total > 0]).mean()) if len(y) else None


def _of_answered(part: _Part, k: int) -> float | None:
    """Balanced accuracy of those answered by the rule; undefined when a class has no answer."""
    y, told = part.y[part.answered], part.told[part.answered]
    return _balanced(y, told, k) if set(y.tolist()) == set(part.y.tolist()) else None


def _least_covered(part: _Part) -> float | None:
    """Share of patients whose set holds their class, of the class where it is lowest."""
    held = part.sets[np.arange(len(part.y)), part.y]
    return min((float(held[part.y == k].mean()) for k in np.unique(part.y)), default=None)


def _read_off(part: _Part) -> float | None:
    point = specificity_at_sensitivity(part.y == 1, part.p[:, 1], sensitivity=SENSITIVITY)
    return None if point is None else point.specificity


def _share(hits: NDArray[np.bool_]) -> float | None:
    return float(hits.mean()) if len(hits) else None


def _joined(parts: Sequence[_Part]) -> _Part:
    return _Part(*(np.concatenate([getattr(p, f) for p in parts]) for f in _Part.__dataclass_fields__))


def _value(figure: Figure, parts: Sequence[_Part]) -> float:
    """Mean over parts; NaN when it is undefined in one of them."""
    return float(np.mean([np.nan if (v := figure(part)) is None else v for part in parts]))


def _row(model: str, metric: str, problem: Problem, subset: str, value: float, draws: Floats, n: int) -> dict[str, Any]:
    interval = percentile_interval(value, draws)
    return score_row(
        model, task="classification", metric=metric, label=problem.endpoint, subset=subset, interval=interval, n=n
    )
