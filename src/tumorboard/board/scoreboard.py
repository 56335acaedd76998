"""Scores as a reader compares them: best first, with interval and n, baselines named, defeats said in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tumorboard.metrics.registry import METRICS, Metric

__all__ = ["Ranking", "Standing", "metric_of", "rank_scores"]

Row = Mapping[str, Any]
Key = tuple[str, str, str, str]
"""Task, metric, label, subset."""

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

    `baselines` names the baseline runs of each task. Rows whose metric is ``<metric> minus <baseline>`` are paired
    differences: they stand in the verdict on their run, not in a table of their own.
    """
    groups: dict[Key, list[Row]] = {}
    paired: dict[tuple[Key, str, str], Row] = {}
    for row in scores:
        metric, minus, baseline = row["metric"].partition(" minus ")
        key = (row["task"], metric, row.get("label") or "", row.get("subset") or "")
        if minus:
            paired[key, row["run"], baseline] = row
        else:
            groups.setdefault(key, []).append(row)
    return [_rank(key, rows, baselines.get(key[0], ()), paired) for key, rows in groups.items()]


def _rank(
    key: Key, rows: Sequence[Row], baselines: Collection[str], paired: Mapping[tuple[Key, str, str], Row]
) -> Ranking:
    task, metric, label, subset = key
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
        verdict, beaten = "", False
        if compared and cost:
            difference = paired.get((key, row["run"], simple[0]["run"]))
            verdict, beaten = _verdict(row, simple[0], cost, difference)
        standings.append(
            Standing(row["run"], row["value"], row["low"], row["high"], row["n"], is_baseline, verdict, beaten)
        )
    return Ranking(task, metric, title, label, subset, standings, better)


def _verdict(row: Row, best: Row, cost: Callable[[float], float], difference: Row | None) -> tuple[str, bool]:
    """How a run does against the best baseline, and whether it fails to beat it."""
    if row["value"] is None:
        return "undefined", False
    mine, theirs = cost(row["value"]), cost(best["value"])
    if mine == theirs:
        return f"no better than the baseline {best['run']}", True
    words = "worse than the baseline" if mine > theirs else "ahead of the best baseline"
    return f"{words} {best['run']} ({best['value']:.3g}){_doubt(row, best, cost, difference)}", mine > theirs


def _doubt(row: Row, best: Row, cost: Callable[[float], float], difference: Row | None) -> str:
    """What the intervals say about the difference; the paired one where there is one."""
    if difference is not None and None not in (difference["value"], difference["low"], difference["high"]):
        low, high = difference["low"], difference["high"]
        tail = ", which includes 0" if low <= 0 <= high else ""
        return f": paired difference {difference['value']:+.3f} ({low:+.3f} to {high:+.3f}{tail})"
    ends = [row["low"], row["high"]]
    if None in ends:
        return "; no interval given"
    sides = {cost(end) < cost(best["value"]) for end in ends}
    return "; its interval includes the baseline's value" if len(sides) > 1 else ""
