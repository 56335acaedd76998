"""A scan: voxels, where they are, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tumorboard.core import codes
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit

__all__ = ["Volume"]


@dataclass(frozen=True, eq=False)
class Volume:
    """Array (3 axes) + affine (voxel index to RAS mm) + unit. Every operation returns a new Volume whose
    affine is right; nothing is changed in place.

    Errors: GEO103 for arrays that have not three axes, GEO101 for impossible affines, COH105 without a unit.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]
    unit: Unit

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise TumorboardError(
                codes.GEOMETRY_SHAPE,
                "volume",
                found=f"array of shape {self.array.shape}",
                expected="three axes",
            )
        geometry = Geometry(self.array.shape, self.affine)
        object.__setattr__(self, "affine", geometry.affine)
        try:
            object.__setattr__(self, "unit", Unit(self.unit))
        except ValueError:
            known = ", ".join(Unit)
            raise TumorboardError(codes.COHORT_UNIT, "volume", found=f"unit {self.unit!r}", expected=known) from None

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.shape, self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        i, j, k = self.array.shape
        return i, j, k

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        return self.geometry.spacing_mm

    @property
    def voxel_volume_ml(self) -> float:
        return self.geometry.voxel_volume_ml

    def require(self, unit: Unit, *, where: str = "volume") -> Volume:
        """This volume if it is in `unit`; UNT101 otherwise."""
        if self.unit != unit:
            raise TumorboardError(codes.UNIT_MISMATCH, where, found=f"values in {self.unit}", expected=str(unit))
        return self

    def same_grid(self, other: Volume, *, tolerance_mm: float = 1e-3) -> bool:
        """Whether voxel (i, j, k) is the same place in both."""
        return self.geometry.same_grid(other.geometry, tolerance_mm=tolerance_mm)

    def require_same_grid(self, other: Volume, *, where: str = "volumes", tolerance_mm: float = 1e-3) -> None:
        """GEO102 unless both volumes share shape and affine."""
        if not self.same_grid(other, tolerance_mm=tolerance_mm):
            raise TumorboardError(
                codes.GEOMETRY_MISMATCH,
                where,
                found=f"{self.geometry} and {other.geometry}",
                expected="one grid",
            )

    # ---- new volumes --------------------------------------------------------------------------------
    def with_array(self, array: NDArray[Any], unit: Unit | None = None) -> Volume:
        """Other values at the same places. GEO102 when the array has another shape."""
        if array.shape != self.array.shape:
            raise TumorboardError(
                codes.GEOMETRY_MISMATCH,
                "volume",
                found=f"array {array.shape}",
                expected=f"shape {self.array.shape}",
            )
        return Volume(array, self.affine, self.unit if unit is None else unit)

    def astype(self, dtype: DTypeLike) -> Volume:
        return Volume(self.array.astype(dtype, copy=False), self.affine, self.unit)

    def crop(self, start: Sequence[int], stop: Sequence[int], *, fill: float | None = None) -> Volume:
        """Voxels start (included) to stop (excluded).

        A box that leaves the volume is refused (GEO103) unless `fill` says what stands outside it.
        """
        low = np.asarray(start, int)
        high = np.asarray(stop, int)
        shape = np.asarray(self.shape)
        geometry = self.geometry.crop(low.tolist(), high.tolist())
        inside_low, inside_high = np.clip(low, 0, shape), np.clip(high, 0, shape)
        whole = bool((inside_low == low).all() and (inside_high == high).all())
        if whole:
            part = self.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            return Volume(part, geometry.affine, self.unit)
        if fill is None:
            raise TumorboardError(
                codes.GEOMETRY_SHAPE,
                "crop",
                found=f"box {low.tolist()} to {high.tolist()}",
                expected=f"a box inside {self.shape}, or a fill value for what lies outside",
            )
        array = np.full(geometry.shape, fill, dtype=self.array.dtype)
        if (inside_high > inside_low).all():
            target = tuple(slice(a, b) for a, b in zip(inside_low - low, inside_high - low, strict=True))
            source = tuple(slice(a, b) for a, b in zip(inside_low, inside_high, strict=True))
            array[target] = self.array[source]
        return Volume(array, geometry.affine, self.unit)

    def flip(self, axis: int) -> Volume:
        """The same scan with one voxel axis stored backwards."""
        return Volume(np.flip(self.array, axis), self.geometry.flip(axis).affine, self.unit)

    def permute(self, axes: Sequence[int]) -> Volume:
        """The same scan with its voxel axes stored in another order."""
        return Volume(np.transpose(self.array, tuple(axes)), self.geometry.permute(axes).affine, self.unit)

    def reorient(self, target: str = "RAS") -> Volume:
        """The same scan stored with its axes nearest to `target` (exact: no interpolation)."""
        order, flips = self.geometry.reorientation(target)
        volume = self.permute(order)
        for axis in flips:
            volume = volume.flip(axis)
        return volume

    def __repr__(self) -> str:
        return f"Volume({self.geometry!r}, {self.array.dtype}, {self.unit})"
