"""Lesions as points of a plane, colour and shape by type. Arrays in, figures out; nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.plots import LIGHT, Theme
from tumorboard.core.lesion import LESION_TYPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MAP_AXES", "MAP_SIZE_IN", "TYPE_COLOURS", "TYPE_MARKERS", "draw_types", "flattened", "vector_map"]

Floats = NDArray[np.float64]

TYPE_COLOURS: dict[str, dict[str, str]] = {
    name: dict(zip(LESION_TYPES, colours, strict=True))
    for name, colours in {
        "light": ("#1d2733", "#b57800", "#2f8fc4", "#c44e00", "#0062a3", "#b85590", "#00795a", "#857600"),
        "dark": ("#eef2f6", "#e69f00", "#7cc8f2", "#ff8340", "#5b8cff", "#e79ac4", "#1fbf92", "#f0e442"),
    }.items()
}
"""Theme -> type -> colour: after Okabe and Ito, darker on light paper and lighter on dark."""

TYPE_MARKERS: dict[str, str] = dict(zip(LESION_TYPES, "os^DvPX*", strict=True))
"""A shape per type, so that colour is not needed."""

MAP_SIZE_IN = (7.4, 5.8)
MAP_AXES = (0.09, 0.1, 0.63, 0.83)
"""Left, bottom, width and height of the axes, as shares of the figure: a page lays its own points over them."""
_MOST_VECTOR_POINTS = 1500
"""More points than this are pixels inside the SVG, so that a file stays small."""


def draw_types(axes: Axes, x: Floats, y: Floats, labels: Sequence[str], *, theme: Theme = LIGHT) -> None:
    """Points (n,) in one layer in their order, so that no type hides the others, and a legend with counts beside the
    axes. Labels are types."""
    from matplotlib.markers import MarkerStyle

    colours = TYPE_COLOURS.get(theme.name, TYPE_COLOURS["light"])
    size = float(np.clip(9000 / max(len(labels), 1), 4, 40))
    many = len(labels) > _MOST_VECTOR_POINTS
    points = axes.scatter(
        x, y, s=size, c=[colours[label] for label in labels], alpha=0.75, linewidths=0, rasterized=many
    )
    shapes = {label: MarkerStyle(marker) for label, marker in TYPE_MARKERS.items()}
    paths = {label: shape.get_path().transformed(shape.get_transform()) for label, shape in shapes.items()}
    if labels:
        points.set_paths([paths[label] for label in labels])
    for label in LESION_TYPES:
        if count := sum(one == label for one in labels):
            marker = TYPE_MARKERS[label]
            axes.scatter([], [], s=30, c=colours[label], marker=marker, label=f"{label} ({count})")
    if labels:
        axes.figure.legend(
            loc="upper left", bbox_to_anchor=(MAP_AXES[0] + MAP_AXES[2] + 0.01, MAP_AXES[1] + MAP_AXES[3]),
            frameon=False, labelcolor=theme.ink, fontsize=9,
        )  # fmt: skip


def flattened(vectors: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Vectors (n, d) on their first two principal components (n, 2), and the shares of the variance (2,) that these
    hold. The sign of a component is such that its largest loading is positive; what is not there is 0."""
    centred = np.asarray(vectors, float) - np.mean(vectors, axis=0, dtype=float)
    values, directions = np.linalg.eigh(centred.T @ centred)
    first = directions[:, ::-1][:, :2]
    first = first * np.sign(first[np.abs(first).argmax(axis=0), np.arange(first.shape[1])])
    places = np.zeros((len(centred), 2))
    places[:, : first.shape[1]] = centred @ first
    shares = np.zeros(2)
    shares[: first.shape[1]] = values[::-1][:2] / max(float(values.sum()), np.finfo(float).tiny)
    return places, shares


def vector_map(
    places: Floats, labels: Sequence[str], *, shares: Floats, limits: tuple[Floats, Floats], theme: Theme = LIGHT
) -> Figure:
    """Places (n, 2) of vectors with their types; `shares` of the variance stand at the axes, `limits` are the low and
    the high corner."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=MAP_SIZE_IN)
    axes = figure.add_axes(MAP_AXES)
    low, high = limits
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
    axes.set_xlabel(f"first component, {shares[0]:.0%} of the variance", color=theme.ink)
    axes.set_ylabel(f"second component, {shares[1]:.0%}", color=theme.ink)
    draw_types(axes, places[:, 0], places[:, 1], labels, theme=theme)
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.faint)
    return figure
