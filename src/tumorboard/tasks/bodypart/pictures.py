"""Figures: scores against z, slices of several patients in the order of their scores, flagged volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tumorboard.core.bodypart import BOUNDARIES
from tumorboard.io.files import atomic_file
from tumorboard.tasks.bodypart.evaluate import Scored, rank_correlation
from tumorboard.tasks.bodypart.slices import BodySlices
from tumorboard.tasks.result import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves_figure", "draw_pictures", "flagged_figure", "montage_figure"]

INK, FAINT, LINE, ALARM = "#1d2733", "#c9cfd6", "#0b6e8f", "#b3541e"
_COLUMNS, _ROWS = 12, 4
_MOST = 12


def draw_pictures(
    images: Sequence[Scored],
    slices: Mapping[str, BodySlices],
    flags: Mapping[str, Sequence[str]],
    folder: Path,
) -> list[Picture]:
    """Write the figures below `folder` as PNG. `flags`: image -> what its scores say about its slices."""
    if not images:
        return []
    order = [rank_correlation(image.curve) or 0.0 for image in images]
    lowest = f"{len(images)} CTs, rank correlation with depth {np.min(order):.3f} to {np.max(order):.3f}"
    made = [
        (curves_figure(images), "curves.png", "Score against depth", f"Score of every slice against mm: {lowest}."),
        (
            montage_figure(images, slices),
            "order.png",
            "Slices in the order of their scores",
            f"{_COLUMNS * _ROWS} slices of {len({i.patient_id for i in images})} patients, by score.",
        ),
    ]
    odd = [image for image in images if flags.get(image.image_id)]
    if odd:
        names = "; ".join(f"{i.image_id} {', '.join(flags[i.image_id])}" for i in odd[:_MOST])
        made.append((flagged_figure(odd, slices, flags), "flagged.png", "Flagged volumes", f"{len(odd)} CTs: {names}."))
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for figure, name, title, alt in made:
        with atomic_file(folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
        pictures.append(Picture(folder / name, title, alt))
    return pictures


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def curves_figure(images: Sequence[Scored]) -> Figure:
    """One line per CT: score against mm below the upper edge of the liver where it is marked, else below the first
    slice; marked boundaries as dots."""
    figure = _figure(7.5, 5.0)
    axes = figure.subplots()
    anchored = all(BOUNDARIES[1] in image.true_landmarks for image in images)
    for image in images:
        top = image.true_landmarks[BOUNDARIES[1]] if anchored else image.curve.z_mm[0]
        axes.plot(top - image.curve.z_mm, image.curve.score, color=LINE, linewidth=0.8, alpha=0.6)
        at = [z for name, z in image.true_landmarks.items() if name in BOUNDARIES]
        inside = [z for z in at if image.curve.z_mm[-1] <= z <= image.curve.z_mm[0]]
        axes.plot(top - np.array(inside), image.curve.score_at(inside), ".", color=ALARM, markersize=4)
    axes.set_xlabel("mm below the upper edge of the liver" if anchored else "mm below the first slice")
    axes.set_ylabel("body-part score (0 top, 1 feet end)")
    _plain(axes)
    return figure


def montage_figure(images: Sequence[Scored], slices: Mapping[str, BodySlices]) -> Figure:
    """Slices at equal steps of score, each of another CT in turn, with their scores."""
    low = max(float(np.min([image.curve.score.min() for image in images])), 0.0)
    high = min(float(np.max([image.curve.score.max() for image in images])), 1.0)
    figure = _figure(_COLUMNS * 0.95, _ROWS * 1.1)
    frames = figure.subplots(_ROWS, _COLUMNS).ravel()
    for number, (axes, wanted) in enumerate(zip(frames, np.linspace(low, high, len(frames)), strict=True)):
        near = sorted(images, key=lambda image: float(np.abs(image.curve.score - wanted).min()))
        close = [i for i in near if np.abs(i.curve.score - wanted).min() < 0.02] or near[:1]
        image = close[number % len(close)]
        place = int(np.abs(image.curve.score - wanted).argmin())
        _show(axes, slices[image.image_id], place)
        axes.set_title(f"{image.curve.score[place]:.2f}", fontsize=7, color=INK, pad=2)
    return figure


def flagged_figure(
    images: Sequence[Scored], slices: Mapping[str, BodySlices], flags: Mapping[str, Sequence[str]]
) -> Figure:
    """Score against stated depth of each flagged CT, with its first, middle and last slice."""
    shown = images[:_MOST]
    figure = _figure(8.5, 1.7 * len(shown))
    frames = figure.subplots(len(shown), 4, squeeze=False, width_ratios=[2.2, 1, 1, 1])
    for row, image in zip(frames, shown, strict=True):
        curve = image.curve
        row[0].plot(curve.z_mm[0] - curve.z_mm, curve.score, color=ALARM, linewidth=1.2)
        row[0].set_title(f"{image.image_id}: {', '.join(flags[image.image_id])}", fontsize=8, color=INK, loc="left")
        row[0].set_ylim(-0.05, 1.05)
        _plain(row[0])
        for axes, place in zip(row[1:], (0, len(curve.score) // 2, len(curve.score) - 1), strict=True):
            _show(axes, slices[image.image_id], place)
    frames[-1][0].set_xlabel("stated mm below the first slice", fontsize=8)
    return figure


def _show(axes: Axes, stack: BodySlices, place: int) -> None:
    axes.imshow(stack.hu[place], cmap="gray", vmin=-175, vmax=275, interpolation="bilinear")
    axes.set_axis_off()


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(color=FAINT, linewidth=0.4)
    axes.tick_params(labelsize=8, colors=INK)
