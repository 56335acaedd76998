"""One CT laid over another CT of the same patient: level by profile of the body, then an affine map on a coarse grid.

The map is found by SimpleITK on windowed HU of both bodies at about 4 mm, from a start along z that is stated (a body
part, a landmark) or found by sliding one profile of areas (body, air inside, bone) along the other. It may be refused:
two exams often show no common part of the body, and a registration always answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops import codes
from tumorboard.ops.resample import resample_to

__all__ = ["Affine", "CoarseBody", "coarse_body", "level_offset", "register"]

_BODY_HU, _AIR_HU, _BONE_HU = -300.0, -600.0, 250.0
_LOW_HU, _HIGH_HU = -200.0, 300.0
_LEAST_SLICES = 5
_ALIKE = 0.55
"""Correlation of the windowed HU of two bodies, once laid over one another, below which they are called apart."""
_RIM_MM = 12.0
_LEAST_VOXELS = 100
_SCALES = (0.8, 1.25)
"""Scalings of one patient between two scans beyond which a map is not believed."""


@dataclass(frozen=True, eq=False)
class CoarseBody:
    """A CT on a coarse RAS grid, ready to be registered: HU (i, j, k), the body (i, j, k), its grid, and per slice the
    areas of body, air inside and bone in cm2 (k, 3)."""

    hu: NDArray[np.float32]
    body: NDArray[np.bool_]
    grid: Geometry
    profile_cm2: NDArray[np.float64]

    @property
    def z_mm(self) -> NDArray[np.float64]:
        """Level (k,) of each slice, RAS mm."""
        return np.asarray(self.grid.affine[2, 3] + self.grid.affine[2, 2] * np.arange(self.grid.shape[2]))


@dataclass(frozen=True, eq=False)
class Affine:
    """A map of places (RAS mm) of one scan to another's: `matrix` (4, 4); `correlation` of the HU it lays over one
    another; `overlap_mm`: how much of the body both show along z."""

    matrix: NDArray[np.float64]
    correlation: float
    overlap_mm: float

    def apply(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Places (..., 3) in the other scan, RAS mm."""
        points = np.asarray(points_mm, float)
        moved: NDArray[np.float64] = points @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return moved

    def inverse(self) -> Affine:
        """The map back."""
        return Affine(np.linalg.inv(self.matrix), self.correlation, self.overlap_mm)


def coarse_body(volume: Volume, *, grid_mm: float = 4.0) -> CoarseBody:
    """A CT (HU) on a RAS grid of `grid_mm`, with the body found in it. HU alone; OPS131 without a body."""
    from scipy import ndimage

    volume.require(Unit.HU, where="CT to register")
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.shape], indexing="ij")).reshape(3, -1).T
    world = volume.geometry.to_world(corners)
    low, high = world.min(axis=0), world.max(axis=0)
    shape = tuple(int(n) for n in np.maximum(np.floor((high - low) / grid_mm) + 1, 2))
    affine = np.diag([grid_mm, grid_mm, grid_mm, 1.0])
    affine[:3, 3] = low
    grid = Geometry((shape[0], shape[1], shape[2]), affine)
    hu = np.asarray(resample_to(volume, grid, anti_alias=True).array, np.float32)
    tissue = ndimage.binary_opening(hu > _BODY_HU, iterations=max(1, round(6 / grid_mm)))
    parts, count = ndimage.label(tissue)
    if not count:
        raise TumorboardError(codes.NO_BODY, "CT to register", found="no tissue", expected="a CT of a body in HU")
    body = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    cell = grid_mm**2 / 100
    kinds = (body, body & (hu < _AIR_HU), body & (hu > _BONE_HU))
    profile = np.stack([kind.sum(axis=(0, 1)) * cell for kind in kinds], axis=1).astype(float)
    return CoarseBody(hu, body, grid, profile)


