"""How well statements about reports agree: sets of tuples per report, counted, pooled, with intervals.

A statement is any hashable tuple, such as (location, attribute, polarity) or (sentence, location, attribute,
polarity). Figures are pooled over reports (micro), as those of Chest ImaGenome (Wu et al. 2021). Kappa: Cohen 1960,
Educational and Psychological Measurement 20:37.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.intervals import Interval, bootstrap, bootstrap_ratio

__all__ = ["Agreement", "GraphScore", "agreement", "cohen_kappa", "graph_score", "scores_by", "set_counts"]

Statements = Mapping[str, Iterable[Hashable]]
"""Report -> its statements; a statement counts once however often it is given."""


@dataclass(frozen=True)
class GraphScore:
    """Precision, recall and F1 over all reports, each with its interval; value None where nothing can be counted.

    `n` reports were compared; `tp`, `fp`, `fn` are statements.
    """

    precision: Interval
    recall: Interval
    f1: Interval
    tp: int
    fp: int
    fn: int
    n: int


@dataclass(frozen=True)
class Agreement:
    """Two sources' answers to the same questions: share of equal ones and Cohen's kappa, each with its interval.

    `n` questions of `groups` patients (or reports).
    """

    percent: Interval
    kappa: Interval
    n: int
    groups: int


def set_counts(reference: Iterable[Hashable], prediction: Iterable[Hashable]) -> tuple[int, int, int]:
    """(in both, in the prediction alone, in the reference alone)."""
    true, said = set(reference), set(prediction)
    both = len(true & said)
    return both, len(said) - both, len(true) - both


def graph_score(
    reference: Statements,
    prediction: Statements,
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> GraphScore:
    """Compare two sources over the reports of `reference`.

    A report that `prediction` lacks counts as one without statements. `groups` names the patient of each report: whole
    patients are drawn for the interval (default: reports). MET109 when the prediction speaks of reports that the
    reference does not have: their statements would be false for want of an answer.
    """
    unknown = sorted(set(prediction) - set(reference))
    if unknown:
        raise TumorboardError(
            codes.PREDICTION_UNKNOWN,
            "graphs",
            found=f"{len(unknown)} reports such as {unknown[0]}",
            expected="known ones",
        )
    counts = _counts(reference, prediction, groups)
    tp, fp, fn = (int(column) for column in counts.sum(axis=0)) if len(counts) else (0, 0, 0)
    true, false, lost = counts.T if len(counts) else np.zeros((3, 0))

    def ratio(top: Any, bottom: Any) -> Interval:
        return bootstrap_ratio(top, bottom, seed=seed, resamples=resamples)

    return GraphScore(
        ratio(true, true + false),
        ratio(true, true + lost),
        ratio(2 * true, 2 * true + false + lost),
        tp,
        fp,
        fn,
        len(reference),
    )


def scores_by(
    reference: Statements,
    prediction: Statements,
    key: Callable[[Any], str],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, GraphScore]:
    """`graph_score` for each value of `key(statement)`, in alphabetical order: per attribute, per location."""
    split: dict[str, tuple[dict[str, set[Hashable]], dict[str, set[Hashable]]]] = defaultdict(lambda: ({}, {}))
    for side, source in enumerate((reference, prediction)):
        for report, statements in source.items():
            for statement in statements:
                split[key(statement)][side].setdefault(report, set()).add(statement)
    scores = {}
    for name in sorted(split):
        true, said = split[name]
        whole = {report: true.get(report, set()) for report in reference}
        scores[name] = graph_score(whole, said, groups=groups, seed=seed, resamples=resamples)
    return scores


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Agreement beyond chance of two sources' answers to the same questions. None without questions, and where both
    give one and the same answer throughout (chance explains everything). MET106 when lengths differ."""
    _same_length(first, second)
    if not first:
        return None
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
    mine, theirs = Counter(first), Counter(second)
    chance = sum(mine[answer] * theirs[answer] for answer in mine) / len(first) ** 2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def agreement(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = 500,
) -> Agreement:
    """Share of equal answers and kappa; whole `groups` (one per question; default: questions) are drawn for the
    intervals. MET106 when lengths differ."""
    _same_length(first, second)
    if groups is not None:
        _same_length(first, groups)
    levels = {answer: place for place, answer in enumerate(dict.fromkeys([*first, *second]))}
    names = list(dict.fromkeys(groups)) if groups is not None else list(range(len(first)))
    place_of = {name: place for place, name in enumerate(names)}
    tables = np.zeros((len(names), len(levels), len(levels)))
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        group = place if groups is None else place_of[groups[place]]
        tables[group, levels[a], levels[b]] += 1
    equal = np.array([np.trace(table) for table in tables])
    asked = tables.sum(axis=(1, 2))
    percent = bootstrap_ratio(equal, asked, seed=seed, resamples=resamples)
    kappa = bootstrap(_kappa_of_tables, [tables], seed=seed, resamples=resamples) if len(tables) else percent
    return Agreement(percent, kappa, len(first), len(names))


def _kappa_of_tables(tables: Any) -> float | None:
    """Cohen's kappa of summed tables of answers (groups, answers, answers)."""
    table = tables.sum(axis=0)
    total = table.sum()
    if not total:
        return None
    observed = np.trace(table) / total
    chance = float((table.sum(axis=0) * table.sum(axis=1)).sum() / total**2)
    return None if chance == 1 else float((observed - chance) / (1 - chance))


def _counts(reference: Statements, prediction: Statements, groups: Mapping[str, str] | None) -> Any:
    """(groups, 3): found, invented and missed statements of each group."""
    sums: dict[str, list[int]] = {}
    for report, true in reference.items():
        group = report if groups is None else groups.get(report, report)
        row = sums.setdefault(group, [0, 0, 0])
        for column, count in enumerate(set_counts(true, prediction.get(report, ()))):
            row[column] += count
    return np.array(list(sums.values()), float)


def _same_length(first: Sequence[Any], second: Sequence[Any]) -> None:
    if len(first) != len(second):
        found = f"{len(first)} and {len(second)}"
        raise TumorboardError(codes.PAIRS_DIFFER, "agreement", found=found, expected="one answer each per question")
