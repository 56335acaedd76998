"""Curves of performance against what is missing: one panel per modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tumorboard.board.plots import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tumorboard.tasks.prognosis.missingness import MissingnessPoint

__all__ = ["missingness_figure"]


def missingness_figure(
    points: Sequence[MissingnessPoint],
    *,
    floors: dict[str, float],
    title: str,
    theme: Theme = LIGHT,
) -> Figure:
    """Concordance with 95 % intervals against the share of patients who lack a modality. `floors`: horizontal lines by
    name, such as the best single modality."""
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys(point.modalities for point in points))
    models = list(dict.fromkeys(point.model for point in points))
    colours = [theme.accent, theme.second, theme.ink]
    figure = Figure(figsize=(2.9 * len(panels) + 0.8, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, modalities in zip(axes, panels, strict=True):
        for number, model in enumerate(models):
            mine = sorted((p for p in points if p.model == model and p.modalities == modalities), key=lambda p: p.share)
            shares = [100 * p.share for p in mine]
            colour = colours[number % len(colours)]
            panel.fill_between(shares, [p.low for p in mine], [p.high for p in mine], color=colour, alpha=0.12, lw=0)
            panel.plot(shares, [p.value for p in mine], "o-", color=colour, lw=2, ms=4, label=model)
        for (name, value), style in zip(floors.items(), ("--", ":", "-."), strict=False):
            panel.axhline(value, color=theme.ink, ls=style, lw=1, label=name)
        panel.set_title(f"without {', '.join(modalities)}", fontsize=10, color=theme.ink)
        panel.set_xlabel("patients without it, %")
        panel.set_xticks([0, 25, 50, 75, 100])
        panel.grid(color=theme.faint, lw=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("concordance")
    axes[-1].legend(fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=11, color=theme.ink)
    return figure
