"""Solids on a voxel grid: HU, FDG uptake and labels, in one pose of the body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.phantom.frame import STANDARD_HEIGHT_MM
from tumorboard.phantom.noise import noise_tile
from tumorboard.phantom.solids import Blob, Loft, Solid, Tube
from tumorboard.phantom.tissue import TissueValues

__all__ = ["AIR_HU", "Pose", "Rendering", "render"]

AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Pose:
    """How the body lies in the scanner: everything that moves it without changing it.

    table_mm : world LPS position of the vertex. turn, tilt: of the head, degrees. yaw: of the whole body, degrees.
    breath_mm : downward shift of the diaphragm against the reference. warp (3, 5): amplitude (mm of the standard
    body), cells per mm and offsets of the smooth displacement of x, y and z. height_mm: stature.
    """

    table_mm: tuple[float, float, float]
    height_mm: float
    warp: NDArray[np.float64]
    turn: float = 0.0
    tilt: float = 0.0
    yaw: float = 0.0
    breath_mm: float = 0.0

    @property
    def scale(self) -> float:
        """Standard-body millimetres per real millimetre."""
        return STANDARD_HEIGHT_MM / self.height_mm

    def matrix(self, grid: Geometry) -> NDArray[np.float64]:
        """(3, 4): voxel index -> standard-body millimetres before head turn and warp."""
        c, s = np.cos(np.radians(self.yaw)), np.sin(np.radians(self.yaw))
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        affine = grid.affine_lps
        linear = self.scale * turn @ affine[:3, :3]
        shift = self.scale * turn @ (affine[:3, 3] - np.asarray(self.table_mm))
        return np.column_stack([linear, shift])

    def bends(self) -> NDArray[np.float64]:
        return np.array([np.radians(self.turn), np.radians(self.tilt), -170.0, -300.0, self.breath_mm, 10.0])


@dataclass(frozen=True, eq=False)
class Rendering:
    """Arrays in NIfTI order (i, j, k): values (HU or SUV), and labels with their names when they were asked for."""

    values: NDArray[np.float32]
    labels: NDArray[np.uint8]
    names: Mapping[int, str]


def render(
    solids: Sequence[Solid],
    grid: Geometry,
    pose: Pose,
    *,
    tissues: Mapping[str, TissueValues],
    what: Literal["hu", "suv"],
    with_labels: bool = False,
) -> Rendering:
    """Paint the solids on the grid, deeper layers last; occupancy of a voxel falls over one voxel width."""
    from tumorboard.phantom import kernels

    tile = noise_tile()
    ni, nj, nk = grid.shape
    matrix = pose.matrix(grid)
    x, y, z = kernels.body_places(matrix, np.array([ni, nj, nk]), tile, pose.warp, pose.bends())
    out = np.full((nk, nj, ni), AIR_HU if what == "hu" else 0.0, np.float32)
    labels = np.zeros((nk, nj, ni) if with_labels else (1, 1, 1), np.uint8)
    boxes = _BoxFinder(x, y, z, matrix)
    ramp = float(np.prod(grid.spacing_mm) ** (1 / 3)) * pose.scale
    numbers: dict[str, int] = {}
    buffer = np.empty(0, np.float32)
    for solid in solids:
        if not (solid.on_ct if what == "hu" else solid.on_pet):
            continue
        margin = solid.grow_mm + 3.0 * solid.rough_mm + ramp + max(solid.drawn_grow_mm + 3 * solid.drawn_rough_mm, 0)
        box = boxes.find(*solid.shape.bounds(), margin)
        if box is None:
            continue
        label = numbers.setdefault(solid.label, len(numbers) + 1) if with_labels and solid.label else 0
        shape = (box[1] - box[0], box[3] - box[2], box[5] - box[4])
        size = shape[0] * shape[1] * shape[2]
        if buffer.size < size:
            buffer = np.empty(size, np.float32)
        d = buffer[:size].reshape(shape)
        _distance(kernels, solid, x, y, z, box, boxes, margin, d)
        tissue = tissues[solid.tissue]
        hu = what == "hu"
        # Relief and texture belong to the structure, at the same place in every image of the patient:
        offset = np.array([crc32(f"{solid.tissue}{axis}{solid.label}".encode()) % 6400 / 100 for axis in "xyz"])
        kernels.paint(
            d, x, y, z, box, tile, offset, solid.grow_mm, solid.rough_mm, solid.rough_scale, solid.planes, ramp,
            tissue.hu if hu else tissue.suv, tissue.hu_texture if hu else tissue.suv_texture, tissue.cells_per_mm,
            tissue.slope_y if hu else 0.0, out, labels, label, solid.drawn_grow_mm, solid.drawn_rough_mm,
        )  # fmt: skip
    names = {number: name for name, number in numbers.items()}
    return Rendering(out.T, labels.T if with_labels else np.zeros(grid.shape, np.uint8), names)


class _BoxFinder:
    """Voxel box of a region of the standard body, margins for head turn and warp included."""

    def __init__(self, x: NDArray, y: NDArray, z: NDArray, matrix: NDArray[np.float64]) -> None:
        # Displacement of the true places against the plain affine ones, on a sparse lattice: the margin it takes.
        step = 8
        k, j, i = (np.arange(0, n, step) for n in x.shape)
        kk, jj, ii = np.meshgrid(k, j, i, indexing="ij")
        plain = np.einsum("ab,bkji->akji", matrix[:, :3], np.stack([ii, jj, kk])) + matrix[:, 3][:, None, None, None]
        self.inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 0, 1]]))
        self.shape = x.shape
        self.heights = plain[2]
        self.shift = [a[::step, ::step, ::step] - plain[n] for n, a in enumerate((x, y, z))]

    def find(self, low: NDArray[np.float64], high: NDArray[np.float64], margin: float) -> NDArray[np.int64] | None:
        near = (self.heights > low[2] - 60) & (self.heights < high[2] + 60)
        if not near.any():
            return None
        lows, highs = low - margin, high + margin
        for axis in range(3):
            moved = self.shift[axis][near]
            lows[axis] -= max(moved.max(), 0) + 2
            highs[axis] -= min(moved.min(), 0) - 2
        corners = np.array(np.meshgrid(*zip(lows, highs, strict=True), indexing="ij")).reshape(3, -1)
        index = self.inverse[:3, :3] @ corners + self.inverse[:3, 3][:, None]
        first = np.floor(index.min(axis=1)).astype(int)
        last = np.ceil(index.max(axis=1)).astype(int) + 1
        nk, nj, ni = self.shape
        i0, j0, k0 = np.maximum(first, 0)
        i1, j1, k1 = np.minimum(last, (ni, nj, nk))
        if i1 <= i0 or j1 <= j0 or k1 <= k0:
            return None
        return np.array([k0, k1, j0, j1, i0, i1], np.int64)


def _distance(kernels, solid: Solid, x, y, z, box, boxes: _BoxFinder, margin: float, d) -> None:
    shape = solid.shape
    if isinstance(shape, Blob):
        kernels.blob_distance(x, y, z, box, shape.parts, shape.blend_mm, d)
    elif isinstance(shape, Loft):
        kernels.loft_distance(x, y, z, box, shape.z_low, shape.step, shape.rows, d)
    elif isinstance(shape, Tube):
        low, high = shape.segment_bounds()
        # The distance is wanted a little beyond the wall it grows by; round joints need no more.
        found = [boxes.find(a, b, margin) for a, b in zip(low, high, strict=True)]
        empty = np.zeros(6, np.int64)
        each = np.stack([empty if f is None else f for f in found])
        kernels.tube_distance(x, y, z, box, shape.segments, np.asarray(shape.stretch, float), each, d)
