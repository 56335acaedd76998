"""Figures of vectors (are the nearest lesions of other patients alike?) and of types, with intervals over patients.

Queries and hits are lesions of known type of the same held-out patients; a query's own patient is never among its hits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.lesion import LESION_TYPES
from tumorboard.metrics.classification import f1_macro
from tumorboard.metrics.classification.calibration import brier_score, expected_calibration_error, log_loss
from tumorboard.metrics.intervals import bootstrap, paired_difference
from tumorboard.metrics.retrieval import (
    average_precisions,
    cluster_scores,
    mean_over_patients,
    precisions,
    size_and_location_errors,
)
from tumorboard.ops.search import VectorIndex, unit
from tumorboard.tasks.result import score_row
from tumorboard.tasks.retrieval.lesions import Lesions
from tumorboard.tasks.retrieval.types import neighbouring_share

__all__ = [
    "HITS",
    "Answers",
    "answers",
    "difference_rows",
    "joined",
    "retrieval_rows",
    "row",
    "type_difference_rows",
    "type_rows",
]

TASK = "retrieval"
HITS = 9
_QUERIES_AT_ONCE = 256
_AXES = ("x", "y", "z")
_SIZES = ("long axis", "short axis")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Per query (q): its lesion and patient, whether the first hit has its type, the share among nine, average
    precision, errors of location (q, 3) and size in mm (q, 2), ids of its hits (q, 9) and their distances."""

    lesions: tuple[str, ...]
    patients: NDArray[np.str_]
    first: Floats
    nine: Floats
    average: Floats
    errors: Floats
    hits: tuple[tuple[str, ...], ...]
    distances: Floats


def answers(lesions: Lesions, vectors: NDArray[Any], *, metric: str) -> Answers:
    """Every lesion (all of known type) asks all others of other patients."""
    index = VectorIndex(vectors, metric=metric, owners=lesions.patients)  # type: ignore[arg-type]
    found = index.search(vectors, HITS, owners=lesions.patients)
    there = found.rows >= 0
    types = np.where(there, lesions.types[found.rows], "none")
    known = np.column_stack([lesions.locations, lesions.axes_mm])
    of_hits = np.where(there[:, :, None], known[found.rows], np.nan)
    errors = size_and_location_errors(known, of_hits, k=HITS)
    return Answers(
        lesions.ids,
        lesions.patients,
        precisions(lesions.types, types, k=1),
        precisions(lesions.types, types, k=HITS),
        _ranked(lesions, index.vectors, metric),
        errors,
        tuple(tuple(lesions.ids[r] for r in row if r >= 0) for row in found.rows.tolist()),
        found.distances,
    )


