"""Solids that anatomy is built from: superquadric blobs, tubes, lofts; each with a tissue and, maybe, a label.

Coordinates are those of the standard body (`phantom.frame`): x to the patient's left, y to the back, z up, zero at
the vertex, millimetres of a body 1,750 mm tall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Blob", "Layer", "Loft", "Shape", "Solid", "Tube", "ball", "blob", "loft", "rotation", "spline", "tube"]

_NO_PLANES = np.zeros((0, 4))


@dataclass(frozen=True, eq=False)
class Blob:
    """Smooth union of superquadrics. `parts` (n, 16): centre, radii, world-to-local rotation by rows, exponent."""

    parts: NDArray[np.float64]
    blend_mm: float = 0.0

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        centre, radii = self.parts[:, :3], self.parts[:, 3:6]
        turned = self.parts[:, 6:15].reshape(-1, 3, 3)
        # A superquadric lies inside its own box, whose half extents along the world axes are these:
        ellipsoidal = self.parts[:, 15] <= 2.0
        squares = np.sqrt(np.einsum("nij,ni->nj", turned**2, radii**2))
        boxes = np.einsum("nij,ni->nj", np.abs(turned), radii)
        reach = np.where(ellipsoidal[:, None], squares, boxes) + self.blend_mm / 4
        return (centre - reach).min(axis=0), (centre + reach).max(axis=0)


@dataclass(frozen=True, eq=False)
class Tube:
    """Union of round cones. `segments` (n, 8): x y z radius of both ends; `stretch` flattens the section."""

    segments: NDArray[np.float64]
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def segment_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first, second = self.segments[:, :3], self.segments[:, 4:7]
        reach = np.maximum(self.segments[:, 3], self.segments[:, 7])[:, None] * np.asarray(self.stretch)
        return np.minimum(first, second) - reach, np.maximum(first, second) + reach

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, high = self.segment_bounds()
        return low.min(axis=0), high.max(axis=0)


@dataclass(frozen=True, eq=False)
class Loft:
    """Stack of superelliptic sections: `rows` (n, 5) are cx, cy, half width, half depth, exponent at
    z_low + row * step."""

    z_low: float
    step: float
    rows: NDArray[np.float64]

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x_low, x_high = (self.rows[:, 0] - self.rows[:, 2]).min(), (self.rows[:, 0] + self.rows[:, 2]).max()
        y_low, y_high = (self.rows[:, 1] - self.rows[:, 3]).min(), (self.rows[:, 1] + self.rows[:, 3]).max()
        z_high = self.z_low + self.step * (len(self.rows) - 1)
        return np.array([x_low, y_low, self.z_low]), np.array([x_high, y_high, z_high])

    def section(self, z: float) -> NDArray[np.float64]:
        """cx, cy, half width, half depth, exponent at one height (the nearest end outside the stack)."""
        t = min(max((float(z) - self.z_low) / self.step, 0.0), len(self.rows) - 1.0)
        index = min(int(t), len(self.rows) - 2)
        row: NDArray[np.float64] = self.rows[index] + (t - index) * (self.rows[index + 1] - self.rows[index])
        return row


Shape = Blob | Tube | Loft


class Layer:
    """Painting order: what lies deeper in the list replaces what stands above it."""

    OUTLINE = 0
    WALL = 10  # the muscular wall under the skin's fat
    CAVITY = 14  # fat and organs' space inside the wall
    LUNG = 18
    MUSCLE = 20
    VISCERA = 30
    LUMEN = 35
    VESSEL = 40
    LESION = 45
    BONE = 50
    MARROW = 54
    CANAL = 58
    BRAIN = 60
    INNER = 64
    METAL = 70


@dataclass(frozen=True, eq=False)
class Solid:
    """One shape made of one tissue, laid over whatever was painted before it.

    layer : painting order, see `Layer`; solids of one layer keep the order in which they were made.
    grow_mm : offset of the surface (negative: the inside of a wall).
    rough_mm, rough_scale : amplitude of surface relief, and its cells per mm.
    planes : rows n_x n_y n_z c; only n . p <= c stays.
    label : organ name in the label map; None leaves the labels as they are.
    on_ct, on_pet : whether the solid shows in that image (contrast-only or uptake-only structures).
    """

    shape: Shape
    tissue: str
    layer: int = 30
    grow_mm: float = 0.0
    rough_mm: float = 0.0
    rough_scale: float = 0.15
    planes: NDArray[np.float64] = field(default_factory=lambda: _NO_PLANES)
    label: str | None = None
    drawn_grow_mm: float = 0.0
    drawn_rough_mm: float = 0.0
    on_ct: bool = True
    on_pet: bool = True


def rotation(*, about_x: float = 0.0, about_y: float = 0.0, about_z: float = 0.0) -> NDArray[np.float64]:
    """World-to-local matrix of a part turned by these degrees about x, then y, then z."""
    matrix = np.eye(3)
    for axis, degrees in ((0, about_x), (1, about_y), (2, about_z)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.eye(3)
        a, b = [(1, 2), (2, 0), (0, 1)][axis]
        turn[a, a] = turn[b, b] = c
        turn[a, b], turn[b, a] = -s, s
        matrix = turn @ matrix
    return matrix.T


def ball(
    centre: ArrayLike, radii: ArrayLike, *, exponent: float = 2.0, turned: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """One part of a blob: a superquadric about `centre` with half axes `radii` (mm)."""
    matrix = np.eye(3) if turned is None else turned
    half = np.broadcast_to(np.asarray(radii, float), (3,))
    return np.concatenate([np.asarray(centre, float), half, matrix.ravel(), [exponent]])


def blob(*parts: NDArray[np.float64], blend_mm: float = 0.0) -> Blob:
    """Smooth union of parts made by `ball`."""
    return Blob(np.stack(parts), blend_mm)


def tube(
    *paths: Sequence[Sequence[float]], smooth: int = 0, stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Tube:
    """Tube along one or more paths of (x, y, z, radius) points; `smooth` > 0 puts that many spline pieces
    between neighbouring points."""
    pieces = []
    for path in paths:
        points = np.asarray(path, float)
        if smooth and len(points) > 2:
            points = spline(points, smooth)
        pieces.append(np.hstack([points[:-1], points[1:]]))
    return Tube(np.vstack(pieces), stretch)


def spline(points: NDArray[np.float64], pieces: int) -> NDArray[np.float64]:
    """Catmull-Rom curve through the rows of `points`, `pieces` steps between two of them."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, pieces, endpoint=False)[:, None]
    curve = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        curve.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*curve, points[-1]])


def loft(stations: Sequence[Sequence[float]], *, step: float = 2.0) -> Loft:
    """Sections between stations (z, cx, cy, half width, half depth, exponent), monotone cubic in z."""
    from scipy.interpolate import PchipInterpolator

    table = np.asarray(sorted(stations), float)
    z = np.arange(table[0, 0], table[-1, 0] + step / 2, step)
    rows = PchipInterpolator(table[:, 0], table[:, 1:5])(np.minimum(z, table[-1, 0]))
    exponents = np.interp(z, table[:, 0], table[:, 5])
    exponents = np.round(exponents * 2) / 2  # the compiled powers: 2, 2.5, 3, 4
    return Loft(float(z[0]), step, np.column_stack([rows, exponents]))
