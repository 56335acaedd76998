"""The figures of detection: arrays in, matplotlib figures out. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.detection import DetectionRules, Matched, froc, froc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Tile", "froc_figure", "gallery"]

INK, FAINT = "#1d2733", "#c9cfd6"
LINES = ("#0b6e8f", "#b3541e", "#5a7d2a", "#7b4fa3")
TRUTH, FOUND = "#7CFC6A", "#ffb000"


@dataclass(frozen=True)
class Tile:
    """One axial slice: grey values (i, j) 0 to 1, pixel edges in mm (x, y), boxes (n, 4) x, y low and high in pixels of
    lesions and of predictions with their scores, and what stands above it."""

    grey: NDArray[np.float32]
    pixel_mm: tuple[float, float]
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    scores: NDArray[np.float64]
    title: str


def froc_figure(runs: Mapping[str, Matched], *, rules: DetectionRules, seed: int, unit: str) -> Figure:
    """Sensitivity against false boxes per image, with 95 % bands over patients; a curve ends where its boxes end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4))
    axes = figure.add_axes((0.11, 0.14, 0.86, 0.74))
    lowest, highest = max(min(rules.fp_rates), 1e-3) / 2, 1.25 * max(rules.fp_rates)
    for (name, matched), colour in zip(runs.items(), LINES, strict=False):
        curve = froc_curve(matched)
        last = float(curve.fp_per_image[-1])
        rates = np.geomspace(lowest, highest, 60)
        band = froc(matched, rules=rules, rates=rates.tolist(), seed=seed, resamples=500).sensitivity
        drawn = rates <= last
        value, low, high = (
            np.array([np.nan if getattr(i, key) is None else getattr(i, key) for i in band], float)[drawn]
            for key in ("value", "low", "high")
        )
        mean = froc(matched, rules=rules, seed=seed, resamples=1).mean.value
        label = f"{name}: mean {mean:.2f}" if mean is not None else name
        axes.fill_between(rates[drawn], low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(rates[drawn], value, color=colour, linewidth=1.9, label=label)
        if last < highest:
            axes.plot(rates[drawn][-1:], value[-1:], "o", color=colour, markersize=4)
    axes.set_xscale("log")
    axes.set_xticks(rules.fp_rates, [f"{rate:g}" for rate in rules.fp_rates])
    axes.minorticks_off()
    axes.set(xlim=(lowest, highest), ylim=(0, 1.02), xlabel=f"false boxes per {unit}", ylabel="lesions found")
    first = next(iter(runs.values()))
    n = f"{int(first.lesions.sum())} lesions, {int(first.images.sum())} {unit}s, {len(first.images)} patients"
    kind = {"iou": "IoU", "iobb": "IoBB"}[rules.overlap]
    axes.set_title(f"{n}; {rules.dimensions}-D {kind} from {rules.threshold:g}", fontsize=10, color=INK, loc="left")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    _plain(axes)
    return figure


def gallery(found: Sequence[Tile], missed: Sequence[Tile]) -> Figure:
    """Slices through lesions that were found (above) and missed (below): marks green, predicted boxes dashed."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = [row for row in (("found", found), ("missed", missed)) if row[1]]
    columns = max((len(tiles) for _, tiles in rows), default=1)
    figure = Figure(figsize=(2.6 * columns, 2.75 * len(rows) + 0.4), facecolor="black")
    for line, (word, tiles) in enumerate(rows):
        for place, tile in enumerate(tiles):
            width, height = 1 / columns, 0.92 / len(rows)
            axes = figure.add_axes(
                (place * width + 0.01, 1 - (line + 1) * height + 0.005, width - 0.02, height - 0.09 / len(rows))
            )
            _draw(axes, tile, f"{word}: {tile.title}")
    marks = [
        Line2D([], [], color=TRUTH, linewidth=1.5, label="marked"),
        Line2D([], [], color=FOUND, linewidth=1.5, linestyle="--", label="predicted, with score"),
    ]
    figure.legend(handles=marks, loc="lower center", ncols=2, frameon=False, fontsize=9, labelcolor="white")
    return figure


def _draw(axes: Axes, tile: Tile, title: str) -> None:
    """Radiological view: the patient's right on the left, front above."""
    from matplotlib.patches import Rectangle

    n, m = tile.grey.shape
    axes.imshow(tile.grey.T, cmap="gray", vmin=0, vmax=1, origin="lower", interpolation="bilinear")
    axes.set(xlim=(n - 0.5, -0.5), ylim=(-0.5, m - 0.5), xticks=[], yticks=[])
    axes.set_aspect(tile.pixel_mm[1] / tile.pixel_mm[0])
    axes.set_title(title, fontsize=8, color="white", pad=3)
    for box in tile.truth:
        axes.add_patch(Rectangle((box[0], box[1]), *(box[2:] - box[:2]), fill=False, edgecolor=TRUTH, linewidth=1.3))
    for box, score in zip(tile.predicted, tile.scores.tolist(), strict=True):
        size = box[2:] - box[:2]
        axes.add_patch(Rectangle((box[0], box[1]), *size, fill=False, edgecolor=FOUND, linewidth=1.2, linestyle="--"))
        axes.text(box[0], box[3], f"{score:.2f}", color=FOUND, fontsize=6, va="bottom", ha="right", clip_on=True)


def _plain(axes: Any) -> None:
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
