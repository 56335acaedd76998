"""Plots of a cohort: nouns in, matplotlib figures out. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorboard.board.lesions import Lesion
from tumorboard.core.outcome import Survival

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DARK", "LIGHT", "Theme", "dress", "kaplan_meier", "lesion_map"]

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Theme:
    """Colours of a page, so that a plot can sit on it."""

    name: str
    ink: str
    faint: str
    accent: str
    second: str


LIGHT = Theme("light", ink="#1d2733", faint="#c9cfd6", accent="#0b6e8f", second="#b3541e")
DARK = Theme("dark", ink="#dfe6ee", faint="#3a4552", accent="#5cc3e6", second="#f0a066")


def kaplan_meier(survival: Survival, *, theme: Theme = LIGHT) -> Figure:
    """Kaplan-Meier estimate with its 95 % band (exponential Greenwood, lifelines' default), marks at censored
    times, and the numbers at risk, so far events and censored below the axis."""
    from lifelines import KaplanMeierFitter
    from matplotlib.figure import Figure

    years = survival.time_days / DAYS_PER_YEAR
    fitted = KaplanMeierFitter().fit(years, survival.event)
    band = fitted.confidence_interval_
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.add_axes((0.12, 0.34, 0.84, 0.6))
    times, low, high = band.index.to_numpy(), band.iloc[:, 0].to_numpy(), band.iloc[:, 1].to_numpy()
    axes.fill_between(times, low, high, step="post", color=theme.accent, alpha=0.18, linewidth=0)
    curve = fitted.survival_function_
    axes.step(curve.index, curve.iloc[:, 0], where="post", color=theme.accent, linewidth=2)
    censored = years[~survival.event]
    axes.plot(censored, fitted.predict(censored), "|", color=theme.ink, markersize=6, alpha=0.7)
    axes.set(ylim=(0, 1.02), xlim=(0, float(years.max()) * 1.02), ylabel=f"{survival.endpoint}, probability")
    axes.set_xlabel("years")
    dress(axes, theme)
    axes.grid(axis="y", color=theme.faint, linewidth=0.5, alpha=0.6)
    _at_risk(axes, years, survival.event, theme)
    return figure


def _at_risk(axes: Axes, years: np.ndarray, event: np.ndarray, theme: Theme) -> None:
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= axes.get_xlim()[1]]
    counts = {
        "at risk": [int((years >= tick).sum()) for tick in ticks],
        "events": [int((event & (years <= tick)).sum()) for tick in ticks],
        "censored": [int((~event & (years <= tick)).sum()) for tick in ticks],
    }
    transform = axes.get_xaxis_transform()
    for line, (name, numbers) in enumerate(counts.items()):
        height = -0.32 - 0.1 * line
        axes.text(-0.02, height, name, transform=axes.transAxes, ha="right", color=theme.ink, fontsize=8)
        for tick, number in zip(ticks, numbers, strict=True):
            axes.text(tick, height, str(number), transform=transform, ha="center", color=theme.ink, fontsize=8)


def lesion_map(lesions: Sequence[Lesion], *, theme: Theme = LIGHT) -> Figure:
    """Every lesion with uptake as a point: volume across, highest SUV up, a symbol and colour per label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    labels = list(dict.fromkeys(lesion.label for lesion in lesions))
    looks = [(theme.accent, "o"), (theme.second, "^"), (theme.ink, "s"), (theme.faint, "D")]
    for i, label in enumerate(labels):
        mine = [lesion for lesion in lesions if lesion.label == label and lesion.suv_max is not None]
        colour, symbol = looks[i % len(looks)]
        volumes, suv = [lesion.volume_ml for lesion in mine], [lesion.suv_max for lesion in mine]
        axes.plot(volumes, suv, symbol, color=colour, alpha=0.75, markersize=6, label=f"{label} (n = {len(mine)})")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set(xlabel="volume, ml", ylabel="SUVmax", ylim=(0, None))
    dress(axes, theme)
    axes.grid(axis="y", color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(
        frameon=False, labelcolor=theme.ink, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderpad=0
    )
    return figure


def dress(axes: Axes, theme: Theme) -> None:
    """Axes as every figure of the board has them: no ground, two spines, the theme's ink."""
    axes.figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.faint)
    axes.tick_params(colors=theme.ink, which="both", labelsize=9)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
