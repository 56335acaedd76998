"""Truth of one lesion in one series: volume, box and RECIST axes of its true shape, landmarks of the body.

Nothing is measured in the image. The solid is drawn alone on a fine grid of its own (a twelfth of its smallest visible
radius or less), in the pose of the exam: its volume is the sum of occupancies, its axes are taken in the planes of the
acquired slices (the one with the longest is the key slice), from the contour interpolated between samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.phantom.abdomen import abdomen
from tumorboard.phantom.build import Build
from tumorboard.phantom.ct_scanner import Series, place_in
from tumorboard.phantom.render import Pose, render
from tumorboard.phantom.skeleton import skeleton
from tumorboard.phantom.solids import Solid
from tumorboard.phantom.tissue import TissueValues

__all__ = ["Measured", "landmarks", "measure"]

_CELLS = 56
_VOLUME_CELLS = 40


@dataclass(frozen=True, eq=False)
class Measured:
    """One lesion: true volume (ml), box (low, high; LPS mm), axis ends (long a, long b, short a, short b; (4, 3) LPS
    mm), their lengths (mm), the slice they lie in (index of the series' LPS grid), and whether the field cuts it."""

    volume_ml: float
    box_mm: NDArray[np.float64]
    points_mm: NDArray[np.float64]
    long_mm: float
    short_mm: float
    key_slice: int
    cut: bool


def measure(solid: Solid, series: Series, pose: Pose) -> Measured | None:
    """What is true of a lesion's solid in this series; None where no slice shows it."""
    low, high = solid.shape.bounds()
    grow = 3.0 * solid.rough_mm + 1.0
    centre = place_in(pose, ((low + high) / 2)[None])[0]
    half = ((high - low) / 2).max() / pose.scale + grow + 2.0
    box, volume_ml = _volume(solid, pose, centre, half)
    if volume_ml <= 0:
        return None
    planes = _planes(series.grid, box)
    best: tuple[float, float, NDArray[np.float64], int] | None = None
    for k in planes:
        found = _axes_in_plane(solid, pose, box, _plane_z(series.grid, k))
        if found is not None and (best is None or found[0] > best[0]):
            best = (*found, k)
    if best is None:
        return None
    first, last = _plane_z(series.grid, 0), _plane_z(series.grid, series.grid.shape[2] - 1)
    gap = series.grid.spacing_mm[2] / 2
    cut = bool(box[0, 2] < first - gap or box[1, 2] > last + gap or _leaves_field(series.grid, box))
    return Measured(volume_ml, box, best[2], best[0], best[1], best[3], cut)


def _plane_z(grid: Geometry, k: int) -> float:
    return float(grid.affine_lps[2, 3] + k * grid.affine_lps[2, 2])


def _planes(grid: Geometry, box: NDArray[np.float64]) -> range:
    step, start = grid.affine_lps[2, 2], grid.affine_lps[2, 3]
    first = int(np.ceil((box[0, 2] - start) / step))
    last = int(np.floor((box[1, 2] - start) / step))
    return range(max(first, 0), min(last, grid.shape[2] - 1) + 1)


def _leaves_field(grid: Geometry, box: NDArray[np.float64]) -> bool:
    edge = np.abs(grid.affine_lps[:2, 3]) + grid.spacing_mm[:2] / 2
    return bool((np.abs(box[:, :2]) > edge).any())


def _fine(shape: Sequence[int], spacing: Sequence[float], low: NDArray[np.float64]) -> Geometry:
    return Geometry.from_lps(shape, spacing_mm=spacing, origin_mm=low + np.asarray(spacing) / 2)


def _occupancy(solid: Solid, grid: Geometry, pose: Pose) -> NDArray[np.float32]:
    own = {solid.tissue: TissueValues(0.0, 1.0, 0.0, 0.0, 0.1, 0.0)}
    return render([solid], grid, pose, tissues=own, what="suv").values


def _volume(solid: Solid, pose: Pose, centre: NDArray[np.float64], half: float) -> tuple[NDArray[np.float64], float]:
    """Box (low, high) and volume from a cube of samples."""
    step = 2 * half / _VOLUME_CELLS
    grid = _fine((_VOLUME_CELLS,) * 3, (step,) * 3, centre - half)
    share = _occupancy(solid, grid, pose)
    inside = np.argwhere(share > 0.5)
    if not len(inside):
        return np.zeros((2, 3)), 0.0
    low, high = inside.min(axis=0) - 0.5, inside.max(axis=0) + 0.5
    corners = centre - half + (np.stack([low, high]) + 0.5) * step
    return corners, float(share.sum()) * step**3 / 1000.0


def _axes_in_plane(
    solid: Solid, pose: Pose, box: NDArray[np.float64], z: float
) -> tuple[float, float, NDArray[np.float64]] | None:
    """Long and short axis (mm) and their four ends (LPS) in the plane at height z."""
    middle, half = box.mean(axis=0)[:2], float(np.diff(box, axis=0).max()) / 2 + 1.0
    step = 2 * half / _CELLS
    grid = _fine((_CELLS, _CELLS, 1), (step, step, step), np.array([*(middle - half), z - step / 2]))
    share = _occupancy(solid, grid, pose)[:, :, 0]
    edge = _contour(share)
    if len(edge) < 3:
        return None
    start = middle - half + step / 2
    a, b = _farthest(edge)
    short = _across(share, a, b)
    if short is None:
        return None
    ends = np.array([a, b, *short]) * step + start
    points = np.column_stack([ends, np.full(4, z)])
    lengths = np.linalg.norm(points[::2] - points[1::2], axis=1)
    return float(lengths[0]), float(lengths[1]), points


def _contour(share: NDArray[np.float32]) -> NDArray[np.float64]:
    """Points (n, 2) in samples where the occupancy passes one half along rows and columns."""
    found = []
    for axis in (0, 1):
        values = np.moveaxis(share.astype(float), axis, 0) - 0.5
        rows, columns = np.nonzero(values[:-1] * values[1:] < 0)
        first, second = values[rows, columns], values[rows + 1, columns]
        at = np.column_stack([rows + first / (first - second), columns])
        found.append(at if axis == 0 else at[:, ::-1])
    return np.vstack(found)


def _farthest(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import cdist

    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:  # all on one line
        corners = points
    apart = cdist(corners, corners)
    i, j = np.unravel_index(int(apart.argmax()), apart.shape)
    return corners[i], corners[j]


def _across(
    share: NDArray[np.float32], a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Ends of the longest chord inside the lesion at right angles to the long axis a-b (samples)."""
    from scipy.ndimage import map_coordinates

    length = float(np.linalg.norm(b - a))
    along = (b - a) / max(length, 1e-9)
    normal = np.array([-along[1], along[0]])
    t, s = np.arange(0.0, length, 0.5), np.arange(-length, length, 0.25)
    at = a[:, None, None] + along[:, None, None] * t[None, :, None] + normal[:, None, None] * s[None, None, :]
    values = map_coordinates(share, at, order=1, mode="constant") - 0.5
    best, ends = 0.0, None
    for row in range(len(t)):
        line = values[row]
        turns = np.flatnonzero(line[:-1] * line[1:] < 0)
        crossing = s[turns] + 0.25 * line[turns] / (line[turns] - line[turns + 1])
        for enter, leave, k in zip(crossing, crossing[1:], turns, strict=False):
            if line[k + 1] > 0 and leave - enter > best:
                best, ends = leave - enter, (a + along * t[row] + normal * enter, a + along * t[row] + normal * leave)
    return ends


# ---- landmarks --------------------------------------------------------------------------------------------------


def landmarks(build: Build, pose: Pose) -> dict[str, NDArray[np.float64]]:
    """Scanner position (LPS mm) of six landmarks from head to feet, wherever the field ends."""
    liver = _part(abdomen(build), "liver")
    wing = _part(skeleton(build), "hip-bone")
    flare = 1.0 if build.male else 1.05
    points = {
        "skull base": (0.0, 10.0, -150.0),
        "top of lung": (0.0, 32.0, -267.0),
        "carina": (1.0, 12.0, -358.0),
        "upper liver edge": _top(liver),
        "iliac crest": _top(wing),
        "femoral head": (90.0 * flare, 4.0, -835.0),
    }
    placed = place_in(pose, np.array(list(points.values())))
    return dict(zip(points, placed, strict=True))


def _part(solids: Iterable[Solid], label: str) -> NDArray[np.float64]:
    """The first part of the first blob with this label."""
    shape = next(solid.shape for solid in solids if solid.label == label)
    part: NDArray[np.float64] = shape.parts[0]  # type: ignore[union-attr]
    return part


def _top(part: NDArray[np.float64]) -> tuple[float, float, float]:
    """Highest point of a superquadric: its support in the direction of z, closed form (dual exponent n / (n - 1))."""
    centre, radii, turned, n = part[:3], part[3:6], part[6:15].reshape(3, 3), part[15]
    up = turned[:, 2]  # the direction of z in the part's own axes
    dual = n / (n - 1)
    weights = np.abs(radii * up)
    reach = float((weights**dual).sum() ** (1 / dual))
    local = radii * np.sign(up) * (weights / reach) ** (dual - 1)
    x, y, z = centre + turned.T @ local
    return float(x), float(y), float(z)
