"""Pictures of what a masked cross-modality model rests on: the learned graph of variables, and where it looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.models.masked import Explanation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_graph", "draw_looks"]

READER = "prediction"
_FAINTEST = 0.02


def draw_graph(told: Explanation, *, patient: int | None = None, most: int = 60) -> Figure:
    """The variables in a circle, the node that reads them all in the middle. An arrow goes from a variable to the one
    that reads it, as wide as its share of what the reader took in the last layer: mean over patients, or of one
    `patient`. The `most` widest are drawn."""
    from matplotlib.figure import Figure

    shares = told.readings.mean(axis=0) if patient is None else told.readings[patient]
    names, places = [*told.names, READER], _circle(len(told.names))
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.4, 1.4))
    for share, reader, read in _widest(shares, most):
        axes.annotate(
            "", places[reader], places[read], zorder=1,
            arrowprops={"arrowstyle": "->", "lw": 0.5 + 5 * share, "alpha": min(1.0, 0.2 + share), "color": "tab:blue",
                        "shrinkA": 8, "shrinkB": 8},
        )  # fmt: skip
    for name, (x, y) in zip(names, places, strict=True):
        axes.plot(x, y, "o", color="tab:orange" if name == READER else "black", zorder=2)
        axes.text(1.08 * x, 1.08 * y + (0.08 if name == READER else 0), name, ha=_side(x), va="center", fontsize=8)
    whose = "mean over patients" if patient is None else "one patient"
    axes.set_title(f"Which variable reads which ({whose}); arrows run to the reader", fontsize=9)
    return figure


def draw_looks(told: Explanation, slab: NDArray[Any], *, patient: int, slices: int = 6) -> Figure:
    """Slices of a patient's slab (slices, rows, columns) with the share of attention of each patch over them; the
    slices that were looked at most, in their order."""
    from matplotlib.figure import Figure

    looks = told.looks[patient]
    deep, high, wide = (n // g for n, g in zip(slab.shape, looks.shape, strict=True))
    chosen = np.sort(np.argsort(-looks.sum(axis=(1, 2)), kind="stable")[:slices])
    figure = Figure(figsize=(2.2 * len(chosen), 2.6), layout="constrained")
    for place, (axes, number) in enumerate(zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True)):
        axes.imshow(slab[number * deep + deep // 2].astype(float), cmap="gray", origin="lower")
        over = np.kron(looks[number], np.ones((high, wide)))
        shown = axes.imshow(over, cmap="inferno", alpha=0.45, vmin=0, vmax=max(looks.max(), 1e-9), origin="lower")
        axes.set_axis_off()
        axes.set_title(f"slices {number * deep + 1}-{(number + 1) * deep}", fontsize=8)
        if place == len(chosen) - 1:
            figure.colorbar(shown, ax=axes, shrink=0.7)
    return figure


def _circle(count: int) -> list[tuple[float, float]]:
    angles = 2 * np.pi * np.arange(count) / max(count, 1)
    return [(float(np.sin(a)), float(np.cos(a))) for a in angles] + [(0.0, 0.0)]


def _widest(shares: NDArray[np.float64], most: int) -> list[tuple[float, int, int]]:
    """(share, reader, read) of the widest arrows."""
    found = [(float(shares[i, j]), i, j) for i, j in zip(*np.nonzero(shares > _FAINTEST), strict=True)]
    return sorted(found, reverse=True)[:most]


def _side(x: float) -> str:
    return "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
