"""How a chest X-ray is taken: focus, film, central ray, and how the patient stands before them.

World coordinates are those of the posed body in real millimetres: x to the patient's left, y to the back, z up, zero at
the vertex. The film is seen as radiologists see it: the patient's right on the left of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.frame import STANDARD_HEIGHT_MM
from tumorboard.phantom.noise import noise_tile
from tumorboard.phantom.solids import rotation

__all__ = ["RayGrid", "View", "still_warp"]

_LATTICE = 8
_PIVOT = np.array([0.0, 20.0, -400.0])
_WARP_MM = 18.0  # no warp moves a point further


def still_warp() -> NDArray[np.float64]:
    """A warp that moves nothing."""
    return np.array([[0.0, 0.02, 0.0, 0.0, 0.0]] * 3)


@dataclass(frozen=True, eq=False)
class View:
    """One exposure: projection and place.

    projection : ``PA`` (focus behind, film before the chest), ``AP`` (film behind the back) or ``LATERAL`` (left side
        at the film).
    focus_film_mm : 1800 upright, about 1000 for portable films. film_gap_mm : film to the nearest skin.
    centre_mm : x and z (real mm) that the central ray meets. field_mm : width and height of the exposed field at the
        film. pixel_mm : of the picture, at the film. height_mm : stature. turn, tilt, roll : of the body about its long
        axis (positive: the left side goes back), towards the film (lordotic), in the plane of the film; degrees.
    warp (3, 5) : smooth displacement, as in `render.Pose`.
    """

    projection: Literal["PA", "AP", "LATERAL"] = "PA"
    focus_film_mm: float = 1800.0
    film_gap_mm: float = 15.0
    centre_mm: tuple[float, float] = (0.0, -400.0)
    field_mm: tuple[float, float] = (400.0, 400.0)
    pixel_mm: float = 0.8
    half_depth_mm: float = 130.0
    height_mm: float = STANDARD_HEIGHT_MM
    turn: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    warp: NDArray[np.float64] = field(default_factory=still_warp)

    @property
    def scale(self) -> float:
        """Standard-body millimetres per real millimetre."""
        return STANDARD_HEIGHT_MM / self.height_mm

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the picture."""
        return round(self.field_mm[0] / self.pixel_mm), round(self.field_mm[1] / self.pixel_mm)

    @property
    def pivot(self) -> NDArray[np.float64]:
        return _PIVOT / self.scale

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """World to body about the pivot."""
        aside = -90.0 if self.projection == "LATERAL" else 0.0
        return rotation(about_z=self.turn + aside) @ rotation(about_x=self.tilt) @ rotation(about_y=self.roll)

    @cached_property
    def geometry(self) -> NDArray[np.float64]:
        """Focus-film distance, +1 film in front or -1 behind, y of the film, x and z of the central ray."""
        sign = -1.0 if self.projection == "AP" else 1.0
        film_y = self.pivot[1] - sign * (self.half_depth_mm + self.film_gap_mm)
        return np.array([self.focus_film_mm, sign, film_y, *self.centre_mm])

    def magnification(self, y_mm: float) -> float:
        """Of an object at this depth (real millimetres, body upright and not turned)."""
        focus, sign, film_y, *_ = self.geometry
        return float(focus / (focus - sign * (y_mm - film_y)))

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard-body points (n, 3) -> (n, 3): column and row in pixels, and pixels per standard millimetre there."""
        from tumorboard.phantom.radiograph_kernels import to_posed

        posed = to_posed(np.ascontiguousarray(points, float), noise_tile(), self.warp) / self.scale
        world = (posed - self.pivot) @ self.matrix + self.pivot
        focus, sign, film_y, x0, z0 = self.geometry
        oid = sign * (world[:, 1] - film_y)
        grow = focus / (focus - oid)
        columns, rows = self.size
        u = (world[:, 0] - x0) * grow / self.pixel_mm + (columns - 1) / 2
        v = (z0 - world[:, 2]) * grow / self.pixel_mm + (rows - 1) / 2
        return np.column_stack([u, v, grow / (self.pixel_mm * self.scale)])

    def towards_ray(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit direction of the central ray in standard-body axes, for each of n points (n, 3)."""
        return np.broadcast_to(self.matrix @ np.array([0.0, 1.0, 0.0]), points.shape)

    def shifted(self, *, column_mm: float = 0.0, row_mm: float = 0.0) -> View:
        """The same exposure with the field moved over the body."""
        x, z = self.centre_mm
        return replace(self, centre_mm=(x + column_mm, z - row_mm))


