"""Pictures of marked lesions: sizes, places in the body, one key slice, a patient's lesions by study.

Cohort or columns in, matplotlib figures out; nothing is written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.marked import MarkedLesions, size_histogram
from tumorboard.board.plots import LIGHT, Theme, dress
from tumorboard.board.point_map import MAP_AXES, MAP_SIZE_IN, draw_types
from tumorboard.core import codes
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR, SAME_LESION, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["key_slice", "lesions_by_study", "position_scatter", "size_histograms"]

AXES_COLOUR, BOX_COLOUR, CENTRE_COLOUR, PLACE_COLOUR = "#e5392f", "#27c24c", "#ffd23f", "#4aa3ff"
WINDOW_HU = (-175.0, 275.0)
_BODY_HU = -400
_TRACKS = ("#0b6e8f", "#b3541e", "#5a7d2a", "#7b4fa3", "#a08a00", "#c2477f", "#3f4a56", "#2aa198")
_MOST_STUDIES, _MOST_ROWS = 8, 8


def size_histograms(
    lesions: MarkedLesions, *, bin_mm: float = 2.5, top_mm: float = 100.0, theme: Theme = LIGHT
) -> Figure:
    """Histograms of the long and the short axis in mm; longer ones are in the last bin, which says how many."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, name, lengths, colour in zip(
        panels,
        ("long axis", "short axis"),
        (lesions.long_mm, lesions.short_mm),
        (theme.accent, theme.second),
        strict=True,
    ):
        found = size_histogram(lengths, bin_mm=bin_mm, top_mm=top_mm)
        left = found.edges[:-1]
        axes.bar(left, found.counts, width=bin_mm * 0.92, align="edge", color=colour, linewidth=0)
        axes.set(xlabel=f"{name}, mm", ylabel="lesions", xlim=(0, found.edges[-1]))
        known = lengths[np.isfinite(lengths)]
        middle = f"median {np.median(known):.1f} mm" if len(known) else "none measured"
        missing = f", {found.missing} not measured" if found.missing else ""
        axes.set_title(f"n = {len(known)}, {middle}{missing}", fontsize=9, color=theme.ink, loc="left")
        if found.over:
            words = f"{found.over} of {top_mm:g} mm\nand more"
            axes.annotate(
                words, (found.edges[-1] - bin_mm / 2, found.counts[-1]), xytext=(0, 14), textcoords="offset points",
                ha="right", fontsize=8, color=theme.ink, arrowprops={"arrowstyle": "-", "color": theme.faint},
            )  # fmt: skip
        dress(axes, theme)
    return figure


def position_scatter(lesions: MarkedLesions, *, theme: Theme = LIGHT) -> Figure:
    """Relative x across and z downwards, as one who faces the patient sees them; colour and shape = type.

    Lesions without a type or a place are not drawn; the title says how many.
    """
    from matplotlib.figure import Figure

    known = np.isfinite(lesions.location[:, [0, 2]]).all(axis=1)
    figure = Figure(figsize=MAP_SIZE_IN)
    axes = figure.add_axes(MAP_AXES)
    drawn = np.flatnonzero(known & lesions.typed)
    x, z = lesions.location[drawn, 0], lesions.location[drawn, 2]
    draw_types(axes, x, z, [lesions.label[row] for row in drawn], theme=theme)
    axes.set(xlim=(0, 1), ylim=(1, 0))
    axes.set_xlabel("x: patient's right to left")
    axes.set_ylabel("z: head to feet")
    left_out = len(lesions) - len(drawn)
    note = f", {left_out} without type or place not drawn" if left_out else ""
    axes.set_title(f"{len(drawn)} lesions{note}", fontsize=9, color=theme.ink, loc="left")
    dress(axes, theme)
    return figure


def key_slice(cohort: Cohort, finding_id: str, *, theme: Theme = LIGHT) -> Figure:
    """One key slice in its published window: both axes red, box green, centre of the box as a dot, and dashed the
    relative x and y of that centre in the body, with the published relative place in the title.

    Errors: COH107 for a finding that is no RECIST pair, or whose image has no pixels or no place.
    """
    from matplotlib.figure import Figure

    row = cohort.row("findings", finding_id=finding_id)
    told = json.loads(row["attributes"] or "{}")
    volume = _pixels(cohort, row)
    ends = volume.geometry.to_index(np.reshape(row["points_mm"], (4, 3)))
    hu = np.asarray(volume.array[:, :, _layer(volume, row)].T, float)
    box = np.sort(volume.geometry.to_index(np.reshape(row["box"], (2, 3)))[:, :2], axis=0)
    figure = Figure(figsize=(6.0, 6.4), layout="constrained")
    axes = figure.add_subplot()
    low, high = told.get("window_hu") or WINDOW_HU
    sx, sy, _ = volume.spacing_mm
    axes.imshow(hu, cmap="gray", vmin=low, vmax=high, aspect=sy / sx, interpolation="bilinear")
    axes.set(xticks=[], yticks=[])
    _mark(axes, ends, box, width=1.3)
    centre = box.mean(axis=0)
    left, top = body_edges(hu, centre)
    for line in (([left, centre[0]], [centre[1]] * 2), ([centre[0]] * 2, [top, centre[1]])):
        axes.plot(*line, "--", color=PLACE_COLOUR, linewidth=1.2)
    place = told.get("relative_location")
    words = "" if place is None else "relative place " + ", ".join(f"{value:.2f}" for value in place) + "; "
    axes.set_title(f"{finding_id}: {row['label']}\n{words}{_size_words(row)}", fontsize=9, color=theme.ink, loc="left")
    figure.patch.set_alpha(0)
    return figure


