"""The frame of one mark: a patch of the CT aligned with the long axis and scaled to it, and the way back.

In the frame every lesion has the same length, so that one walker and one small network serve nodules of 5 mm and
masses of 20 cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.volume import Volume

__all__ = ["SHAPE", "Frame", "quarter_radius"]

Floats = NDArray[np.float64]
SHAPE = (40, 40, 24)
"""Samples of a patch: along the long axis, across it, along the body."""
_WINDOW = 2.0
"""Edge of the patch in long axes."""
_AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Frame:
    """Where a mark lies. centre: where the axes cross (RAS mm). along, across: unit vectors in the slice. long_mm,
    short_mm: whole axes. reach_mm: from the crossing to the four ends (long a, long b, short a, short b)."""

    centre: Floats
    along: Floats
    across: Floats
    long_mm: float
    short_mm: float
    reach_mm: tuple[float, float, float, float]

    @classmethod
    def of(cls, points_mm: Floats) -> Frame:
        """From the four ends of a RECIST pair, (4, 3) or 12 numbers. The two axes need not cross at right angles, nor
        at all: the crossing is that of the lines, kept within the middle of the long axis."""
        a, b, c, d = np.asarray(points_mm, float).reshape(4, 3)
        long_mm, short_mm = float(np.linalg.norm(b - a)), float(np.linalg.norm(d - c))
        along = (b - a) / max(long_mm, 1e-6)
        across = np.cross((0.0, 0.0, 1.0), along)
        across /= max(float(np.linalg.norm(across)), 1e-6)
        if (d - c) @ across < 0:
            c, d = d, c
        at = float(np.clip(((c + d) / 2 - a) @ along, 0.15 * long_mm, 0.85 * long_mm))
        centre = a + at * along
        low, high = float((centre - c) @ across), float((d - centre) @ across)
        least = max(0.15 * short_mm, 0.06 * long_mm)  # a sample of the patch at least
        return cls(centre, along, across, long_mm, short_mm, (at, long_mm - at, max(low, least), max(high, least)))

    @property
    def middle(self) -> Floats:
        """Centre of the plain ellipse: the middle of both axes."""
        low_a, high_a, low_b, high_b = self.reach_mm
        return self.centre + self.along * (high_a - low_a) / 2 + self.across * (high_b - low_b) / 2

    @property
    def depth_mm(self) -> float:
        """Half extent along the body that a mark in one slice suggests: the mean of both half axes."""
        return (self.long_mm + self.short_mm) / 4

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        edge = _WINDOW * self.long_mm
        return edge / SHAPE[0], edge / SHAPE[1], edge / SHAPE[2]

    def _basis(self) -> Floats:
        """Columns: long axis, across, along the body."""
        return np.column_stack([self.along, self.across, (0.0, 0.0, 1.0)])

    def local(self, world: Floats) -> Floats:
        """(n, 3) mm from the crossing: along, across, up."""
        return (world - self.centre) @ self._basis()

    def samples(self) -> Floats:
        """World position (n, 3) of every sample of the patch, C order."""
        axes = [(np.arange(n) - (n - 1) / 2) * h for n, h in zip(SHAPE, self.spacing_mm, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        middle = self.middle - self.centre
        return self.centre + middle + grid @ self._basis().T

    def cut(self, volume: Volume) -> NDArray[np.float32]:
        """The patch of a volume, linear between voxels; the edge goes on outside, no more than air is made up."""
        from scipy.ndimage import map_coordinates

        at = volume.geometry.to_index(self.samples()).T
        found = map_coordinates(
            volume.array.astype(np.float32, copy=False), at, order=1, mode="nearest", output=np.float32
        )
        return np.maximum(found.reshape(SHAPE), _AIR_HU)

    def window(self, grid: Geometry) -> tuple[list[int], list[int]]:
        """The voxels of `grid` (start, stop) that the patch covers."""
        half = _WINDOW * self.long_mm / 2
        corners = np.stack(np.meshgrid(*[(-half, half)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        index = grid.to_index(self.middle + corners @ self._basis().T)
        low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, np.array(grid.shape))
        high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, np.array(grid.shape))
        return low.tolist(), high.tolist()

    def paste(self, patch: NDArray[np.float32], grid: Geometry) -> tuple[list[int], NDArray[np.float32]]:
        """A patch read at the voxel centres of `grid` in its window: start of the window, values there."""
        from scipy.ndimage import map_coordinates

        low, high = self.window(grid)
        shape = [max(b - a, 0) for a, b in zip(low, high, strict=True)]
        index = np.stack(np.meshgrid(*(np.arange(a, a + n) for a, n in zip(low, shape, strict=True)), indexing="ij"))
        world = grid.to_world(index.reshape(3, -1).T)
        place = (world - self.middle) @ self._basis() / self.spacing_mm + (np.array(SHAPE) - 1) / 2
        values = map_coordinates(patch, place.T, order=1, mode="constant", cval=0.0, output=np.float32)
        return low, values.reshape(shape)


def quarter_radius(frame: Frame, local: Floats) -> Floats:
    """Relative radius (1 on the surface) of the body of four quarter ellipses through the ends of both axes, as deep
    as `depth_mm`; `local` (..., 3) in mm from the crossing."""
    low_a, high_a, low_b, high_b = frame.reach_mm
    u = local[..., 0] / np.where(local[..., 0] < 0, low_a, high_a)
    v = local[..., 1] / np.where(local[..., 1] < 0, low_b, high_b)
    w = local[..., 2] / frame.depth_mm
    found: Floats = np.sqrt(u**2 + v**2 + w**2)
    return found