def _ranked(lesions: Lesions, vectors: NDArray[np.float32], metric: str) -> Floats:
    """Average precision of whole rankings of other patients' lesions; ties by row."""
    points = (unit(vectors) if metric == "cosine" else vectors).astype(np.float64)
    half = (points**2).sum(axis=1) / 2
    found = np.full(len(points), np.nan)
    for start in range(0, len(points), _QUERIES_AT_ONCE):
        part = slice(start, min(start + _QUERIES_AT_ONCE, len(points)))
        far = np.round(half[None] - points[part] @ points.T, 12)
        own = lesions.patients[part, None] == lesions.patients[None]
        far[own] = np.inf
        order = np.argsort(far, axis=1, kind="stable")
        right = (lesions.types[order] == lesions.types[part, None]) & ~np.take_along_axis(own, order, axis=1)
        found[part] = average_precisions(right)
    return found


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers of several folds, one after another."""
    return Answers(
        tuple(name for part in parts for name in part.lesions),
        *(np.concatenate([getattr(p, f) for p in parts]) for f in ("patients", "first", "nine", "average", "errors")),  # type: ignore[arg-type]
        tuple(row for part in parts for row in part.hits),
        np.concatenate([part.distances for part in parts]),
    )


def retrieval_rows(
    run: str,
    found: Answers,
    lesions: Sequence[Lesions],
    vectors: Sequence[NDArray[Any]],
    *,
    seed: int,
    resamples: int,
    subset: str = "all",
) -> list[dict[str, Any]]:
    """Score rows of one run. `lesions` and `vectors`: of each fold, for its clusters."""
    columns: list[tuple[str, str, Floats]] = [
        ("precision@1", "type", found.first),
        ("precision@9", "type", found.nine),
        ("mean_average_precision", "type", found.average),
    ]
    columns += [("location_error", axis, found.errors[:, i]) for i, axis in enumerate(_AXES)]
    columns += [("size_error_mm", axis, found.errors[:, 3 + i]) for i, axis in enumerate(_SIZES)]
    rows = []
    for metric, label, values in columns:
        interval = mean_over_patients(values, found.patients.tolist(), seed=seed, resamples=resamples)
        rows.append(row(run, metric, label, subset, interval, int(np.isfinite(values).sum())))
    kinds = np.concatenate([one.types for one in lesions])
    for name in LESION_TYPES:
        mine = np.concatenate([one.types == name for one in lesions])
        if mine.any() and len(kinds) == len(found.nine):
            who = found.patients[mine].tolist()
            interval = mean_over_patients(found.nine[mine], who, seed=seed, resamples=resamples)
            rows.append(row(run, "precision@9", name, subset, interval, int(mine.sum())))
    rows += _cluster_rows(run, lesions, vectors, seed=seed, subset=subset, resamples=min(resamples, 500))
    return rows


def _cluster_rows(
    run: str,
    lesions: Sequence[Lesions],
    vectors: Sequence[NDArray[Any]],
    *,
    seed: int,
    subset: str,
    resamples: int,
) -> list[dict[str, Any]]:
    """Purity and mutual information, each fold's lesions clustered by themselves; the largest fold's are given."""
    largest = int(np.argmax([len(one) for one in lesions]))
    mine = lesions[largest]
    points = unit(np.asarray(vectors[largest], np.float32)) if len(mine) else vectors[largest]
    found = cluster_scores(mine.types, points, mine.patients.tolist(), seed=seed, resamples=resamples)
    label = "type" if len(lesions) == 1 else f"type, fold {largest + 1}"
    return [
        row(run, "purity", label, subset, found.purity, len(mine)),
        row(run, "nmi", label, subset, found.nmi, len(mine)),
    ]


def type_rows(
    run: str,
    truth: NDArray[np.int64],
    probabilities: Floats,
    patients: NDArray[np.str_],
    *,
    seed: int,
    resamples: int,
    subset: str = "all",
) -> list[dict[str, Any]]:
    """Macro-F1, and how well the probabilities are calibrated. truth (n,) numbers of types, none of them unknown."""
    told = probabilities.argmax(axis=1)
    tables = _tables(truth, told, patients)
    rows = [row(run, "f1_macro", "type", subset, _interval(_macro, [tables], seed, resamples), len(truth))]
    for label, number in zip(LESION_TYPES, range(len(LESION_TYPES)), strict=True):
        if (truth == number).any():

            def one(part: Floats, n: int = number) -> float | None:
                return _f1(part.sum(axis=0))[n]

            interval = _interval(one, [tables], seed, resamples)
            rows.append(row(run, "type_f1", label, subset, interval, int((truth == number).sum())))
    groups = _by_patient(patients)
    everyone = np.arange(len(groups))
    for name, figure in (("brier", brier_score), ("log_loss", log_loss), ("ece", expected_calibration_error)):
        of = partial(_of_patients, figure, truth, probabilities, groups)
        rows.append(row(run, name, "type", subset, _interval(of, [everyone], seed, 200), len(truth)))
    near = neighbouring_share(truth, told)
    if near is not None:
        rows.append(row(run, "errors_to_neighbours", "type", subset, (near, None, None), int((truth != told).sum())))
    return rows


def difference_rows(
    run: str,
    other: str,
    ours: Mapping[str, Floats],
    theirs: Mapping[str, Floats],
    patients: NDArray[np.str_],
    *,
    seed: int,
    subset: str = "all",
) -> list[dict[str, Any]]:
    """Mean over patients of the difference of two runs on the same queries (metric -> values (q,))."""
    names, place = np.unique(patients, return_inverse=True)
    rows = []
    for metric in ours:
        gap = ours[metric] - theirs[metric]
        known = np.isfinite(gap)
        count = np.bincount(place[known], minlength=len(names))
        mean = np.bincount(place[known], gap[known], minlength=len(names))[count > 0] / count[count > 0]
        found = paired_difference(mean, np.zeros(len(mean)), seed=seed)
        interval = (found.mean, found.low, found.high)
        rows.append(row(f"{run} - {other}", metric, "type, mean of patients", subset, interval, found.n))
    return rows


def type_difference_rows(
    run: str,
    other: str,
    truth: NDArray[np.int64],
    ours: Floats,
    theirs: Floats,
    patients: NDArray[np.str_],
    *,
    seed: int,
    resamples: int,
    subset: str = "all",
) -> list[dict[str, Any]]:
    """Difference of the macro-F1 of two runs, resampling patients for both at once."""
    both = [_tables(truth, p.argmax(axis=1), patients) for p in (ours, theirs)]

    def gap(a: Floats, b: Floats) -> float | None:
        first, second = _macro(a), _macro(b)
        return None if first is None or second is None else first - second

    interval = _interval(gap, both, seed, resamples)
    return [row(f"{run} - {other}", "f1_macro", "type", subset, interval, len(both[0]))]


def row(run: str, metric: str, label: str, subset: str, interval: Any, n: int) -> dict[str, Any]:
    """One score row."""
    return score_row(run, task=TASK, metric=metric, label=label, subset=subset, interval=interval, n=n)


def _tables(truth: NDArray[np.int64], told: NDArray[np.int64], patients: NDArray[np.str_]) -> Floats:
    """Counts (patients, truth, told)."""
    names, place = np.unique(patients, return_inverse=True)
    k = len(LESION_TYPES)
    tables = np.zeros((len(names), k, k))
    np.add.at(tables, (place, truth, told), 1)
    return tables


def _f1(counts: Floats) -> list[float | None]:
    """F1 of each type; None for one in neither truth nor prediction."""
    hits, sums = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return [float(2 * h / s) if s else None for h, s in zip(hits, sums, strict=True)]


def _macro(tables: Floats) -> float | None:
    """Macro-F1 of counts (patients, truth, told): mean over the types of truth or prediction."""
    return f1_macro(tables.sum(axis=0))


def _interval(figure: Callable[..., float | None], arrays: list[Any], seed: int, resamples: int) -> Any:
    return bootstrap(figure, arrays, seed=seed, resamples=resamples)


def _by_patient(patients: NDArray[np.str_]) -> list[NDArray[np.int64]]:
    names, place = np.unique(patients, return_inverse=True)
    return [np.flatnonzero(place == number) for number in range(len(names))]


def _of_patients(
    figure: Callable[..., float | None],
    truth: NDArray[np.int64],
    probabilities: Floats,
    groups: Sequence[NDArray[np.int64]],
    drawn: NDArray[np.int64],
) -> float | None:
    """A figure of all lesions of the drawn patients."""
    chosen = np.concatenate([groups[i] for i in drawn.tolist()])
    return figure(truth[chosen], probabilities[chosen])