def lesions_by_study(cohort: Cohort, patient_id: str, *, run_id: str = EXPERT, theme: Theme = LIGHT) -> Figure:
    """A patient's lesions, a column per study in order, as crops of 80 mm (marks alone where there are no pixels); the
    same lesion has the same colour, and a line to its next sighting. `run_id` is the run of the relations.

    At most 8 studies and 8 lesions of each are drawn; the title says what is left out.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    view = cohort.patient(patient_id)
    columns, left_out = _columns(view.cohort, [exam["exam_id"] for exam in view.exams])
    same = view.cohort.rows("relations", predicate=SAME_LESION, run_id=run_id)
    pairs = [(row["subject"], row["object"]) for row in same]
    shown = [row["finding_id"] for listed in columns.values() for row in listed]
    colour_of = _track_colours(shown, pairs)
    depth = max((len(listed) for listed in columns.values()), default=1) or 1
    figure = Figure(
        figsize=(max(2.1 * len(columns), 4.2), 2.15 * depth + 0.7), layout=ConstrainedLayoutEngine(w_pad=0.12)
    )
    grid = figure.subplots(depth, max(len(columns), 1), squeeze=False)
    placed: dict[str, Axes] = {}
    for at, (exam_id, listed) in enumerate(columns.items()):
        grid[0][at].set_title(exam_id, fontsize=9, color=theme.ink)
        for line in range(depth):
            axes = grid[line][at]
            if line >= len(listed):
                axes.set_axis_off()
                continue
            _tile(axes, cohort, listed[line], colour_of.get(listed[line]["finding_id"], theme.faint), theme)
            placed[listed[line]["finding_id"]] = axes
    place_of = {
        row["finding_id"]: (at, line) for at, rows in enumerate(columns.values()) for line, row in enumerate(rows)
    }
    for pair in pairs:
        if placed.keys() >= set(pair):
            a, b = sorted(pair, key=place_of.__getitem__)
            _connect(figure, placed[a], placed[b], colour_of[a], same_study=place_of[a][0] == place_of[b][0])
    note = f"; not drawn: {left_out}" if left_out else ""
    title = f"{patient_id}: {len(shown)} lesions in {len(columns)} studies, {_groups(shown, pairs)} seen again{note}"
    figure.suptitle(title, fontsize=10, color=theme.ink, x=0.01, ha="left")
    figure.patch.set_alpha(0)
    return figure


def body_edges(hu: NDArray[np.float64], centre: NDArray[np.float64]) -> tuple[float, float]:
    """Leftmost column and topmost row of the body on a slice: the largest region above -400 HU, holes filled; the
    picture's own edges where there is none. `centre` is (column, row)."""
    from scipy import ndimage

    regions, count = ndimage.label(ndimage.binary_opening(hu > _BODY_HU, iterations=2))
    if not count:
        return 0.0, 0.0
    sizes = np.bincount(regions.ravel())[1:]
    body = ndimage.binary_fill_holes(regions == int(np.argmax(sizes)) + 1)
    columns, rows = np.flatnonzero(body.any(axis=0)), np.flatnonzero(body.any(axis=1))
    return float(min(columns[0], centre[0])), float(min(rows[0], centre[1]))


# ---- pieces -------------------------------------------------------------------------------------------
def _pixels(cohort: Cohort, row: Mapping[str, Any]) -> Volume:
    """The scan of a RECIST pair, columns to the patient's left, rows to the back."""
    image = cohort.row("images", image_id=row["image_id"])
    if row["kind"] != RECIST_PAIR or not row["points_mm"] or not row["box"] or not image["path"]:
        raise TumorboardError(
            codes.COHORT_UNKNOWN,
            f"finding {row['finding_id']}",
            found="no RECIST pair, or an image without pixels or place",
            expected="a marked lesion on slices that are at hand",
        )
    return cohort.image(row["image_id"]).require(Unit.HU, where=row["image_id"]).reorient("LPI")


def _mark(axes: Axes, ends: NDArray[np.float64], box: NDArray[np.float64], *, width: float) -> None:
    from matplotlib.patches import Rectangle

    for a, b in ((0, 1), (2, 3)):
        axes.plot(ends[[a, b], 0], ends[[a, b], 1], "-", color=AXES_COLOUR, linewidth=width)
    size = box[1] - box[0]
    axes.add_patch(Rectangle(tuple(box[0]), *size, fill=False, edgecolor=BOX_COLOUR, linewidth=width))
    axes.plot(*box.mean(axis=0), "o", color=CENTRE_COLOUR, markersize=3 * width)


