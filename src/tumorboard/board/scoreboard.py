"""Scores as a reader compares them: best first, with interval and n, baselines named, defeats said in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tumorboard.metrics.registry import METRICS, Metric

__all__ = ["Ranking", "Standing", "metric_of", "rank_scores"]

Row = Mapping[str, Any]

# What a smaller number of each kind means "better" by.
_COST: dict[str, Callable[[float], float]] = {"higher": lambda v: -v, "lower": lambda v: v, "zero": abs}


@dataclass(frozen=True)
class Standing:
    """One run in a ranking. `verdict` compares it with the best baseline; empty for baselines themselves."""

    run: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    is_baseline: bool
    verdict: str = ""
    beaten: bool = False
    """Whether a baseline is as good or better."""


@dataclass(frozen=True)
class Ranking:
    """All runs under one metric, best first; undefined values last. `better` is ``higher``, ``lower``, ``zero``, or
    ``none`` where no direction is stated: then the order is that of the rows and nothing is compared."""

    task: str
    metric: str
    title: str
    label: str
    subset: str
    standings: list[Standing]
    better: str

    @property
    def scale(self) -> tuple[float, float]:
        """The range that every value and interval fits in: 0 to 1 where it does, else from 0 or the lowest."""
        numbers = [x for s in self.standings for x in (s.value, s.low, s.high) if x is not None]
        low, high = min([0.0, *numbers]), max(numbers, default=1.0)
        return (low, 1.0) if 0.05 < high <= 1.0 else (low, high * 1.05 or 1.0)


def metric_of(identifier: str) -> Metric | None:
    """The registry's entry of a metric as score rows name it, e.g. ``nsd_2mm (voxel borders)``."""
    name = identifier.split(" (")[0]
    return METRICS.get(name) or METRICS.get(re.sub(r"_[\d.]+(mm|days|d)?$", "", name))


def rank_scores(scores: Sequence[Row], *, baselines: Mapping[str, Collection[str]]) -> list[Ranking]:
    """Score rows -> one ranking per task, metric, label and subset, in the order in which they first appear.

    `baselines` names the baseline runs of each task.
    """
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in scores:
        key = (row["task"], row["metric"], row.get("label") or "", row.get("subset") or "")
        groups.setdefault(key, []).append(row)
    return [_rank(*key, rows, baselines.get(key[0], ())) for key, rows in groups.items()]


def _rank(task: str, metric: str, label: str, subset: str, rows: Sequence[Row], baselines: Collection[str]) -> Ranking:
    entry = metric_of(metric)
    better = entry.better if entry else "none"
    title = metric if entry is None else entry.title + metric[len(metric.split(" (")[0]) :]
    cost = _COST.get(better)
    ordered = sorted(
        rows, key=lambda r: (r["value"] is None, cost(r["value"]) if cost and r["value"] is not None else 0)
    )
    simple = [r for r in ordered if r["run"] in baselines and r["value"] is not None]
    standings = []
    for row in ordered:
        is_baseline = row["run"] in baselines
        compared = not is_baseline and simple and cost is not None
        verdict, beaten = _verdict(row, simple[0], cost) if compared and cost else ("", False)
        standings.append(
            Standing(row["run"], row["value"], row["low"], row["high"], row["n"], is_baseline, verdict, beaten)
        )
    return Ranking(task, metric, title, label, subset, standings, better)


def _verdict(row: Row, best: Row, cost: Callable[[float], float]) -> tuple[str, bool]:
    if row["value"] is None:
        return "undefined", False
    mine, theirs = cost(row["value"]), cost(best["value"])
    if mine > theirs:
        return f"worse than the baseline {best['run']} ({best['value']:.3g})", True
    if mine == theirs:
        return f"no better than the baseline {best['run']}", True
    ends = [row["low"], row["high"]]
    clear = None not in ends and max(cost(end) for end in ends) < theirs
    tail = "" if clear else "; its interval includes the baseline's value"
    if None in ends:
        tail = "; no interval given"
    return f"ahead of the best baseline {best['run']} ({best['value']:.3g}){tail}", False