def level_offset(moving: CoarseBody, fixed: CoarseBody, *, least_overlap_mm: float = 40.0) -> float:
    """What to add to a z (mm) of `moving` to be at the same level of the body in `fixed`, by their profiles: the offset
    with the least mean squared difference, each kind of area in units of its own spread. OPS132 where no offset leaves
    the overlap asked for."""
    step = float(fixed.grid.affine[2, 2])
    spread = np.concatenate([moving.profile_cm2, fixed.profile_cm2]).std(axis=0) + 1.0
    mine, theirs = moving.profile_cm2 / spread, fixed.profile_cm2 / spread
    least = max(int(np.ceil(least_overlap_mm / step)), _LEAST_SLICES)
    best: tuple[float, int] | None = None
    for shift in range(-len(mine) + least, len(theirs) - least + 1):
        first, last = max(shift, 0), min(shift + len(mine), len(theirs))
        difference = ((mine[first - shift : last - shift] - theirs[first:last]) ** 2).mean()
        cost = float(difference) + 2.0 / (last - first)  # short overlaps agree by chance
        if best is None or cost < best[0]:
            best = cost, shift
    if best is None:
        raise _apart(f"{len(mine) * step:.0f} and {len(theirs) * step:.0f} mm of body", least_overlap_mm)
    return float(fixed.z_mm[0] + best[1] * step - moving.z_mm[0])


def register(
    moving: CoarseBody, fixed: CoarseBody, *, z_offset_mm: float | None = None, least_overlap_mm: float = 40.0
) -> Affine:
    """The affine map of places of `moving` to places of `fixed`, both RAS mm.

    `z_offset_mm`: where to start along z (default `level_offset`). Mean squares of the windowed HU of the bodies, rigid
    first, then affine; one thread and no random samples, so that the same scans give the same map. OPS132 with
    the reason where the scans show no common part of the body: less in common than `least_overlap_mm`, HU that do not
    agree, or a map that no body does.
    """
    import SimpleITK as sitk

    start = level_offset(moving, fixed, least_overlap_mm=least_overlap_mm) if z_offset_mm is None else z_offset_mm
    low, high = _common(moving, fixed, start)
    if high - low < least_overlap_mm:
        raise _apart(f"{max(high - low, 0):.0f} mm of body in common", least_overlap_mm)
    centre, shift = _start(moving, fixed, start, low, high)
    seen = _image(fixed, _looked_at(fixed, low, high).astype(np.uint8))
    scans = _image(fixed, _shown(fixed)), _image(moving, _shown(moving))
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(centre.tolist())
    rigid.SetTranslation(shift.tolist())
    _optimise(*scans, seen, rigid, smoothing=2.0, step_mm=2.0)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    _optimise(*scans, seen, affine, smoothing=0.0, step_mm=0.5)
    maps = [_described(np.linalg.inv(_matrix(one)), moving, fixed) for one in (rigid, affine)]
    believed = [one for one in maps if _reason_against(one, least_overlap_mm) is None]
    if not believed:
        raise _apart(str(_reason_against(maps[0], least_overlap_mm)), least_overlap_mm)
    return max(believed, key=lambda one: one.correlation)


