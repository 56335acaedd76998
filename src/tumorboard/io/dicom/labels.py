"""Several masks on one grid -> one label map, or as few label maps as hold them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes

__all__ = ["group_without_overlap", "label_map"]


def label_map(
    masks: Mapping[int, NDArray[np.bool_]],
    geometry: Geometry,
    *,
    unit: Unit,
    overlap: Literal["error", "last"],
    where: str,
) -> Volume:
    """Voxel values from masks by value, in their order. UNT101 for another unit than label, SEG104 when two masks
    share voxels and `overlap` is ``error``."""
    highest = max(masks, default=0)
    array: NDArray[Any] = np.zeros(geometry.shape, np.uint8 if highest < 256 else np.uint16, order="F")
    for value, mask in masks.items():
        shared = int((array[mask] != 0).sum())
        if shared and overlap == "error":
            raise TumorboardError(
                codes.SEG_OVERLAP, where, found=f"{shared} voxels of value {value} taken already", expected="none"
            )
        array[mask] = value
    return Volume(array, geometry.affine, Unit.LABEL).require(unit, where=where)


def group_without_overlap(masks: Sequence[NDArray[np.bool_]]) -> list[list[int]]:
    """Positions of the masks, grouped so that within a group none overlaps: each joins the first group it fits."""
    groups: list[list[int]] = []
    taken: list[NDArray[np.bool_]] = []
    for index, mask in enumerate(masks):
        for group, area in zip(groups, taken, strict=True):
            if not (area & mask).any():
                group.append(index)
                area |= mask
                break
        else:
            groups.append([index])
            taken.append(mask.copy())
    return groups
