"""A CT as a stack of small axial slices, head first, whatever way it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.config import BodyPartConfig

__all__ = ["AIR_HU", "VERSION", "BodySlices", "body_slices", "require_positions"]

VERSION = 1
AIR_HU = -1000
_HIGHEST_HU = 2000
_BODY_HU = -300.0
_SMALLEST_BODY = 20
"""Pixels of the largest piece above `_BODY_HU` in the whole volume, below which there is no body."""
_FEWEST = 16
"""Slices that thinning out leaves where there are as many."""
_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class BodySlices:
    """Axial slices, head first.

    `hu` (n, edge, edge) int16: rows from front to back, columns from the patient's right to the left, the body's middle
    in the middle; `z_mm` (n,) RAS z of the slice centres, falling; `box_mm` (n, 4) of the body in each slice: x of its
    right and left border, y of its front and back (RAS mm).
    """

    hu: NDArray[np.int16]
    z_mm: NDArray[np.float64]
    box_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.z_mm)

    def part(self, first: int, last: int) -> BodySlices:
        """Slices first (included) to last (excluded)."""
        return BodySlices(self.hu[first:last], self.z_mm[first:last], self.box_mm[first:last])


def body_slices(volume: Volume, config: BodyPartConfig, *, where: str) -> BodySlices:
    """The slices of a CT in HU. Head and feet come from the affine, never from the order of the array.

    In plane, voxels are averaged over pixels of `pixel_mm` (places outside the image are air); along z, slices closer
    than `least_step_mm` are thinned out, not averaged; slices that show no body are left out. Errors: UNT101 for other
    units, BDP102 for positions along z that do not fall, BDP103 without a body or with values that are no numbers.
    """
    lying = volume.require(Unit.HU, where=where).reorient("LPI")
    columns, rows, count = lying.shape
    along = np.stack([np.full(count, (columns - 1) / 2), np.full(count, (rows - 1) / 2), np.arange(count)], axis=1)
    z_mm = require_positions(lying.geometry.to_world(along)[:, 2], where=where)
    kept = _thinned(z_mm, config.least_step_mm)
    hu = _averaged(lying, kept, config.pixel_mm, where=where)
    body = _body(hu)
    if body.sum() < _SMALLEST_BODY:
        raise TumorboardError(codes.NO_BODY, where, found=f"{int(body.sum())} pixels of body", expected="a body")
    if config.body_mask:
        hu = np.where(body, hu, AIR_HU)
    edge = config.edge + 2 * config.margin
    some = body.any(axis=(1, 2))
    places, hu, body = np.arange(count)[kept][some], hu[some], body[some]
    low, high = _borders(body)
    middle = np.median((low + high) / 2, axis=0)
    corner = np.rint(middle - (edge - 1) / 2).astype(int)
    spacing = lying.spacing_mm
    origin = lying.geometry.to_world(np.stack([0 * places, 0 * places, places], axis=1))
    # Edges of the body in RAS mm: columns run to the left (x falls), rows to the back (y falls).
    x = origin[:, :1] + spacing[0] / 2 - (np.stack([low[:, 1], high[:, 1] + 1], axis=1)) * config.pixel_mm
    y = origin[:, 1:2] + spacing[1] / 2 - (np.stack([low[:, 0], high[:, 0] + 1], axis=1)) * config.pixel_mm
    return BodySlices(_cut(hu, corner, edge), z_mm[places], np.concatenate([x, y], axis=1))


def require_positions(z_mm: NDArray[np.float64], *, where: str) -> NDArray[np.float64]:
    """Positions along z, head first: BDP102 unless they are finite and fall from slice to slice."""
    z_mm = np.asarray(z_mm, float)
    steps = np.diff(z_mm)
    if not np.isfinite(z_mm).all():
        found = "positions that are no numbers"
    elif len(steps) and (steps == 0).any():
        found = "slices at one place"
    elif len(steps) and not (steps < 0).all():
        found = "positions that do not fall from head to feet"
    else:
        return z_mm
    raise TumorboardError(codes.POSITIONS, where, found=found, expected="one finite z per slice, head first")


def _thinned(z_mm: NDArray[np.float64], least_mm: float) -> slice:
    count = len(z_mm)
    step_mm = abs(z_mm[-1] - z_mm[0]) / (count - 1) if count > 1 else least_mm
    stride = min(int(least_mm / step_mm + 1e-6), count // _FEWEST)
    stride = max(stride, 1)
    return slice((count - 1) % stride // 2, None, stride)


def _averaged(lying: Volume, kept: slice, pixel_mm: float, *, where: str) -> NDArray[np.float32]:
    """(slices, rows, columns) of means over pixels; slice by slice, so that memory stays small."""
    across, down = (_weights(lying.shape[axis], lying.spacing_mm[axis], pixel_mm) for axis in (0, 1))
    chosen = lying.array[:, :, kept]
    parts = []
    for start in range(0, chosen.shape[2], _AT_ONCE):
        block = chosen[:, :, start : start + _AT_ONCE].astype(np.float32)
        if not np.isfinite(block).all():
            raise TumorboardError(codes.NO_BODY, where, found="voxels that are no numbers", expected="HU")
        np.clip(block, AIR_HU, _HIGHEST_HU, out=block)
        block -= AIR_HU
        narrow = np.tensordot(across, block, axes=(1, 0))
        parts.append(np.tensordot(down, narrow, axes=(1, 1)).transpose(2, 0, 1) + AIR_HU)
    return np.concatenate(parts)


def _weights(count: int, spacing_mm: float, pixel_mm: float) -> NDArray[np.float32]:
    """(pixels, voxels) part of each pixel that a voxel covers; what no voxel covers weighs nothing, and so is air."""
    voxels = np.arange(count + 1) * spacing_mm
    pixels = np.arange(int(np.ceil(voxels[-1] / pixel_mm - 1e-6)) + 1) * pixel_mm
    overlap = np.minimum(pixels[1:, None], voxels[None, 1:]) - np.maximum(pixels[:-1, None], voxels[None, :-1])
    shared = np.clip(overlap, 0, None)
    weights: NDArray[np.float32] = (shared / pixel_mm).astype(np.float32)
    return weights


def _body(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """What is denser than -300 HU with its holes (lungs) filled in plane, opened so that the couch falls off; of it the
    largest connected piece."""
    from scipy import ndimage

    dense = np.pad(hu > _BODY_HU, ((0, 0), (1, 1), (1, 1)))
    filled = np.stack([ndimage.binary_fill_holes(one) for one in dense])
    cross = ndimage.generate_binary_structure(3, 1) & np.array([0, 1, 0], bool)[:, None, None]
    labels, found = ndimage.label(ndimage.binary_opening(filled, cross))
    if not found:
        return np.zeros(hu.shape, bool)
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    body = ndimage.binary_dilation(labels == largest, cross) & filled
    return np.asarray(body[:, 1:-1, 1:-1])


def _borders(body: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last pixel of the body in each slice, (n, 2) by row and column."""
    low, high = (np.empty((len(body), 2)) for _ in range(2))
    for axis in (0, 1):
        shadow = body.any(axis=2 - axis)
        low[:, axis] = shadow.argmax(axis=1)
        high[:, axis] = shadow.shape[1] - 1 - shadow[:, ::-1].argmax(axis=1)
    return low, high


def _cut(hu: NDArray[np.float32], corner: NDArray[np.int_], edge: int) -> NDArray[np.int16]:
    """A square of `edge` pixels from `corner` (row, column), air where there is no image."""
    square = np.full((len(hu), edge, edge), AIR_HU, np.int16)
    low, high = np.maximum(corner, 0), np.minimum(corner + edge, hu.shape[1:])
    target = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, corner, strict=True))
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    square[(slice(None), *target)] = np.rint(hu[(slice(None), *source)])
    return square
