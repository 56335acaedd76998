"""Connected parts of a mask: how many, how large, where."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.crop import Box

__all__ = ["Component", "Connectivity", "components", "connected_parts", "keep_components", "largest_component"]

Connectivity = Literal[6, 18, 26]
Backend = Literal["cc3d", "scipy"]


@dataclass(frozen=True)
class Component:
    """One connected part. `label`: its number in the component map; `value`: the mask's value there;
    `centroid_mm`: mean place of its voxels in RAS."""

    label: int
    value: int
    voxels: int
    volume_ml: float
    centroid_mm: tuple[float, float, float]
    box: Box


def connected_parts(array: NDArray[Any], *, connectivity: int = 26) -> tuple[NDArray[np.uint32], int]:
    """Numbers 1, 2, ... of the connected parts of equal value, 0 where `array` is, and how many parts there are. Needs
    connected-components-3d; the numbers are those of the array in C order, however it lies in memory.

    Its form for truth values reserves too few numbers where single voxels stand in every other place of an array of
    odd size, and stops (4.1.1, with 26 neighbours); the form for bytes has no such bound and takes the same time.
    """
    import cc3d

    values = np.ascontiguousarray(array)
    values = values.view(np.uint8) if values.dtype == bool else values
    parts, count = cc3d.connected_components(values, connectivity=connectivity, return_N=True, out_dtype=np.uint32)
    return parts, int(count)


def components(
    mask: Volume, *, connectivity: Connectivity = 26, each_value: bool = False, backend: Backend | None = None
) -> tuple[Volume, list[Component]]:
    """A map with the parts numbered 1, 2, ... (int32) and their description, largest first.

    Parts of equal size are ordered by their first voxel. All voxels other than 0 are one foreground, unless
    `each_value` keeps different values apart. `connectivity` 6 joins faces, 18 edges too, 26 corners too.
    `backend`: connected-components-3d, or scipy where that is not installed; both give the same map.
    """
    array = mask.array if each_value else mask.array != 0
    chosen = backend or ("cc3d" if find_spec("cc3d") else "scipy")
    parts = (_by_cc3d if chosen == "cc3d" else _by_scipy)(np.asarray(array), connectivity)
    found = _described(parts, mask)
    order = sorted(found, key=lambda part: (-part[0].voxels, part[1]))
    renumber = np.zeros(len(found) + 1, np.int32)
    described = []
    for number, (part, _) in enumerate(order, start=1):
        renumber[part.label] = number
        described.append(Component(number, part.value, part.voxels, part.volume_ml, part.centroid_mm, part.box))
    return mask.with_array(renumber[parts], Unit.LABEL), described


def keep_components(
    mask: Volume, *, least_ml: float, connectivity: Connectivity = 26, each_value: bool = False
) -> Volume:
    """`mask` without its connected parts smaller than `least_ml`; values are kept."""
    parts, found = components(mask, connectivity=connectivity, each_value=each_value)
    kept = np.array([False, *(part.volume_ml >= least_ml * (1 - 1e-9) for part in found)])
    return mask.with_array(np.where(kept[parts.array], mask.array, mask.array.dtype.type(0)))


def largest_component(mask: Volume, *, connectivity: Connectivity = 26) -> Volume:
    """`mask` with its largest connected part alone (of equal ones the first); empty stays empty."""
    parts, _ = components(mask, connectivity=connectivity)
    return mask.with_array(np.where(parts.array == 1, mask.array, mask.array.dtype.type(0)))


def _by_cc3d(array: NDArray[Any], connectivity: int) -> NDArray[Any]:
    kind = array if array.dtype.kind in "bui" else array.astype(np.int64)
    if kind.flags.f_contiguous:  # as images lie in files: their transpose needs no copy
        return connected_parts(kind.T, connectivity=connectivity)[0].T
    return connected_parts(kind, connectivity=connectivity)[0]


def _by_scipy(array: NDArray[Any], connectivity: int) -> NDArray[Any]:
    from scipy import ndimage

    touching = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels, count = np.zeros(array.shape, np.int32), 0
    for value in np.unique(array):
        if value:
            own, parts = ndimage.label(array == value, touching)
            labels[own > 0] = own[own > 0] + count
            count += parts
    return labels


def _described(parts: NDArray[Any], mask: Volume) -> list[tuple[Component, tuple[int, ...]]]:
    """Each part, and its first voxel in index order (i slowest)."""
    from scipy import ndimage

    found = []
    for label, box in enumerate(ndimage.find_objects(parts), start=1):
        if box is None:
            continue
        inside = np.argwhere(parts[box] == label) + [side.start for side in box]
        first = tuple(int(n) for n in inside[0])
        i, j, k = mask.geometry.to_world(inside.mean(axis=0)).tolist()
        part = Component(
            label=label,
            value=int(mask.array[first]),
            voxels=len(inside),
            volume_ml=len(inside) * mask.voxel_volume_ml,
            centroid_mm=(i, j, k),
            box=Box((box[0].start, box[1].start, box[2].start), (box[0].stop, box[1].stop, box[2].stop)),
        )
        found.append((part, first))
    return found
