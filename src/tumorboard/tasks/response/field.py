"""Whether the images of an exam show a place that was marked at another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry

__all__ = ["Fields"]

Floats = NDArray[np.float64]


class Fields:
    """The fields of view of one patient's exams, aligned by what several of them show.

    `grids`: exam -> grids of its images. `anchors`: name of a thing (lesion, landmark) -> exam -> its place (RAS mm).
    Exams are aligned by the median shift of the anchors that both show: breathing and another table leave centimetres,
    which `margin_mm` must cover. Without a common anchor nothing is known (None).
    """

    def __init__(
        self, grids: Mapping[str, Sequence[Geometry]], anchors: Mapping[str, Mapping[str, Floats]], *, margin_mm: float
    ) -> None:
        self._grids, self._anchors, self._margin = grids, anchors, margin_mm

    def shows(self, exam: str, place_mm: Floats, *, seen_in: str) -> bool | None:
        """Whether `exam` shows the place that lies at `place_mm` in the frame of exam `seen_in`."""
        grids = self._grids.get(exam, ())
        shift = self._shift(seen_in, exam)
        if not grids or shift is None:
            return None
        return any(self._inside(grid, place_mm + shift) for grid in grids)

    def _shift(self, start: str, end: str) -> Floats | None:
        if start == end:
            return np.zeros(3)
        shifts = [places[end] - places[start] for places in self._anchors.values() if start in places and end in places]
        return np.median(shifts, axis=0) if shifts else None

    def _inside(self, grid: Geometry, place_mm: Floats) -> bool:
        index = grid.to_index(place_mm)
        rim = self._margin / grid.spacing_mm
        return bool(((index >= rim - 0.5) & (index <= np.asarray(grid.shape) - 0.5 - rim)).all())
