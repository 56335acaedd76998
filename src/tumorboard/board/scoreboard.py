"""Scores as a reader compares them: best first, with interval and n, baselines named, defeats said in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Ranking", "Standing", "lower_is_better", "rank_scores"]

_LOWER = ("hd", "assd", "fpv", "fnv", "error", "mae", "rmse", "brier", "ibs", "loss", "distance", "calibration_error")


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
    """Whether a baseline is better."""


@dataclass(frozen=True)
class Ranking:
    """All runs under one metric, best first; undefined values last."""

    task: str
    metric: str
    label: str
    subset: str
    standings: list[Standing]
    lower_is_better: bool

    @property
    def scale(self) -> tuple[float, float]:
        """The range that every value and interval fits in: 0 to 1 where it does, else from 0 or the lowest."""
        numbers = [x for s in self.standings for x in (s.value, s.low, s.high) if x is not None]
        low, high = min([0.0, *numbers]), max(numbers, default=1.0)
        return (low, 1.0) if 0.05 < high <= 1.0 else (low, high * 1.05 or 1.0)


def lower_is_better(metric: str) -> bool:
    """Whether smaller values of a metric are better, by its name's first part (``hd95_mm``, ``brier_365``)."""
    return metric.lower().startswith(_LOWER) or metric.lower().endswith("_error")


def rank_scores(scores: Sequence[Mapping[str, Any]], *, baselines: Mapping[str, Collection[str]]) -> list[Ranking]:
    """Score rows -> one ranking per task, metric, label and subset, in the order in which they first appear.

    `baselines` names the baseline runs of each task.
    """
    groups: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for row in scores:
        key = (row["task"], row["metric"], row.get("label") or "", row.get("subset") or "")
        groups.setdefault(key, []).append(row)
    return [_rank(*key, rows, baselines.get(key[0], ())) for key, rows in groups.items()]


def _rank(
    task: str, metric: str, label: str, subset: str, rows: Sequence[Mapping[str, Any]], baselines: Collection[str]
) -> Ranking:
    sign = 1 if lower_is_better(metric) else -1
    ordered = sorted(rows, key=lambda r: (r["value"] is None, sign * r["value"] if r["value"] is not None else 0.0))
    simple = [r for r in ordered if r["run"] in baselines and r["value"] is not None]
    best = simple[0] if simple else None
    standings = []
    for row in ordered:
        is_baseline = row["run"] in baselines
        verdict, beaten = ("", False) if is_baseline or best is None else _verdict(row, best, sign)
        standings.append(
            Standing(row["run"], row["value"], row["low"], row["high"], row["n"], is_baseline, verdict, beaten)
        )
    return Ranking(task, metric, label, subset, standings, sign == 1)


def _verdict(row: Mapping[str, Any], best: Mapping[str, Any], sign: int) -> tuple[str, bool]:
    if row["value"] is None:
        return "undefined", False
    ahead_by = sign * (best["value"] - row["value"])
    if ahead_by < 0:
        return f"worse than the baseline {best['run']} ({best['value']:.3g})", True
    if ahead_by == 0:
        return f"no better than the baseline {best['run']}", True
    nearest = row["low"] if sign == -1 else row["high"]
    clear = nearest is not None and sign * (best["value"] - nearest) > 0
    tail = "" if clear else "; its interval includes the baseline's value"
    return f"ahead of the best baseline {best['run']} ({best['value']:.3g}){tail}", False