def _image(body: CoarseBody, array: NDArray[Any]) -> Any:
    """A SimpleITK image whose physical space is RAS (ITK does not mind what its axes are called)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing([float(s) for s in np.diag(body.grid.affine)[:3]])
    image.SetOrigin([float(o) for o in body.grid.affine[:3, 3]])
    return image


def _common(moving: CoarseBody, fixed: CoarseBody, offset_mm: float) -> tuple[float, float]:
    """Levels (mm, in `fixed`) between which both show body."""
    mine, theirs = (scan.z_mm[scan.body.any(axis=(0, 1))] for scan in (moving, fixed))
    return float(max(mine.min() + offset_mm, theirs.min())), float(min(mine.max() + offset_mm, theirs.max()))


def _shown(scan: CoarseBody) -> NDArray[np.float32]:
    """Windowed HU of the body, air around it: neither couch nor clothes take part."""
    return np.where(scan.body, scan.hu, _LOW_HU).clip(_LOW_HU, _HIGH_HU).astype(np.float32)


def _looked_at(fixed: CoarseBody, low: float, high: float) -> NDArray[np.bool_]:
    """Where the scans are compared: the body and a rim of air round it, at the levels that both show. Slices at the
    ends are left out, so that tilting them out of the other scan gains nothing."""
    from scipy import ndimage

    margin = min(_RIM_MM, (high - low) / 6)
    grown = ndimage.binary_dilation(fixed.body, iterations=max(1, round(_RIM_MM / fixed.grid.affine[0, 0])))
    level = (fixed.z_mm >= low + margin) & (fixed.z_mm <= high - margin)
    return np.asarray(grown & level)


def _start(
    moving: CoarseBody, fixed: CoarseBody, offset_mm: float, low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle of the fixed body between two levels, and what leads from there to the moving body's (mm)."""
    middles = []
    for scan, shift in ((fixed, 0.0), (moving, offset_mm)):
        level = (scan.z_mm + shift >= low - 1e-6) & (scan.z_mm + shift <= high + 1e-6)
        i, j, _ = np.nonzero(scan.body & level)
        xy = scan.grid.affine[:2, 3] + np.diag(scan.grid.affine)[:2] * [i.mean(), j.mean()]
        middles.append(np.array([*xy, (low + high) / 2 - shift]))
    return middles[0], middles[1] - middles[0]


def _optimise(fixed: Any, moving: Any, mask: Any, transform: Any, *, smoothing: float, step_mm: float) -> None:
    """Improve `transform` (fixed -> moving, ITK's direction) in place."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetGlobalDefaultNumberOfThreads(1)
    method.SetNumberOfThreads(1)
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([3, 2] if smoothing else [2])
    method.SetSmoothingSigmasPerLevel([smoothing, smoothing / 2] if smoothing else [0.5])
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step_mm, minStep=0.02, numberOfIterations=60, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise _apart(f"no way to lay one over the other ({str(error).splitlines()[-1].strip()})", 0.0) from error


def _matrix(transform: Any) -> NDArray[np.float64]:
    """4 x 4 of a centred ITK affine transform."""
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, shift + centre - linear @ centre
    return matrix


def _described(matrix: NDArray[np.float64], moving: CoarseBody, fixed: CoarseBody) -> Affine:
    """A map with the overlap that it gives the two bodies, and the correlation of their windowed HU there."""
    from scipy import ndimage

    to_moving = np.linalg.inv(moving.grid.affine) @ np.linalg.inv(matrix) @ fixed.grid.affine
    step, offset, shape = to_moving[:3, :3], to_moving[:3, 3], fixed.grid.shape
    there = ndimage.affine_transform(moving.body.astype(np.float32), step, offset, output_shape=shape, order=0)
    both = (there > 0) & fixed.body
    overlap = float(both.any(axis=(0, 1)).sum() * fixed.grid.affine[2, 2])
    if both.sum() < _LEAST_VOXELS:
        return Affine(matrix, 0.0, overlap)
    hu = ndimage.affine_transform(moving.hu, step, offset, output_shape=shape, order=1, cval=_AIR_HU)
    values = np.clip([hu[both], fixed.hu[both]], _LOW_HU - 300, _HIGH_HU)
    return Affine(matrix, float(np.corrcoef(values)[0, 1]), overlap)


def _reason_against(found: Affine, least_overlap_mm: float) -> str | None:
    """Why a map is not believed, in words; None when it is."""
    scales = np.linalg.svd(found.matrix[:3, :3], compute_uv=False)
    if scales.min() < _SCALES[0] or scales.max() > _SCALES[1]:
        return f"a map that scales by {scales.min():.2f} to {scales.max():.2f}"
    if found.overlap_mm < least_overlap_mm:
        return f"{found.overlap_mm:.0f} mm of body in common"
    if not found.correlation >= _ALIKE:
        return f"bodies whose HU agree with a correlation of {found.correlation:.2f}"
    return None


def _apart(found: str, least_overlap_mm: float) -> TumorboardError:
    expected = f"at least {least_overlap_mm:g} mm of one body in both, correlation {_ALIKE:g} or more"
    return TumorboardError(codes.NO_COMMON_BODY, "registration", found=found, expected=expected)
