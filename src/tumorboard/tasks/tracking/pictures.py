"""A patient's lesion graph and sequences, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.io.files import atomic_file
from tumorboard.ops.window import window_hu
from tumorboard.tasks.result import Picture
from tumorboard.tasks.tracking.marks import Mark
from tumorboard.tasks.tracking.tracks import PatientTracks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_pictures", "lesion_graph", "sequence_rows"]

_LEAST_EDGES, _MOST_TRACKS, _MOST_EXAMS = 60, 12, 8
_CROP_MM = 60.0
_WINDOWS = {"lung": (-1350.0, 150.0), "bone": (-500.0, 1300.0)}
_SOFT = (-160.0, 240.0)


def draw_pictures(cohort: Cohort, tracked: Sequence[PatientTracks], folder: Path) -> list[Picture]:
    """Write both figures of each patient as PNG below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, one in enumerate(tracked, start=1):
        patient, tracks = one.graph.patient_id, one.tracks
        several = sum(len(marks) > 1 for marks in tracks)
        figures = (
            (
                "graph",
                lesion_graph(one),
                "Lesion graph",
                f"{len(one.graph.marks)} marked lesions as nodes, distances on the edges, near ones red and thick",
            ),
            (
                "sequences",
                sequence_rows(cohort, one),
                "The same lesion over exams",
                f"{several} sequences with two or more lesions, {len(tracks) - several} lesions alone",
            ),
        )
        for name, figure, title, alt in figures:
            path = folder / f"{number:03d}-{name}.png"
            with atomic_file(path) as temporary:
                figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
            made.append(Picture(path, f"{title}, {patient}", alt, patient))
    return made


