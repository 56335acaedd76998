"""Figures: average precision of every run, sensitivity to inserted lesions, and exams with their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.io.files import atomic_file
from tumorboard.tasks.anomaly.exam import Exam
from tumorboard.tasks.anomaly.maps import SMOOTHED
from tumorboard.tasks.anomaly.sensitivity import CONTRASTS, DIAMETERS_MM
from tumorboard.tasks.result import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SHOWN", "draw_pictures"]

INK, FAINT, LINE, ALARM = "#1d2733", "#c9cfd6", "#0b6e8f", "#b3541e"
SHOWN = 6


def draw_pictures(
    scores: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[Exam, NDArray[Any]]],
    folder: Path,
    *,
    main: str,
) -> list[Picture]:
    """Write the figures below `folder` as PNG. `shown`: exams and their maps by the run `main`."""
    made = []
    bars = [row for row in scores if row["metric"] == "voxel_auprc" and row["subset"] == "all" and row["value"]]
    if bars:
        best = max(bars, key=lambda row: row["value"])
        words = (
            f"Voxel AUPRC of {len(bars)} maps over {best['n']} patients; highest {best['run']}, {best['value']:.3f}."
        )
        made.append((_bars(bars), "auprc.png", "How well each map finds tumour voxels", words))
    inserted = [row for row in scores if row["metric"] == "inserted_sensitivity" and row["run"] in (main, SMOOTHED)]
    if inserted:
        words = "; ".join(f"{row['run']}, {row['label']}: {row['value']:.2f}" for row in inserted)
        made.append((_inserted(inserted), "inserted.png", "Inserted lesions that are seen", words))
    if shown:
        words = f"SUV and the map of {main} in {min(len(shown), SHOWN)} exams; the expert's outline in orange."
        made.append((_montage(shown[:SHOWN]), "maps.png", "Exams and their maps", words))
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


def _bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure = _figure(7.0, 0.6 + 0.3 * len(rows))
    axes = figure.subplots()
    ordered = sorted(rows, key=lambda row: float(row["value"]))
    for at, row in enumerate(ordered):
        axes.plot([row["value"]], [at], "o", color=ALARM if row["run"] == SMOOTHED else LINE)
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [at, at], "-", color=FAINT, zorder=0, linewidth=3)
    axes.set_yticks(range(len(ordered)), [str(row["run"]) for row in ordered])
    axes.set_xlabel("voxel AUPRC, mean over patients, 95 % interval")
    axes.set_xlim(0, 1)
    return figure


def _inserted(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure = _figure(7.5, 3.0)
    panels = figure.subplots(1, len(DIAMETERS_MM), sharey=True)
    runs = list(dict.fromkeys(str(row["run"]) for row in rows))
    value = {(row["run"], row["label"]): row["value"] for row in rows}
    for axes, diameter in zip(panels, DIAMETERS_MM, strict=True):
        for run in runs:
            heights = [value.get((run, f"{diameter:g} mm, {c:g} times")) for c in CONTRASTS]
            seen = [(c, h) for c, h in zip(CONTRASTS, heights, strict=True) if h is not None]
            if seen:
                axes.plot(*zip(*seen, strict=True), "o-", color=ALARM if run == SMOOTHED else LINE, label=run)
        axes.set_title(f"{diameter:g} mm", fontsize=9)
        axes.set_xlabel("times the tissue round it")
        axes.set_ylim(-0.02, 1.02)
    panels[0].set_ylabel("share seen")
    panels[-1].legend(fontsize=7)
    return figure


def _montage(shown: Sequence[tuple[Exam, NDArray[Any]]]) -> Figure:
    figure = _figure(1.6 * len(shown), 4.6)
    panels = figure.subplots(2, len(shown), squeeze=False)
    for column, (exam, score) in enumerate(shown):
        step = exam.spacing_mm
        mark = exam.lesion.any(axis=1).T if exam.lesion is not None else None
        for axes, values, high, colours in (
            (panels[0, column], exam.suv, 8.0, "gray_r"),
            (panels[1, column], score, max(float(np.quantile(score, 0.999)), 1e-3), "magma"),
        ):
            axes.imshow(values.max(axis=1).T, origin="lower", vmin=0, vmax=high, cmap=colours, aspect=step[2] / step[0])
            if mark is not None and mark.any():
                axes.contour(mark, levels=[0.5], colors=ALARM, linewidths=0.7)
            axes.set_axis_off()
        panels[0, column].set_title(exam.case.exam_id, fontsize=7, color=INK)
    return figure
