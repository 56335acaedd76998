"""Solids on a voxel grid: HU, FDG uptake and labels, in one pose of the body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.phantom.frame import STANDARD_HEIGHT_MM
from tumorboard.phantom.noise import noise_tile
from tumorboard.phantom.solids import Blob, Loft, Shape, Solid
from tumorboard.phantom.tissue import TissueValues

__all__ = ["AIR_HU", "BoxFinder", "Painter", "Pose", "Rendering", "paint_all", "render"]

AIR_HU = -1000.0
_LATTICE_MM = 12.0


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

    matrix = pose.matrix(grid)
    steps = np.maximum(1, np.round(_LATTICE_MM / grid.spacing_mm)).astype(np.int64)
    shape = np.array(grid.shape, np.int64)
    places = kernels.body_places(matrix, shape, steps, noise_tile(), pose.warp, pose.bends())
    ramp = float(np.prod(grid.spacing_mm) ** (1 / 3)) * pose.scale
    painter = Painter(places, _BoxFinder(*places, matrix), ramp, what=what, with_labels=with_labels)
    paint_all(painter, solids, tissues)
    return painter.rendering()


def paint_all(painter: Painter, solids: Sequence[Solid], tissues: Mapping[str, TissueValues]) -> None:
    """Lay the solids on the painter's canvas, in their order."""
    shown = [solid for solid in solids if (solid.on_ct if painter.hu else solid.on_pet)]
    distances = _Distances(painter, shown)
    for solid in shown:
        painter.paint(solid, distances.take(solid), tissues[solid.tissue])


class BoxFinder(Protocol):
    """Finds the voxel boxes (n, 6: k0, k1, j0, j1, i0, i1) that hold regions of the standard body."""

    def find(self, low: NDArray[np.float64], high: NDArray[np.float64], margin: float) -> NDArray[np.int64]: ...


class Painter:
    """The canvas: where each voxel lies in the standard body (x, y, z as (k, j, i) arrays), and what has been laid on
    it so far. `ramp`: one voxel in millimetres of the standard body; `background`: what it shows before (air, 0)."""

    def __init__(
        self,
        places: Sequence[NDArray[np.float32]],
        boxes: BoxFinder,
        ramp: float,
        *,
        what: str,
        with_labels: bool,
        background: float | None = None,
    ) -> None:
        from tumorboard.phantom import kernels

        self.kernels = kernels
        self.tile = noise_tile()
        self.x, self.y, self.z = places
        self.ramp, self.boxes = ramp, boxes
        self.hu = what == "hu"
        first = (AIR_HU if self.hu else 0.0) if background is None else background
        self.out = np.full(self.x.shape, first, np.float32)
        self.labels = np.zeros(self.x.shape if with_labels else (1, 1, 1), np.uint8)
        self.with_labels = with_labels
        self.numbers: dict[str, int] = {}

    def paint(self, solid: Solid, found: _Field | None, tissue: TissueValues) -> None:
        if found is None:
            return
        label = 0
        if self.with_labels and solid.label:
            label = self.numbers.setdefault(solid.label, len(self.numbers) + 1)
        # Relief belongs to the structure, at the same place in every image of the patient. Texture has a pattern of its
        # own in each modality: uptake within a tissue does not follow its density.
        offset = _tile_offset(solid.tissue, solid.label)
        texture_offset = offset if self.hu else _tile_offset(f"uptake of {solid.tissue}", solid.label)
        value, texture = (tissue.hu, tissue.hu_texture) if self.hu else (tissue.suv, tissue.suv_texture)
        self.kernels.paint(
            found.distance,
            self.x,
            self.y,
            self.z,
            found.box,
            self.tile,
            offset,
            solid.grow_mm,
            solid.rough_mm,
            solid.rough_scale,
            solid.planes,
            self.ramp,
            value,
            texture,
            tissue.cells_per_mm,
            texture_offset,
            tissue.slope_y if self.hu else 0.0,
            self.out,
            self.labels,
            label,
            solid.drawn_grow_mm,
            solid.drawn_rough_mm,
        )

    def rendering(self) -> Rendering:
        ni, nj, nk = self.out.T.shape
        labels = self.labels.T if self.with_labels else np.zeros((ni, nj, nk), np.uint8)
        return Rendering(self.out.T, labels, {number: name for name, number in self.numbers.items()})


def _tile_offset(tissue: str, label: str | None) -> NDArray[np.float64]:
    """Where in the noise tile the pattern of a structure begins."""
    return np.array([crc32(f"{tissue}{axis}{label}".encode()) % 6400 / 100 for axis in "xyz"])


