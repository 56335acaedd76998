"""The figures themselves: arrays in, matplotlib figures out. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorboard.core.outcome import Survival
from tumorboard.metrics.survival.calibration import calibration_at
from tumorboard.metrics.survival.curves import Curve, censoring_curve, kaplan_meier, log_rank
from tumorboard.metrics.survival.discrimination import dynamic_auc
from tumorboard.tasks.prognosis.protocol import FoldPrediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["auc_in_time", "calibration", "contributions", "forest", "net_benefit", "risk_group_curves"]

DAYS_PER_YEAR = 365.25
INK, FAINT = "#1d2733", "#c9cfd6"
GROUPS = (("low risk", "#0b6e8f"), ("middle", "#7a7f87"), ("high risk", "#b3541e"))
_RATIO_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
LINES = ("#0b6e8f", "#b3541e", "#5a7d2a", "#7b4fa3", "#a08a00", "#3f4a56", "#c2477f", "#2f8f7f")


def risk_group_curves(outcome: Survival, group: np.ndarray[Any, Any], *, model: str) -> Figure:
    """Kaplan-Meier by risk group with 95 % bands, marks at censored times, patients at risk below; p by log-rank."""
    figure, axes = _canvas(height=4.8, left=0.17, bottom=0.3)
    years = outcome.time_days / DAYS_PER_YEAR
    present = [g for g in range(3) if (group == g).any()]
    for g in present:
        mine = group == g
        curve = kaplan_meier(outcome.event[mine], years[mine])
        name, colour = GROUPS[g]
        label = f"{name}: {int(outcome.event[mine].sum())} of {int(mine.sum())}"
        _step(axes, curve, colour=colour, label=label)
        censored = years[mine & ~outcome.event]
        axes.plot(censored, curve.at(censored), "|", color=colour, markersize=5, alpha=0.7)
    tested = group >= 0
    text = ""
    if len(present) > 1:
        p = log_rank(outcome.event[tested], years[tested], group[tested]).p_value
        text = f", log-rank p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
    axes.set(
        ylim=(0, 1.02), xlim=(0, float(years.max()) * 1.02), ylabel=f"{outcome.endpoint}, event-free", xlabel="years"
    )
    axes.set_title(f"{model}: thirds of risk, cut on training patients{text}", fontsize=10, color=INK, loc="left")
    axes.legend(frameon=False, fontsize=9, title="events of patients", title_fontsize=9)
    _at_risk(axes, {GROUPS[g][0]: years[group == g] for g in present})
    return figure


def _step(axes: Axes, curve: Curve, *, colour: str, label: str) -> None:
    low, high = curve.interval()
    times = np.r_[0.0, curve.times]
    axes.fill_between(times, np.r_[1.0, low], np.r_[1.0, high], step="post", color=colour, alpha=0.14, linewidth=0)
    axes.step(times, np.r_[1.0, curve.survival], where="post", color=colour, linewidth=1.8, label=label)


def _at_risk(axes: Axes, years: Mapping[str, np.ndarray[Any, Any]]) -> None:
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= axes.get_xlim()[1]]
    axes.text(0, -0.24, "at risk", transform=axes.transAxes, ha="left", color=INK, fontsize=8, style="italic")
    for line, (name, times) in enumerate(years.items()):
        height = -0.31 - 0.07 * line
        axes.text(-0.05, height, name, transform=axes.transAxes, ha="right", color=INK, fontsize=8)
        for tick in ticks:
            number = str(int((times >= tick).sum()))
            axes.text(tick, height, number, transform=axes.get_xaxis_transform(), ha="center", color=INK, fontsize=8)


def calibration(outcome: Survival, risk: np.ndarray[Any, Any], *, horizon_days: float, model: str) -> Figure:
    """Predicted risk by the horizon against what was observed (1 - Kaplan-Meier), in fifths of risk; risks below."""
    figure, axes = _canvas(width=5.0, height=5.0)
    known = np.isfinite(risk)
    found = calibration_at(outcome.event[known], outcome.time_days[known], risk[known], horizon=horizon_days)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, zorder=1)
    errors = np.array([found.observed - found.low, found.high - found.observed])
    axes.errorbar(found.predicted, found.observed, np.maximum(errors, 0), fmt="o", color=LINES[0], capsize=3, zorder=3)
    counts, edges = np.histogram(risk[known], bins=np.linspace(0, 1, 41))
    axes.bar(edges[:-1], counts / counts.max() * 0.12, 0.025, align="edge", color=FAINT, zorder=2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"predicted risk by {_years(horizon_days)}", ylabel="observed risk")
    axes.set_title(f"{outcome.endpoint}, {model}: ICI {found.ici:.3f}, n = {int(known.sum())}", fontsize=10, loc="left")
    axes.set_aspect("equal")
    return figure


def auc_in_time(outcome: Survival, predictions: Mapping[str, Sequence[FoldPrediction]]) -> Figure:
    """Cumulative/dynamic AUC over time, mean of folds; where at least five events and five patients at risk remain in
    every fold."""
    figure, axes = _canvas()
    horizons = np.quantile(outcome.time_days[outcome.event], np.linspace(0.1, 0.9, 17))
    for i, (model, folds) in enumerate((m, f) for m, f in predictions.items() if m != "kaplan-meier"):
        values = np.array([_fold_auc(outcome, fold, horizons) for fold in folds])
        whole = np.isfinite(values).all(axis=0)
        dashed = "--" if i >= len(LINES) else "-"
        axes.plot(
            horizons[whole] / DAYS_PER_YEAR, values.mean(axis=0)[whole], dashed, color=LINES[i % len(LINES)],
            linewidth=1.6, label=model,
        )  # fmt: skip
    axes.axhline(0.5, color=FAINT, linewidth=1.2)
    axes.set(xlabel="years", ylabel=f"AUC of {outcome.endpoint} by then", ylim=(0.4, 1.0))
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def _fold_auc(outcome: Survival, fold: FoldPrediction, horizons: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    event, time = outcome.event[fold.test], outcome.time_days[fold.test]
    censoring = censoring_curve(outcome.event[fold.train], outcome.time_days[fold.train])
    found = dynamic_auc(event, time, fold.risk, horizons=horizons, censoring=censoring)
    return np.where((found.cases >= 5) & (found.controls >= 5), found.values, np.nan)


def forest(ratios: Sequence[tuple[str, float, float, float]], *, endpoint: str, most: int = 25) -> Figure:
    """Hazard ratios with 95 % intervals on a log axis, strongest first."""
    shown = list(ratios[:most])[::-1]
    figure, axes = _canvas(width=7.0, height=1.2 + 0.27 * len(shown), left=0.36, bottom=0.9 / (1.2 + 0.27 * len(shown)))
    places = np.arange(len(shown))
    values, low, high = (np.array([one[k] for one in shown]) for k in (1, 2, 3))
    axes.errorbar(values, places, xerr=[values - low, high - values], fmt="s", color=LINES[0], markersize=4, capsize=2)
    axes.axvline(1.0, color=INK, linewidth=0.8)
    axes.set_xscale("log")
    inside = [tick for tick in _RATIO_TICKS if 0.9 * low.min() <= tick <= 1.1 * high.max()]
    axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(places, [_short(one[0], 38) for one in shown], fontsize=8)
    axes.set(xlabel="hazard ratio per SD or of the level (ridge Cox)", ylim=(-0.7, len(shown) - 0.3))
    more = f", the {len(shown)} strongest of {len(ratios)}" if len(ratios) > len(shown) else ""
    axes.set_title(f"{endpoint}{more}", fontsize=10, loc="left", color=INK)
    axes.grid(axis="x", color=FAINT, linewidth=0.5, alpha=0.6)
    return figure


def net_benefit(outcome: Survival, risk: np.ndarray[Any, Any], *, horizon_days: float, model: str) -> Figure:
    """Decision curve at the horizon with censoring, after Vickers and others 2008: shares among those above a threshold
    by Kaplan-Meier."""
    figure, axes = _canvas()
    known = np.isfinite(risk)
    event, time, risk = outcome.event[known], outcome.time_days[known], risk[known]
    overall = 1 - float(kaplan_meier(event, time).at(horizon_days))
    thresholds = np.linspace(0.01, min(0.95, max(2.2 * overall, 0.3)), 80)
    odds = thresholds / (1 - thresholds)
    mine = []
    for threshold, price in zip(thresholds, odds, strict=True):
        above = risk >= threshold
        happened = 1 - float(kaplan_meier(event[above], time[above]).at(horizon_days)) if above.any() else 0.0
        mine.append(above.mean() * (happened - (1 - happened) * price))
    axes.plot(thresholds, overall - (1 - overall) * odds, color=LINES[1], linewidth=1.5, label="treat everybody")
    axes.axhline(0, color=INK, linewidth=1.0, label="treat nobody")
    axes.plot(thresholds, mine, color=LINES[0], linewidth=2, label=model)
    axes.set(ylim=(-0.06, overall * 1.15 + 0.02), xlim=(0, thresholds[-1]), ylabel="net benefit per patient")
    axes.set_xlabel(f"risk of an {outcome.endpoint} event by {_years(horizon_days)} from which one would act")
    axes.legend(frameon=False, fontsize=9)
    return figure


def contributions(
    parts: Mapping[str, float],
    cells: Mapping[str, Any],
    total: float,
    *,
    patient: str,
    endpoint: str,
    horizon_days: float,
    most: int = 12,
) -> Figure:
    """What moved one patient's risk: change of the predicted risk with each of the patient's values, largest first."""
    ordered = sorted(parts.items(), key=lambda one: -abs(one[1]))[:most][::-1]
    height = 1.4 + 0.3 * len(ordered)
    figure, axes = _canvas(width=7.0, height=height, left=0.38, bottom=0.9 / height)
    places = np.arange(len(ordered))
    values = [100 * value for _, value in ordered]
    axes.barh(places, values, color=[LINES[1] if v > 0 else LINES[0] for v in values], height=0.6)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(places, [f"{_short(name, 26)} = {_cell(cells.get(name))}" for name, _ in ordered], fontsize=8)
    axes.set_xlabel("change of the predicted risk, percentage points")
    axes.set_title(
        f"{patient}: risk of an {endpoint} event by {_years(horizon_days)}: {100 * total:.0f} %",
        fontsize=10,
        loc="left",
        color=INK,
    )
    return figure


def _cell(cell: Any) -> str:
    if cell is None:
        return "missing"
    return f"{cell:g}" if isinstance(cell, float) else _short(str(cell), 16)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _years(days: float) -> str:
    years = days / DAYS_PER_YEAR
    return (
        f"{years:.3g} year{'' if abs(years - 1) < 0.005 else 's'}" if years >= 0.995 else f"{days / 30.4375:.3g} months"
    )


def _canvas(
    *, width: float = 6.4, height: float = 4.2, left: float = 0.13, bottom: float = 0.14
) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left, bottom, 0.97 - left, 0.92 - bottom))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, which="both", labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes
