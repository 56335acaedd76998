"""Where voxels are: a grid in patient space.

World coordinates are RAS+ millimetres, the NIfTI convention: +x right, +y anterior, +z superior. DICOM, ITK
and RTSTRUCT speak LPS; the two differ by the sign of x and y, and only `affine_lps` and `from_lps` cross
between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core import codes
from tumorboard.core.errors import TumorboardError

__all__ = ["Geometry"]

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_POSITIVE = "RAS"
_NEGATIVE = "LPI"


@dataclass(frozen=True, eq=False)
class Geometry:
    """Shape (3 voxel counts) and 4x4 affine from voxel index (centre of voxel) to RAS millimetres.

    Errors: GEO103 when the shape is not three positive counts, GEO101 when the affine is not finite,
    not invertible or has another last row than (0, 0, 0, 1).
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        affine = np.array(self.affine, dtype=np.float64)
        if len(shape) != 3 or min(shape) < 1:
            raise TumorboardError(
                codes.GEOMETRY_SHAPE, "grid", found=f"shape {shape}", expected="three positive counts"
            )
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise TumorboardError(
                codes.GEOMETRY_AFFINE,
                "grid",
                found=f"affine {affine.tolist()}",
                expected="a finite 4x4 matrix",
            )
        columns = np.linalg.norm(affine[:3, :3], axis=0)
        volume = abs(np.linalg.det(affine[:3, :3]))
        if not np.array_equal(affine[3], [0, 0, 0, 1]) or volume <= 1e-6 * max(float(np.prod(columns)), 1e-300):
            raise TumorboardError(
                codes.GEOMETRY_AFFINE,
                "grid",
                found=f"a singular or projective affine {affine.tolist()}",
                expected="three independent axes and a last row of 0 0 0 1",
            )
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_lps(
        cls,
        shape: Sequence[int],
        *,
        spacing_mm: ArrayLike,
        origin_mm: ArrayLike,
        direction: ArrayLike | None = None,
    ) -> Geometry:
        """A grid as DICOM and ITK state it: spacing, LPS origin of voxel (0, 0, 0), 3x3 direction cosines
        whose *columns* are the voxel axes (identity when not given)."""
        affine = np.eye(4)
        cosines = np.eye(3) if direction is None else np.asarray(direction, float).reshape(3, 3)
        affine[:3, :3] = cosines * np.asarray(spacing_mm, float)
        affine[:3, 3] = np.asarray(origin_mm, float)
        return cls(_three(shape), _LPS @ affine)

    # ---- what it looks like -------------------------------------------------------------------------
    @property
    def affine_lps(self) -> NDArray[np.float64]:
        """The same grid in DICOM's LPS millimetres."""
        lps: NDArray[np.float64] = _LPS @ self.affine
        return lps

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Distance between neighbouring voxel centres along each voxel axis."""
        spacing: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return spacing

    @property
    def direction(self) -> NDArray[np.float64]:
        """3x3 unit vectors of the voxel axes, as columns, in RAS."""
        direction: NDArray[np.float64] = self.affine[:3, :3] / self.spacing_mm
        return direction

    @property
    def origin_mm(self) -> NDArray[np.float64]:
        """RAS position of the centre of voxel (0, 0, 0)."""
        return self.affine[:3, 3].copy()

    @property
    def voxel_volume_ml(self) -> float:
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def extent_mm(self) -> NDArray[np.float64]:
        """Edge-to-edge length along each voxel axis."""
        extent: NDArray[np.float64] = self.spacing_mm * np.asarray(self.shape)
        return extent

    @property
    def axis_codes(self) -> str:
        """Three letters, e.g. ``LPS``: the direction in which each voxel index grows, nearest anatomical axis."""
        letters = []
        for axis, row in enumerate(self._nearest_axes()):
            letters.append((_POSITIVE if self.direction[row, axis] > 0 else _NEGATIVE)[row])
        return "".join(letters)

    @property
    def is_orthogonal(self) -> bool:
        """Whether the voxel axes stand at right angles (a sheared grid does not)."""
        gram = self.direction.T @ self.direction
        return bool(np.abs(gram - np.eye(3)).max() < 1e-4)

    @property
    def is_axis_aligned(self) -> bool:
        """Whether every voxel axis runs along an anatomical axis (up to 0.001 degrees)."""
        return bool(np.abs(np.abs(self.direction).max(axis=0) - 1).max() < 1e-9) or bool(
            (np.sort(np.abs(self.direction), axis=0)[:2] < 2e-5).all()
        )

    def _nearest_axes(self) -> list[int]:
        """World axis (0 x, 1 y, 2 z) closest to each voxel axis, each used once."""
        weights = np.abs(self.direction).copy()
        nearest = [-1, -1, -1]
        for _ in range(3):
            row, axis = np.unravel_index(int(np.argmax(weights)), weights.shape)
            nearest[int(axis)] = int(row)
            weights[row, :] = -1
            weights[:, axis] = -1
        return nearest

    # ---- points -------------------------------------------------------------------------------------
    def to_world(self, index: ArrayLike) -> NDArray[np.float64]:
        """Voxel index (..., 3), fractions allowed -> RAS mm (..., 3)."""
        world: NDArray[np.float64] = np.asarray(index, float) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return world

    def to_index(self, world_mm: ArrayLike) -> NDArray[np.float64]:
        """RAS mm (..., 3) -> fractional voxel index (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        index: NDArray[np.float64] = np.asarray(world_mm, float) @ inverse[:3, :3].T + inverse[:3, 3]
        return index

    def corners_mm(self) -> NDArray[np.float64]:
        """The eight outer corners (voxel edges, not centres), shape (8, 3)."""
        grid = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in self.shape], indexing="ij")).reshape(3, -1).T
        return self.to_world(grid)

    def bounds_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest world-aligned box round the grid: (low, high), each (3,)."""
        corners = self.corners_mm()
        return corners.min(axis=0), corners.max(axis=0)

    def overlap_ml(self, other: Geometry) -> float:
        """Volume of the intersection of the two world-aligned bounding boxes; 0 when they do not meet."""
        low = np.maximum(self.bounds_mm()[0], other.bounds_mm()[0])
        high = np.minimum(self.bounds_mm()[1], other.bounds_mm()[1])
        return float(np.prod(np.clip(high - low, 0, None))) / 1000.0

    def same_grid(self, other: Geometry, *, tolerance_mm: float = 1e-3) -> bool:
        """Equal shape, and no corner of the grid further than `tolerance_mm` from its twin."""
        if self.shape != other.shape:
            return False
        return bool(np.linalg.norm(self.corners_mm() - other.corners_mm(), axis=1).max() <= tolerance_mm)

    # ---- derived grids ------------------------------------------------------------------------------
    def crop(self, start: Sequence[int], stop: Sequence[int]) -> Geometry:
        """The grid of voxels start (included) to stop (excluded); negative starts or stops beyond the
        shape extend the grid (the geometry of padding)."""
        low = np.asarray(start, int)
        size = np.asarray(stop, int) - low
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world(low)
        return Geometry(_three(size.tolist()), affine)

    def flip(self, axis: int) -> Geometry:
        """The same places with the index of one voxel axis running backwards."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, axis] * (self.shape[axis] - 1)
        affine[:3, axis] *= -1
        return Geometry(self.shape, affine)

    def permute(self, axes: Sequence[int]) -> Geometry:
        """The same places with the voxel axes in another order."""
        order = list(axes)
        affine = self.affine.copy()
        affine[:3, :3] = affine[:3, order]
        return Geometry(_three([self.shape[a] for a in order]), affine)

    def with_spacing(self, spacing_mm: ArrayLike) -> Geometry:
        """A grid over the same box (outer edges kept at the low corner) with another spacing; the voxel
        count is rounded to the nearest, so the far edge may move by up to half a new voxel."""
        new = np.broadcast_to(np.asarray(spacing_mm, float), (3,))
        count = np.maximum(np.rint(self.extent_mm / new), 1).astype(int)
        affine = self.affine.copy()
        affine[:3, :3] = self.direction * new
        affine[:3, 3] = self.to_world((-0.5, -0.5, -0.5)) + affine[:3, :3] @ np.full(3, 0.5)
        return Geometry(_three(count.tolist()), affine)

    def reorientation(self, target: str) -> tuple[list[int], list[int]]:
        """Permutation and list of (new) axes to flip that bring this grid nearest to `target`, e.g. ``RAS``."""
        codes_now = self.axis_codes
        same = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
        now = [same[c] for c in codes_now]
        if sorted(same.get(c, -1) for c in target) != [0, 1, 2]:
            raise ValueError(f"orientation {target!r} is not three letters such as RAS or LPS")
        order = [now.index(same[c]) for c in target]
        flips = [new for new, old in enumerate(order) if codes_now[old] != target[new]]
        return order, flips

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.affine, other.affine)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        spacing = " x ".join(f"{s:.3g}" for s in self.spacing_mm)
        size = " x ".join(str(n) for n in self.shape)
        return f"Geometry({size} voxels of {spacing} mm, {self.axis_codes})"


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    if len(values) != 3:
        raise TumorboardError(
            codes.GEOMETRY_SHAPE, "grid", found=f"{len(values)} axes {tuple(values)}", expected="three axes"
        )
    return (int(values[0]), int(values[1]), int(values[2]))
