"""Planes through a patient, and volumes sampled on them.

Pictures follow the radiological convention: axial slices are seen from the feet and coronal ones from the front, so
the patient's right is at the left edge; sagittal slices have the patient's front at the left edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from tumorboard.core.volume import Volume

__all__ = ["AXIS", "VIEWS", "Plane", "plane_through", "sample"]

VIEWS = ("axial", "coronal", "sagittal")
AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}
"""World axis that a view looks along."""

# view -> (world axis of columns, world axis of rows, letters at the left, right, top and bottom edge)
_LAYOUT = {
    "axial": (0, 1, "RLAP"),
    "coronal": (0, 2, "RLSI"),
    "sagittal": (1, 2, "APSI"),
}


@dataclass(frozen=True)
class Plane:
    """A rectangle in patient space, as a picture of square pixels.

    `corner_mm` is the RAS position of the outer corner of the top left pixel; columns run along `-x` (axial,
    coronal) or `-y` (sagittal), rows along `-y` (axial) or `-z`. `level_mm` is the position along the third axis.
    """

    view: str
    corner_mm: NDArray[np.float64]
    level_mm: float
    size_mm: tuple[float, float]
    """Width, height."""
    shape: tuple[int, int]
    """Rows, columns."""

    @property
    def marks(self) -> str:
        """Letters of the left, right, top and bottom edge."""
        return _LAYOUT[self.view][2]

    def points_mm(self) -> NDArray[np.float64]:
        """RAS positions of the pixel centres, shape (rows, columns, 3)."""
        across, down, _ = _LAYOUT[self.view]
        rows, columns = self.shape
        points = np.empty((rows, columns, 3))
        points[..., AXIS[self.view]] = self.level_mm
        points[..., across] = self.corner_mm[across] - (np.arange(columns) + 0.5) * self.size_mm[0] / columns
        points[..., down] = (self.corner_mm[down] - (np.arange(rows) + 0.5) * self.size_mm[1] / rows)[:, None]
        return points

    def to_picture(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """RAS positions (..., 3) -> millimetres from the left and the top edge (..., 2)."""
        points = np.asarray(points_mm, float)
        across, down, _ = _LAYOUT[self.view]
        return np.stack(
            [self.corner_mm[across] - points[..., across], self.corner_mm[down] - points[..., down]], axis=-1
        )


def plane_through(
    view: str, centre_mm: ArrayLike, *, low_mm: ArrayLike, high_mm: ArrayLike, pixels: int = 360
) -> Plane:
    """The plane of `view` through `centre_mm`, over the world box `low_mm` to `high_mm`; its longer side has
    `pixels` pixels, which are square."""
    low, high = np.asarray(low_mm, float), np.asarray(high_mm, float)
    across, down, _ = _LAYOUT[view]
    pixel = max(high[across] - low[across], high[down] - low[down]) / pixels
    columns = max(1, round((high[across] - low[across]) / pixel))
    rows = max(1, round((high[down] - low[down]) / pixel))
    return Plane(
        view,
        high.copy(),
        float(np.asarray(centre_mm, float)[AXIS[view]]),
        (columns * pixel, rows * pixel),
        (rows, columns),
    )


def sample(volume: Volume, points_mm: NDArray[np.float64], *, method: str = "linear") -> NDArray[np.float32]:
    """Values of `volume` at RAS positions (..., 3); NaN outside its outer edges.

    `method` is ``linear`` for intensities, ``nearest`` for labels.
    """
    index = np.moveaxis(volume.geometry.to_index(points_mm), -1, 0)
    values = ndimage.map_coordinates(
        volume.array, index, output=np.float32, order=1 if method == "linear" else 0, mode="nearest"
    )
    inside = _inside(index, volume.shape)
    return np.where(inside, values, np.float32(np.nan))


def _inside(index: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.bool_]:
    limits = np.asarray(shape, float).reshape(3, *([1] * (index.ndim - 1)))
    return np.logical_and(index >= -0.5, index <= limits - 0.5).all(axis=0)