@dataclass(frozen=True, eq=False)
class _Field:
    """Signed distance to a shape over a box of voxels (k0, k1, j0, j1, i0, i1)."""

    box: NDArray[np.int64]
    distance: NDArray[np.float32]


class _Distances:
    """Distance fields of shapes: made once for all solids that share a shape (a bone and its marrow), dropped after the
    last of them."""

    def __init__(self, painter: Painter, solids: Sequence[Solid]) -> None:
        self.painter = painter
        self.waiting: dict[int, int] = {}
        self.margins: dict[int, float] = {}
        self.fields: dict[int, _Field | None] = {}
        for solid in solids:
            key = id(solid.shape)
            drawn = max(solid.drawn_grow_mm + 3 * solid.drawn_rough_mm, 0.0)
            margin = solid.grow_mm + 3.0 * solid.rough_mm + painter.ramp + drawn
            self.waiting[key] = self.waiting.get(key, 0) + 1
            self.margins[key] = max(self.margins.get(key, -np.inf), margin)

    def take(self, solid: Solid) -> _Field | None:
        key = id(solid.shape)
        if key not in self.fields:
            self.fields[key] = self._make(solid.shape, self.margins[key])
        self.waiting[key] -= 1
        return self.fields[key] if self.waiting[key] else self.fields.pop(key)

    def _make(self, shape: Shape, margin: float) -> _Field | None:
        p = self.painter
        low, high = shape.bounds()
        found = p.boxes.find(low[None], high[None], margin)[0]
        if not found.any():
            return None
        d = np.empty((found[1] - found[0], found[3] - found[2], found[5] - found[4]), np.float32)
        if isinstance(shape, Blob):
            p.kernels.blob_distance(p.x, p.y, p.z, found, shape.parts, shape.blend_mm, margin, d)
        elif isinstance(shape, Loft):
            p.kernels.loft_distance(p.x, p.y, p.z, found, shape.z_low, shape.step, shape.rows, margin, d)
        else:
            each = p.boxes.find(*shape.segment_bounds(), margin)
            p.kernels.tube_distance(
                p.x, p.y, p.z, found, shape.segments, np.asarray(shape.stretch, float), each, margin, d
            )
        return _Field(found, d)


class _BoxFinder:
    """Voxel boxes of regions of the standard body, with margins for head turn and warp."""

    def __init__(self, x: NDArray, y: NDArray, z: NDArray, matrix: NDArray[np.float64]) -> None:
        # Displacement of the true places against the plain affine ones, on a sparse lattice, by slice of height:
        step = 8
        k, j, i = (np.unique(np.append(np.arange(0, n, step), n - 1)) for n in x.shape)
        kk, jj, ii = np.meshgrid(k, j, i, indexing="ij")
        plain = np.einsum("ab,bkji->akji", matrix[:, :3], np.stack([ii, jj, kk])) + matrix[:, 3][:, None, None, None]
        shift = np.stack([a[np.ix_(k, j, i)] for a in (x, y, z)]) - plain
        self.inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 0, 1]]))
        self.shape = x.shape
        slices = plain[2].reshape(len(k), -1)
        self.slice_low, self.slice_high = slices.min(axis=1), slices.max(axis=1)
        self.most = shift.reshape(3, len(k), -1).max(axis=2)
        self.least = shift.reshape(3, len(k), -1).min(axis=2)

    def find(self, low: NDArray[np.float64], high: NDArray[np.float64], margin: float) -> NDArray[np.int64]:
        """Boxes (n, 6) of regions low to high (n, 3); zeros where a region lies outside the grid. The displacement is
        bounded over the whole height of all the regions."""
        near = (self.slice_high > low[:, 2].min() - 70) & (self.slice_low < high[:, 2].max() + 70)
        if not near.any():
            return np.zeros((len(low), 6), np.int64)
        lows = low - margin - np.maximum(self.most[:, near].max(axis=1), 0) - 2
        highs = high + margin - np.minimum(self.least[:, near].min(axis=1), 0) + 2
        middle, half = (lows + highs) / 2, (highs - lows) / 2
        centre = middle @ self.inverse[:3, :3].T + self.inverse[:3, 3]
        reach = half @ np.abs(self.inverse[:3, :3]).T
        first = np.floor(centre - reach).astype(np.int64)
        last = np.ceil(centre + reach).astype(np.int64) + 1
        nk, nj, ni = self.shape
        i0, j0, k0 = np.maximum(first, 0).T
        i1, j1, k1 = np.minimum(last, (ni, nj, nk)).T
        boxes = np.stack([k0, k1, j0, j1, i0, i1], axis=1)
        boxes[(i1 <= i0) | (j1 <= j0) | (k1 <= k0)] = 0
        return boxes
