"""Lesions of a mask: volume and uptake of every connected component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

__all__ = ["Lesion", "bounding_box", "measure_lesions"]


@dataclass(frozen=True)
class Lesion:
    """One connected component (26 neighbours) of one label of one mask.

    `volume_ml` is the contour's volume (MTV, where the contour was drawn on PET); `tlg_ml` is mean SUV times volume.
    SUV figures are None without a PET in SUV, or where the PET does not reach.
    """

    label: str
    component: int
    volume_ml: float
    centre_mm: tuple[float, float, float]
    suv_max: float | None = None
    suv_mean: float | None = None
    interpolated: bool = False
    """Whether no PET voxel centre lies inside, so that SUV was interpolated at the mask's voxels."""

    @property
    def tlg_ml(self) -> float | None:
        return None if self.suv_mean is None else self.suv_mean * self.volume_ml


def bounding_box(array: NDArray[np.generic]) -> tuple[slice, slice, slice] | None:
    """Smallest box with every non-zero voxel; None for an empty array."""
    slices = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(array.any(axis=others))
        if not len(hit):
            return None
        slices.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return slices[0], slices[1], slices[2]


def measure_lesions(mask: Volume, labels: Mapping[int, str], *, pet: Volume | None = None) -> list[Lesion]:
    """Every lesion of `mask`, largest first within a label.

    SUV is read from the PET voxels whose centre lies in the lesion, never from interpolated ones, since
    interpolation lowers the maximum; a lesion so small that it holds no voxel centre is the stated exception.
    Values that `labels` does not name are left out (a check reports them).
    Errors: UNT101 when `pet` is not in SUV (body weight) or `mask` holds no labels.
    """
    mask.require(Unit.LABEL, where="mask")
    if pet is not None:
        pet.require(Unit.SUVBW, where="PET")
    found: list[Lesion] = []
    for value, label in labels.items():
        box = bounding_box(mask.array == value)
        if box is None:
            continue
        part = mask.crop([s.start for s in box], [s.stop for s in box])
        components, count = ndimage.label(part.array == value, structure=np.ones((3, 3, 3)))
        found += _measure(components, count, part.geometry, label=label, pet=pet)
    return found


def _measure(
    components: NDArray[np.int32], count: int, grid: Geometry, *, label: str, pet: Volume | None
) -> list[Lesion]:
    numbers = np.arange(1, count + 1)
    volumes_ml = np.bincount(components.ravel(), minlength=count + 1)[1:] * grid.voxel_volume_ml
    centres = grid.to_world(np.array(ndimage.center_of_mass(components > 0, components, numbers)).reshape(-1, 3))
    uptake = {} if pet is None else _uptake(components, grid, pet)
    lesions = []
    for rank, i in enumerate(np.argsort(-volumes_ml, kind="stable"), start=1):
        highest, mean, interpolated = uptake.get(int(numbers[i]), (None, None, False))
        x, y, z = (float(c) for c in centres[i])
        lesions.append(Lesion(label, rank, float(volumes_ml[i]), (x, y, z), highest, mean, interpolated))
    return lesions


def _uptake(components: NDArray[np.int32], grid: Geometry, pet: Volume) -> dict[int, tuple[float, float, bool]]:
    """Component -> highest and mean SUV, and whether it had to be interpolated."""
    corners = pet.geometry.to_index(grid.corners_mm())
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, pet.shape)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, pet.shape)
    values: dict[int, tuple[float, float, bool]] = {}
    if (high > low).all():
        part = pet.crop(low.tolist(), high.tolist())
        places = np.moveaxis(np.indices(part.shape), 0, -1)
        index = np.rint(grid.to_index(part.geometry.to_world(places))).astype(int)
        inside = ((index >= 0) & (index < components.shape)).all(axis=-1)
        owner = np.zeros(part.shape, np.int32)
        owner[inside] = components[tuple(index[inside].T)]
        values = _extremes(part.array, owner, interpolated=False)
    missed = np.argwhere((components > 0) & ~np.isin(components, list(values)))
    index = pet.geometry.to_index(grid.to_world(missed))
    reached = ((index >= -0.5) & (index <= np.asarray(pet.shape) - 0.5)).all(axis=1)
    if reached.any():
        suv = ndimage.map_coordinates(pet.array, index[reached].T, output=np.float64, order=1, mode="nearest")
        values |= _extremes(suv, components[tuple(missed[reached].T)], interpolated=True)
    return values


def _extremes(
    suv: NDArray[np.floating], owner: NDArray[np.int32], *, interpolated: bool
) -> dict[int, tuple[float, float, bool]]:
    numbers = np.unique(owner[owner > 0])
    highest, mean = ndimage.maximum(suv, owner, numbers), ndimage.mean(suv, owner, numbers)
    return {
        int(number): (float(top), float(middle), interpolated)
        for number, top, middle in zip(numbers, np.atleast_1d(highest), np.atleast_1d(mean), strict=True)
    }
