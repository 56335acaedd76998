"""Score rows of sequences: pooled pair figures with intervals over patients, purity, mutual information, Rand index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.intervals import Interval, bootstrap, bootstrap_ratio
from tumorboard.metrics.tracking import PairCounts, pair_counts, sequence_agreement

__all__ = ["ALL", "JUDGED", "Labelled", "difference_row", "score_row", "score_rows"]

ALL, JUDGED = "all pairs", "judged pairs"


@dataclass(frozen=True, eq=False)
class Labelled:
    """One patient's lesions: sequences of the truth and of a prediction (n,), and their exams (n,)."""

    patient_id: str
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    exams: NDArray[np.str_]

    def counts(self, subset: str) -> PairCounts:
        return pair_counts(self.truth, self.predicted, exams=None if subset == ALL else self.exams)


def score_rows(
    patients: Sequence[Labelled], *, run: str, seed: int, resamples: int, subsets: Sequence[str] = (ALL, JUDGED)
) -> list[dict[str, Any]]:
    """Rows of one run. "all pairs" takes the truth as complete; "judged pairs" holds a pair against the prediction only
    where the truth contradicts it (see `metrics.tracking.pair_counts`)."""
    rows = []
    for subset in subsets:
        table = _table([one.counts(subset) for one in patients])
        tp, fp, fn = table.T
        for metric, top, bottom in (
            ("pair_f1", 2 * tp, 2 * tp + fp + fn),
            ("pair_precision", tp, tp + fp),
            ("pair_recall", tp, tp + fn),
        ):
            interval = bootstrap_ratio(top, bottom, seed=seed, resamples=resamples)
            rows.append(score_row(run, metric, interval, n=len(patients), subset=subset))
    truth, said = ([f"{p.patient_id}|{label}" for p in patients for label in getattr(p, name)] for name in _SIDES)
    for metric, value in sequence_agreement(truth, said).items():
        rows.append(score_row(run, metric, Interval(value, None, None), n=len(patients), subset=ALL))
    return rows


_SIDES = ("truth", "predicted")


def difference_row(
    mine: Sequence[Labelled],
    theirs: Sequence[Labelled],
    *,
    run: str,
    other: str,
    subset: str,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Pooled pair F1 of `mine` minus that of `theirs` on the same patients; its interval is paired: patients are drawn
    once for both."""
    both = np.hstack([_table([one.counts(subset) for one in side]) for side in (mine, theirs)])

    def difference(table: NDArray[np.float64]) -> float | None:
        one, two = _f1(table[:, :3]), _f1(table[:, 3:])
        return None if one is None or two is None else one - two

    interval = bootstrap(difference, [both], seed=seed, resamples=resamples)
    return score_row(run, f"pair_f1 minus {other}", interval, n=len(mine), subset=subset)


def _table(counts: Sequence[PairCounts]) -> NDArray[np.float64]:
    return np.array([(one.tp, one.fp, one.fn) for one in counts], float).reshape(-1, 3)


def _f1(table: NDArray[np.float64]) -> float | None:
    tp, fp, fn = table.sum(axis=0)
    return float(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else None


def score_row(run: str, metric: str, interval: Interval, *, n: int, subset: str) -> dict[str, Any]:
    """A row of scores."""
    values: Mapping[str, Any] = interval._asdict()
    return {"run": run, "task": "tracking", "metric": metric, "label": "lesions", "subset": subset, **values, "n": n}
