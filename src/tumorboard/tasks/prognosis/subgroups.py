"""Figures of the groups that a reader asks about: centre, sex, age, site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.naming import words
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Kind, Variable
from tumorboard.metrics.concordance import count_pairs
from tumorboard.metrics.intervals import percentile_interval
from tumorboard.tasks.clinical.encoding import MISSING, as_level, as_number
from tumorboard.tasks.prognosis.protocol import FoldPrediction
from tumorboard.tasks.result import score_row

__all__ = ["groups_of", "subgroup_rows"]

Indices = NDArray[np.int64]
SMALLEST, FEWEST_EVENTS, MOST_LEVELS = 20, 10, 8
OLD_YEARS = 65.0


def groups_of(rows: Sequence[Mapping[str, Any]], variables: Sequence[Variable]) -> dict[str, Indices]:
    """``sex = female`` -> patients, for centre, sex, age (65 years) and tumour site; groups of 20 or more, where there
    is another."""
    found: dict[str, Indices] = {}
    known = {variable.name: variable for variable in variables}
    sites = [name for name in known if "site" in words(name) and known[name].kind is not Kind.NUMERIC]
    for name in ["centre", "sex", *sites[:1]]:
        variable = known.get(name, Variable(name, Kind.CATEGORICAL))
        found |= _split(name, [as_level(row.get(name), variable) for row in rows])
    ages = np.array([as_number(row.get("age_years"), Variable("age_years", Kind.NUMERIC)) for row in rows], float)
    old = [
        MISSING if np.isnan(age) else f"{'under' if age < OLD_YEARS else 'from'} {OLD_YEARS:g} years" for age in ages
    ]
    return found | _split("age", old)


def _split(name: str, levels: Sequence[str]) -> dict[str, Indices]:
    named = np.array(levels, dtype=object)
    kept = [level for level in dict.fromkeys(levels) if level != MISSING and (named == level).sum() >= SMALLEST]
    if not 2 <= len(kept) <= MOST_LEVELS:
        return {}
    return {f"{name} = {level}": np.flatnonzero(named == level) for level in sorted(kept)}


def subgroup_rows(
    model: str,
    outcome: Survival,
    predictions: Sequence[FoldPrediction],
    groups: Mapping[str, Indices],
    *,
    seed: int,
    resamples: int,
) -> list[dict[str, Any]]:
    """Concordance among the patients of each group. Pairs are formed within test folds, whose risks are of one model,
    and pooled over them; intervals resample patients within folds."""
    made = []
    for name, members in groups.items():
        if outcome.event[members].sum() < FEWEST_EVENTS:
            continue
        folds = []
        for prediction in predictions:
            mine = np.isin(prediction.test, members)
            where = prediction.test[mine]
            folds.append((outcome.event[where], outcome.time_days[where], prediction.risk[mine]))
        random = np.random.default_rng(seed)
        draws = []
        for _ in range(resamples):
            picks = [random.integers(0, len(fold[0]), len(fold[0])) for fold in folds if len(fold[0])]
            full = [fold for fold in folds if len(fold[0])]
            draws.append(_pooled([tuple(part[p] for part in f) for f, p in zip(full, picks, strict=True)]))
        value = _pooled(folds)
        interval = percentile_interval(value, np.array(draws, float))
        made.append(
            score_row(
                model,
                task="prognosis",
                metric="c_index",
                label=outcome.endpoint,
                subset=name,
                interval=interval,
                n=len(members),
            )
        )
    return made


def _pooled(folds: Sequence[Any]) -> float | None:
    counts = np.array([count_pairs(*fold).sum(axis=0) for fold in folds if len(fold[0])], float).sum(axis=0)
    return float((counts[0] + counts[1] / 2) / counts[2]) if counts[2] else None