@dataclass(frozen=True, eq=False)
class RayGrid:
    """Samples along the rays through a part of the body: places (k, j, i) and how to find regions among them.

    first, step_px : first picture pixel (column, row) and spacing of the rays in picture pixels. depth_mm : distance
    from the film of the first sample, and spacing.
    """

    view: View
    size: tuple[int, int, int]
    first: tuple[float, float]
    step_px: float
    depth_mm: tuple[float, float]

    @classmethod
    def around(
        cls, view: View, low: Sequence[float], high: Sequence[float], *, step_px: float, depth_mm: float
    ) -> RayGrid:
        """A grid that holds the box low-high of the standard body, as far as the picture shows it."""
        columns, rows = view.size
        u, v, w = _box_on_film(view, np.asarray(low, float)[None], np.asarray(high, float)[None])
        u0, u1 = max(0.0, u[0, 0] - 2), min(columns - 1.0, u[0, 1] + 2)
        v0, v1 = max(0.0, v[0, 0] - 2), min(rows - 1.0, v[0, 1] + 2)
        count = (
            2 * max(1, int(np.ceil((u1 - u0) / step_px / 2)) + 1),
            2 * max(1, int(np.ceil((v1 - v0) / step_px / 2)) + 1),
            int(np.ceil((w[0, 1] - w[0, 0]) / depth_mm)) + 1,
        )
        return cls(view, count, (float(u0), float(v0)), step_px, (float(w[0, 0]), depth_mm))

    def places(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """x, y, z in the standard body of every sample, each (k, j, i)."""
        from tumorboard.phantom.radiograph_kernels import ray_places

        view = self.view
        columns, rows = view.size
        corner = (np.array(self.first) - (np.array([columns, rows]) - 1) / 2) * view.pixel_mm
        step = np.full(2, self.step_px * view.pixel_mm)
        x, y, z = ray_places(
            np.array(self.size, np.int64),
            corner,
            step,
            np.array(self.depth_mm),
            view.geometry,
            view.matrix,
            view.pivot,
            view.scale,
            noise_tile(),
            view.warp,
            _LATTICE,
        )
        return x, y, z

    def find(self, low: NDArray[np.float64], high: NDArray[np.float64], margin: float) -> NDArray[np.int64]:
        """Sample boxes (n, 6) of regions of the standard body; zeros where a region lies outside the grid."""
        u, v, w = _box_on_film(self.view, low - margin, high + margin)
        i = (u - self.first[0]) / self.step_px
        j = (v - self.first[1]) / self.step_px
        k = (w - self.depth_mm[0]) / self.depth_mm[1]
        boxes = np.zeros((len(low), 6), np.int64)
        for place, (axis, count) in enumerate(((k, self.size[2]), (j, self.size[1]), (i, self.size[0]))):
            boxes[:, 2 * place] = np.clip(np.floor(axis[:, 0]) - 1, 0, count)
            boxes[:, 2 * place + 1] = np.clip(np.ceil(axis[:, 1]) + 2, 0, count)
        empty = (boxes[:, 1] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 2]) | (boxes[:, 5] <= boxes[:, 4])
        boxes[empty] = 0
        return boxes

    def to_picture(self, film: NDArray[np.float32], *, smooth: bool = True) -> NDArray[np.float32]:
        """A film on this grid's rays (j, i), over the whole picture (0 outside the grid)."""
        from scipy import ndimage

        if smooth:  # evens out the staggered samples of each 2 x 2 block
            film = ndimage.uniform_filter(film, 2, mode="nearest", origin=-1) * 0.5 + 0.5 * ndimage.uniform_filter(
                film, 2, mode="nearest"
            )
        columns, rows = self.view.size
        j = (np.arange(rows) - self.first[1]) / self.step_px
        i = (np.arange(columns) - self.first[0]) / self.step_px
        inside_j = (j > -1) & (j < self.size[1])
        inside_i = (i > -1) & (i < self.size[0])
        out = np.zeros((rows, columns), np.float32)
        down = _interpolate(film, np.clip(j[inside_j], 0, self.size[1] - 1), 0)
        out[np.ix_(inside_j, inside_i)] = _interpolate(down, np.clip(i[inside_i], 0, self.size[0] - 1), 1)
        return out


def _interpolate(array: NDArray[np.float32], at: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    """Linear along one axis."""
    low = np.minimum(at.astype(np.int64), max(array.shape[axis] - 2, 0))
    share = (at - low).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None, :]
    high = np.minimum(low + 1, array.shape[axis] - 1)
    return np.asarray(array.take(low, axis) * (1 - share) + array.take(high, axis) * share)


def _box_on_film(
    view: View, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Bounds (n, 2) of boxes of the standard body in columns, rows and distance from the film (a cone beam keeps
    convex things convex, so corners bound them; the warp is added as a margin)."""
    moved = np.abs(view.warp[:, 0]) * 3.0
    low, high = low - np.minimum(moved, _WARP_MM), high + np.minimum(moved, _WARP_MM)
    corners = np.stack([np.where(np.array(pick), high, low) for pick in np.ndindex(2, 2, 2)], axis=1) / view.scale
    world = (corners - view.pivot) @ view.matrix + view.pivot
    focus, sign, film_y, x0, z0 = view.geometry
    oid = sign * (world[..., 1] - film_y)
    grow = focus / (focus - oid)
    columns, rows = view.size
    u = (world[..., 0] - x0) * grow / view.pixel_mm + (columns - 1) / 2
    v = (z0 - world[..., 2]) * grow / view.pixel_mm + (rows - 1) / 2
    return tuple(np.stack([a.min(axis=1), a.max(axis=1)], axis=1) for a in (u, v, oid))  # type: ignore[return-value]