def lesion_graph(one: PatientTracks) -> Figure:
    """Nodes in columns by exam, coloured by sequence; the nearest edges with distances, red and thick when near."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    marks, weights = one.graph.marks, one.graph.edges.weights
    exams = sorted({(mark.exam_order, mark.exam_id) for mark in marks})
    where = _node_places(marks, [exam for _, exam in exams])
    height = max(4.0, 0.55 * max(np.bincount([[e for _, e in exams].index(m.exam_id) for m in marks])) + 1.5)
    figure = Figure(figsize=(min(max(6.0, 2.2 * len(exams) + 1.5), 18.0), height), layout="constrained")
    axes = figure.subplots()
    edges = [
        (float(weights[i, j]), i, j)
        for i in range(len(marks))
        for j in range(i)
        if np.isfinite(weights[i, j]) and marks[i].series != marks[j].series
    ]
    shown = sorted(edges)[: max(_LEAST_EDGES, 2 * len(marks))]
    top = max((weight for weight, _, _ in shown), default=1.0) or 1.0
    for weight, i, j in reversed(shown):
        near = 1.0 - weight / top
        axes.plot(
            *zip(where[i], where[j], strict=True),
            color=(0.35 + 0.55 * near, 0.35 * (1 - near) + 0.05, 0.12 + 0.3 * (1 - near)),
            linewidth=0.4 + 3.2 * near**2,
            alpha=0.25 + 0.7 * near,
            zorder=1,
        )
        if near > 0.45:
            middle = (np.array(where[i]) + where[j]) / 2
            axes.annotate(
                f"{weight:.3g}",
                middle,
                fontsize=6,
                ha="center",
                va="center",
                zorder=2,
                bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.75},
            )
    colours = colormaps["tab20"]
    for mark, place, sequence in zip(marks, where, one.sequences, strict=True):
        axes.scatter(*place, s=150, color=colours(int(sequence) % 20), edgecolors="black", linewidths=0.6, zorder=3)
        axes.annotate(
            f"{mark.type or 'lesion'} {mark.axes_mm[0]:.0f}",
            place,
            xytext=(0, -13),
            textcoords="offset points",
            fontsize=6,
            ha="center",
            zorder=4,
        )
    axes.set_xticks(range(len(exams)), [exam for _, exam in exams], fontsize=7)
    axes.set_yticks([])
    axes.margins(0.12)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.set_title(
        f"Lesion graph of {one.graph.patient_id}: colour = sequence, label = type and long axis in mm", fontsize=9
    )
    return figure


def _node_places(marks: Sequence[Mark], exams: Sequence[str]) -> list[tuple[float, float]]:
    """Column by exam; within it from head to feet as marked, evenly spread, every other column a little lower so that
    edges between distant columns do not hide behind nodes."""
    places: list[tuple[float, float]] = [(0.0, 0.0)] * len(marks)
    for column, exam in enumerate(exams):
        mine = sorted((i for i, mark in enumerate(marks) if mark.exam_id == exam), key=lambda i: -marks[i].centre_mm[2])
        for row, i in enumerate(mine):
            places[i] = (column + 0.1 * (row % 2), -row - 0.35 * (column % 2))
    return places


def sequence_rows(cohort: Cohort, one: PatientTracks) -> Figure:
    """One row per sequence (those with most exams first), one column per exam: a crop of the slice through the lesion,
    its long and short axis in red (alone where there are no pixels) and in mm."""
    from matplotlib.figure import Figure

    tracks = sorted(one.tracks, key=lambda marks: -len({mark.exam_id for mark in marks}))[:_MOST_TRACKS]
    exams = sorted({(mark.exam_order, mark.exam_id) for marks in tracks for mark in marks})[:_MOST_EXAMS]
    figure = Figure(figsize=(1.5 * len(exams) + 0.9, 1.55 * len(tracks) + 0.5), layout="constrained")
    grid = figure.subplots(len(tracks), len(exams), squeeze=False)
    figure.suptitle(f"Sequences of {one.graph.patient_id} (crops of {_CROP_MM:g} mm)", fontsize=9)
    for row, marks in enumerate(tracks):
        for column, (_, exam) in enumerate(exams):
            axes = grid[row][column]
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_box_aspect(1)
            here = [mark for mark in marks if mark.exam_id == exam]
            if row == 0:
                axes.set_title(exam, fontsize=7)
            if column == 0:
                axes.set_ylabel(f"{row + 1}: {marks[0].type or 'lesion'}", fontsize=7)
            if not here:
                axes.set_facecolor("#f0f0f0")
                continue
            _draw_mark(axes, cohort, here[0])
            more = f" + {len(here) - 1}" if len(here) > 1 else ""
            axes.set_xlabel(f"{here[0].axes_mm[0]:.0f} x {here[0].axes_mm[1]:.0f} mm{more}", fontsize=6, labelpad=2)
    return figure


def _draw_mark(axes: Any, cohort: Cohort, mark: Mark) -> None:
    half = _CROP_MM / 2
    axes.set_xlim(half, -half)  # the patient's right is on the left
    axes.set_ylim(-half, half)
    crop = _crop(cohort, mark)
    if crop is None:
        axes.set_facecolor("#dfe6ee")
    else:
        axes.imshow(
            crop.T, cmap="gray", vmin=0, vmax=1, origin="lower", extent=(half, -half, -half, half), aspect="equal"
        )
    if mark.ends_mm is not None:
        x, y = (mark.ends_mm - mark.centre_mm).T[:2]
        for ends, width in ((slice(0, 2), 1.2), (slice(2, 4), 0.8)):
            axes.plot(x[ends], y[ends], color="#d62728", linewidth=width)


def _crop(cohort: Cohort, mark: Mark) -> NDArray[np.float32] | None:
    """Windowed slice round a lesion, 60 x 60 pixels of 1 mm, first axis from the patient's right to the left; None
    without pixels."""
    from tumorboard.core.geometry import Geometry
    from tumorboard.ops.resample import resample_to

    if not cohort.row("images", image_id=mark.image_id)["path"]:
        return None
    count = int(_CROP_MM)
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = mark.centre_mm + np.array([(count - 1) / 2, -(count - 1) / 2, 0.0])
    low, high = _WINDOWS.get(mark.type, _SOFT)
    volume = resample_to(cohort.image(mark.image_id), Geometry((count, count, 1), affine), allow_empty=True)
    return np.asarray(window_hu(volume, low_hu=low, high_hu=high).array[:, :, 0], np.float32)
