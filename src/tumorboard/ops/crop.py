"""A part of a scan, and the exact way back: what a network sees and what the clinic gets are one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.volume import Volume
from tumorboard.ops import codes
from tumorboard.ops.resample import fitting, outside_value

__all__ = ["Box", "CropRecord", "crop_or_pad", "crop_to", "foreground_box", "union_box"]


@dataclass(frozen=True, slots=True)
class Box:
    """Voxels start (included) to stop (excluded) along each axis; may reach beyond the volume."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        i, j, k = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k

    def joined(self, other: Box) -> Box:
        """The smallest box round both."""
        return Box(_three(np.minimum(self.start, other.start)), _three(np.maximum(self.stop, other.stop)))

    def within(self, shape: Sequence[int]) -> Box:
        """The part of the box inside a volume of that shape."""
        return Box(_three(np.clip(self.start, 0, shape)), _three(np.clip(self.stop, 0, shape)))


@dataclass(frozen=True)
class CropRecord:
    """What `crop_to` or `crop_or_pad` did, to be undone on anything predicted on its result."""

    original: Geometry
    cropped: Geometry
    box: Box

    def restore(self, prediction: Volume, *, fill: float | None = None) -> Volume:
        """`prediction`, on the cropped grid, put back where it belongs on the original one, voxel for voxel.

        Outside the crop stands `fill` (default: air in HU, 0 otherwise). Padding falls away. OPS104 when
        `prediction` is not on the grid of this record.
        """
        if not prediction.geometry.same_grid(self.cropped):
            raise TumorboardError(
                codes.RECORD_MISMATCH, "crop record", found=f"{prediction.geometry}", expected=f"{self.cropped}"
            )
        outside = fitting(outside_value(prediction.unit) if fill is None else fill, prediction.array.dtype)
        array = np.full(self.original.shape, outside, prediction.array.dtype, order=_order(prediction.array))
        kept = self.box.within(self.original.shape)
        if min(kept.shape) > 0:
            shift = np.array(self.box.start)
            source = tuple(slice(a, b) for a, b in zip(kept.start - shift, kept.stop - shift, strict=True))
            array[tuple(slice(a, b) for a, b in zip(kept.start, kept.stop, strict=True))] = prediction.array[source]
        return Volume(array, self.original.affine, prediction.unit)


def foreground_box(volume: Volume, *, above: float = 0.0, margin_mm: float = 0.0) -> Box:
    """The smallest box round all voxels greater than `above`, widened by `margin_mm` on every side but not beyond
    the volume. OPS103 when there is no such voxel."""
    lines = volume.array > above
    sides = [np.flatnonzero(lines.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if sides[0].size == 0:
        raise TumorboardError(codes.BOX_EMPTY, "foreground box", found=f"no voxel above {above:g}", expected="some")
    margin = np.ceil(margin_mm / volume.spacing_mm - 1e-9).astype(int)
    box = Box(_three([s[0] for s in sides] - margin), _three([s[-1] + 1 for s in sides] + margin))
    return box.within(volume.shape)


def union_box(first: Volume, *others: Volume, margin_mm: float = 0.0) -> Box:
    """The smallest box round the foreground of all masks, which share one grid; empty masks add nothing.

    Errors: GEO102 different grids, OPS103 all empty.
    """
    box = None
    for mask in (first, *others):
        first.require_same_grid(mask, where="union box")
        if mask.array.any():
            own = foreground_box(mask, margin_mm=margin_mm)
            box = own if box is None else box.joined(own)
    if box is None:
        raise TumorboardError(codes.BOX_EMPTY, "union box", found="only empty masks", expected="some foreground")
    return box


def crop_to(volume: Volume, box: Box, *, fill: float | None = None) -> tuple[Volume, CropRecord]:
    """The voxels of `box` and the record that undoes it; beyond the volume stands `fill` (default: air in HU, 0
    otherwise). OPS107 when the voxel type cannot hold it."""
    outside = outside_value(volume.unit) if fill is None else fill
    if box.within(volume.shape) != box:
        fitting(outside, volume.array.dtype)
    cropped = volume.crop(box.start, box.stop, fill=outside)
    return cropped, CropRecord(volume.geometry, cropped.geometry, box)


def crop_or_pad(
    volume: Volume, shape: Sequence[int], *, centre: Sequence[float] | None = None, fill: float | None = None
) -> tuple[Volume, CropRecord]:
    """A block of exactly `shape` voxels round the voxel index `centre` (default: the middle of the volume).

    A volume that is smaller is padded on both sides, the odd voxel at the high end. The record undoes it.
    """
    size = np.asarray(shape, int)
    middle = (np.array(volume.shape) - 1) / 2 if centre is None else np.asarray(centre, float)
    start = np.ceil(middle - (size - 1) / 2 - 1e-9).astype(int) if centre is None else np.rint(middle - (size - 1) / 2)
    return crop_to(volume, Box(_three(start), _three(start + size)), fill=fill)


def _order(array: NDArray[np.generic]) -> str:
    return "F" if array.flags.f_contiguous else "C"


def _three(values: NDArray[np.generic] | Sequence[int]) -> tuple[int, int, int]:
    i, j, k = (int(value) for value in values)
    return i, j, k
