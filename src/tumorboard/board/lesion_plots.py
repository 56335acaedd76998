"""Maps of a cohort's marked lesions: drawn once as files, and as numbers for the page that lays its own points over
them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.lesion_figures import position_scatter, size_histograms
from tumorboard.board.marked import MarkedLesions
from tumorboard.board.plots import DARK, LIGHT, Theme
from tumorboard.board.point_map import MAP_AXES, flattened, vector_map
from tumorboard.board.similar import LesionVectors

if TYPE_CHECKING:
    from tumorboard.board.context import Board

__all__ = ["PointMap", "draw_lesion_plots", "place_map", "plane_map"]

_STEPS = 1000


@dataclass(frozen=True, eq=False)
class PointMap:
    """Typed lesions (n) in the plane: `places` (n, 2) are shares of the axes from the left and from the bottom."""

    places: NDArray[np.float64]
    patients: Sequence[str]
    labels: Sequence[str]
    left_out: int
    draw: Callable[[Theme], Any]
    shares: NDArray[np.float64] | None = None

    def data(self, names: dict[str, str]) -> dict[str, Any]:
        """For the page: axes as shares of the picture, patients with their pages, types, and per point its place in
        thousandths from the left and the top, its patient's and its type's number."""
        patients, types = list(dict.fromkeys(self.patients)), list(dict.fromkeys(self.labels))
        patient_number = {patient: number for number, patient in enumerate(patients)}
        type_number = {label: number for number, label in enumerate(types)}
        left, bottom, width, height = MAP_AXES
        x, y = np.rint(self.places * _STEPS).astype(int).T.tolist() if len(self.places) else ([], [])
        return {
            "axes": [round(left, 4), round(1 - bottom - height, 4), round(width, 4), round(height, 4)],
            "patients": [[patient, names[patient]] for patient in patients],
            "types": types,
            "points": [
                [a, _STEPS - b, patient_number[patient], type_number[label]]
                for a, b, patient, label in zip(x, y, self.patients, self.labels, strict=True)
            ],
        }


def place_map(lesions: MarkedLesions) -> PointMap | None:
    """Relative x and z as one who faces the patient sees them; None when no typed lesion has a place."""
    known = np.isfinite(lesions.location[:, [0, 2]]).all(axis=1) & lesions.typed
    rows = np.flatnonzero(known)
    if not len(rows):
        return None
    places = np.column_stack([lesions.location[rows, 0], 1 - lesions.location[rows, 2]])
    return PointMap(
        np.clip(places, 0, 1),
        [lesions.patient_id[row] for row in rows],
        [lesions.label[row] for row in rows],
        len(lesions) - len(rows),
        lambda theme: position_scatter(lesions, theme=theme),
    )


def plane_map(found: LesionVectors) -> PointMap | None:
    """The vectors of a run on their first two principal components; None when there is no run, or fewer than three
    typed lesions."""
    rows = np.flatnonzero(found.lesions.typed)
    if not found.learned or len(rows) < 3:
        return None
    places, shares = flattened(found.vectors[rows])
    low, high = places.min(axis=0), places.max(axis=0)
    room = 0.04 * np.maximum(high - low, 1e-9)
    low, high = low - room, high + room
    labels = found.lesions.types[rows].tolist()
    return PointMap(
        (places - low) / (high - low),
        found.lesions.patients[rows].tolist(),
        labels,
        len(found.lesions) - len(rows),
        lambda theme: vector_map(places, labels, shares=shares, limits=(low, high), theme=theme),
        shares,
    )


def draw_lesion_plots(board: Board, folder: Path) -> list[str]:
    """Write the plots of the marked lesions to `folder` in both themes and return their names."""
    wanted: dict[str, Callable[[Theme], Any]] = {}
    if len(board.marked):
        wanted["lesion-sizes"] = partial(_sizes, board.marked)
    if board.place_map is not None:
        wanted["lesion-places"] = board.place_map.draw
    if board.plane_map is not None:
        wanted["lesion-vectors"] = board.plane_map.draw
    for name, draw in wanted.items():
        for theme in (LIGHT, DARK):
            path = folder / f"{name}-{theme.name}.svg"
            draw(theme).savefig(path, metadata={"Date": None}, dpi=144)
    return list(wanted)


def _sizes(lesions: MarkedLesions, theme: Theme) -> Any:
    return size_histograms(lesions, theme=theme)