def _connect(figure: Figure, left: Axes, right: Axes, colour: str, *, same_study: bool) -> None:
    """A line from one tile to the next study's; dashed and bent where both are series of one study."""
    from matplotlib.patches import ConnectionPatch

    figure.add_artist(
        ConnectionPatch(
            xyA=(0.0 if same_study else 1.0, 0.5),
            xyB=(0.0, 0.5),
            coordsA="axes fraction",
            coordsB="axes fraction",
            axesA=left,
            axesB=right,
            connectionstyle="arc3,rad=0.06" if same_study else "arc3",
            linestyle="--" if same_study else "-",
            color=colour,
            linewidth=2.0,
            alpha=0.85,
        )
    )


def _tile(axes: Axes, cohort: Cohort, row: Mapping[str, Any], colour: str, theme: Theme) -> None:
    """One lesion: a crop of 80 mm (more for larger lesions) with its marks; without pixels the marks alone."""
    axes.set(xticks=[], yticks=[])
    image = cohort.row("images", image_id=row["image_id"])
    told = json.loads(row["attributes"] or "{}")
    if row["points_mm"] and row["box"]:
        ends = -np.reshape(row["points_mm"], (4, 3))[:, :2]  # mm to the patient's left, mm to the back
        box = np.sort(-np.reshape(row["box"], (2, 3))[:, :2], axis=0)
        if image["path"]:
            volume = _pixels(cohort, row)
            layer = _layer(volume, row)
            hu = np.asarray(volume.array[:, :, layer].T, float)
            corners = -volume.geometry.to_world([[-0.5, -0.5, layer], [s - 0.5 for s in volume.shape[:2]] + [layer]])
            low, high = told.get("window_hu") or WINDOW_HU
            (left, top), (right, bottom) = corners[:, :2]
            axes.imshow(hu, cmap="gray", vmin=low, vmax=high, extent=(left, right, bottom, top), aspect="equal")
        _mark(axes, ends, box, width=0.9)
        reach = np.maximum(40.0, (box[1] - box[0]) / 2 * 1.2).max()
        centre = box.mean(axis=0)
        axes.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] + reach, centre[1] - reach))
    axes.set_box_aspect(1)
    for side in axes.spines.values():
        side.set(color=colour, linewidth=2.4)
    number = row["finding_id"].rpartition("_")[2]
    axes.set_xlabel(f"{number}: {row['label']}\n{_size_words(row)}", fontsize=7.5, color=theme.ink, labelpad=2)


def _layer(volume: Volume, row: Mapping[str, Any]) -> int:
    """Layer of the scan (as `_pixels` gives it) that the ends of a pair lie on."""
    ends = volume.geometry.to_index(np.reshape(row["points_mm"], (4, 3)))
    return int(np.clip(np.rint(ends[:, 2].mean()), 0, volume.shape[2] - 1))


def _columns(cohort: Cohort, exams: Sequence[str]) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """Study -> its marked lesions from the head to the feet, and in words what there was no room for."""
    exam_of = {row["image_id"]: row["exam_id"] for row in cohort.rows("images")}
    listed: dict[str, list[dict[str, Any]]] = {exam: [] for exam in exams}
    for row in cohort.rows("findings", kind=RECIST_PAIR, run_id=EXPERT):
        listed[exam_of[row["image_id"]]].append(row)
    listed = {exam: sorted(rows, key=_height) for exam, rows in listed.items() if rows}
    more = {exam: rows[_MOST_ROWS:] for exam, rows in listed.items()}
    late = list(listed)[_MOST_STUDIES:]
    hidden = sum(len(rows) for exam, rows in more.items() if exam not in late) + sum(len(listed[e]) for e in late)
    words = f"{hidden} lesions" if hidden else ""
    return {exam: rows[:_MOST_ROWS] for exam, rows in list(listed.items())[:_MOST_STUDIES]}, words


def _height(row: Mapping[str, Any]) -> tuple[float, str]:
    place = json.loads(row["attributes"] or "{}").get("relative_location")
    return (float(place[2]) if place else -float((row["points_mm"] or [0, 0, 0])[2]), row["finding_id"])


def _track_colours(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Finding -> colour of its track; lesions seen once have none."""
    tracks = [track for track in _joined(names, pairs) if len(track) > 1]
    return {name: _TRACKS[at % len(_TRACKS)] for at, track in enumerate(tracks) for name in track}


def _groups(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> int:
    return sum(len(track) > 1 for track in _joined(names, pairs))


def _joined(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Connected components, in the order of their first name."""
    root = {name: name for name in names}

    def top(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for a, b in pairs:
        if a in root and b in root:
            root[top(b)] = top(a)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(top(name), []).append(name)
    return list(found.values())


def _size_words(row: Mapping[str, Any]) -> str:
    sizes = row["measurements"] or {}
    if not {LONG_AXIS_MM, SHORT_AXIS_MM} <= sizes.keys():
        return "size not known"
    return f"{sizes[LONG_AXIS_MM]:.1f} x {sizes[SHORT_AXIS_MM]:.1f} mm"
