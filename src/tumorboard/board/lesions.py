"""Lesions of a mask, as a page shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.volume import Volume
from tumorboard.tasks.features.measure import INTERPOLATED, measure_mask

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
    """Every lesion of `mask`, largest first within a label, as `measure_mask` measures them.

    Values that `labels` does not name are left out (a check reports them).
    Errors: UNT101 when `pet` is not in SUV (body weight) or `mask` holds no labels.
    """
    rows = [row for row in measure_mask(mask, pet, labels=labels, image_id="mask", run_id="") if row["component"]]
    found: list[Lesion] = []
    for label in labels.values():
        mine = sorted((r for r in rows if r["label"] == label), key=lambda r: -r["measurements"]["volume_ml"])
        for rank, row in enumerate(mine, start=1):
            figures, (x, y, z) = row["measurements"], row["points_mm"]
            between = json.loads(row["attributes"] or "{}").get("uptake") == INTERPOLATED
            uptake = figures.get("suv_max"), figures.get("suv_mean")
            found.append(Lesion(label, rank, figures["volume_ml"], (x, y, z), *uptake, between))
    return found
