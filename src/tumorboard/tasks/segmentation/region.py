"""The region of interest, found from anatomy on the working grid: where a network is asked, and where it is not.

Nothing here counts voxels from a border. The body is the largest piece of the CT above air (of the PET where there is
no CT); the head is where bone closes round soft tissue in axial slices, which no other bone of the body does over
several centimetres. Disease of the head and neck lies 0 to 34 cm below the vertex (HECKTOR, all centres).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.ops.components import connected_parts
from tumorboard.tasks.segmentation.cases import Box

__all__ = ["REGIONS", "Region", "RegionName", "coverage", "find_region"]

RegionName = Literal["head-neck", "body", "whole"]
REGIONS: tuple[RegionName, ...] = ("head-neck", "body", "whole")
"""Narrowest first."""

_COARSE_MM = 5.0
_UPTAKE = float(np.log1p(0.25))
_BODY_HU = -150.0
_BONE_HU = 120.0
"""Thin bone on a coarse grid is little denser than contrast in a vessel."""
_GAP_MM = 10.0
"""Gaps in bone up to this width are taken as closed."""
_SKULL_CM2 = 35.0
"""Soft tissue that bone encloses in a slice through the cranium; foramina and sinuses enclose less."""
_SKULL_MM = 25.0
_REACH_MM = 360.0
_MARGIN_MM = 12.0
_SMALL = 0.9
"""A region that keeps more of the scan than this is not worth cutting out."""


@dataclass(frozen=True)
class Region:
    """Voxels of the working grid (first included, last excluded), what it is, and a remark where it is not what was
    asked for."""

    box: Box
    name: RegionName
    remark: str = ""

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        low, high = self.box
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def find_region(
    inputs: NDArray[np.float32],
    spacing_mm: NDArray[np.float64],
    name: RegionName,
    *,
    ct_window_hu: tuple[float, float],
) -> Region:
    """The region `name` of a prepared exam.

    `inputs` (2 or more, i, j, k): CT channel (0 to 1 of `ct_window_hu`) and PET channel (log(1 + SUV)) in RAS; a
    channel of zeros is absent. Falls back to a wider region, and says why, where the anatomy is not in view.
    """
    shape = inputs.shape[1:]
    whole = Region(((0, 0, 0), (shape[0], shape[1], shape[2])), "whole")
    if name == "whole":
        return whole
    steps = np.maximum(np.rint(_COARSE_MM / np.asarray(spacing_mm)), 1).astype(int)
    coarse = inputs[:, :: steps[0], :: steps[1], :: steps[2]]
    edges_mm = np.asarray(spacing_mm) * steps
    low_hu, high_hu = ct_window_hu
    skin, bone = (max((hu - low_hu) / (high_hu - low_hu), 0.0) for hu in (_BODY_HU, _BONE_HU))
    body = _largest(coarse[0] > skin if coarse[0].any() else coarse[1] > _UPTAKE)
    if body is None:
        return Region(whole.box, "whole", "no body found: the whole scan is taken")
    remark, found = "", name
    if name == "head-neck":
        top = _head_top(coarse[0] >= bone, edges_mm, body)
        if top is None:
            found, remark = "body", "no skull in view: the whole body is taken"
        else:
            body = body.copy()
            body[:, :, : max(int(np.floor(top - _REACH_MM / edges_mm[2])), 0)] = False
            body[:, :, int(np.ceil(top + 1)) :] = False
    low, high = _box(body)
    margin = np.ceil(_MARGIN_MM / np.asarray(spacing_mm)).astype(int)
    first = np.maximum(low * steps - margin, 0)
    last = np.minimum(high * steps + margin, shape)
    if float(np.prod((last - first) / np.array(shape))) > _SMALL:
        return Region(whole.box, "whole", remark)
    return Region(_as_box(first, last), found, remark)


def coverage(target: NDArray[np.float32], region: Region) -> float | None:
    """Share of the lesions' volume that lies in the region; None without a lesion. `target` (structures, i, j, k)."""
    total = float(target.sum(dtype=np.float64))
    return float(target[(slice(None), *region.slices)].sum(dtype=np.float64)) / total if total else None


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The largest piece (face to face) once thin bridges, as to a couch, are cut; None where there is none."""
    eroded = ndimage.binary_erosion(mask, border_value=1) if min(mask.shape) > 4 else mask
    parts, _ = connected_parts(eroded if eroded.any() else mask, connectivity=6)
    sizes = np.bincount(parts.ravel())[1:]
    if not len(sizes):
        return None
    largest = ndimage.binary_dilation(parts == int(np.argmax(sizes)) + 1, iterations=1)
    return np.asarray(largest & mask)


def _head_top(dense: NDArray[np.bool_], edges_mm: NDArray[np.float64], body: NDArray[np.bool_]) -> float | None:
    """Coarse index, along z, of the vertex: the top of the body above the cranium. None without a cranium in view."""
    bone = dense & body
    area_cm2 = edges_mm[0] * edges_mm[1] / 100
    closed = np.zeros(bone.shape[2])
    thicker = max(round(_GAP_MM / 2 / float(edges_mm[:2].mean())), 1)
    for k in range(bone.shape[2]):
        if bone[:, :, k].any():
            ring = ndimage.binary_dilation(np.pad(bone[:, :, k], thicker + 1), iterations=thicker)
            closed[k] = (ndimage.binary_fill_holes(ring) & ~ring).sum() * area_cm2
    long_enough = max(round(_SKULL_MM / float(edges_mm[2])), 1)
    bridged = ndimage.binary_closing(np.pad(closed >= _SKULL_CM2, long_enough), iterations=max(long_enough // 2, 1))
    runs, count = ndimage.label(bridged[long_enough:-long_enough])
    skulls = [np.flatnonzero(runs == n) for n in range(1, count + 1)]
    skulls = [k for k in skulls if (closed[k] >= _SKULL_CM2).sum() >= long_enough]
    if not skulls:
        return None
    middle = skulls[-1]
    inside = np.stack([bone[:, :, k] for k in middle], axis=-1).any(axis=2)
    low, high = _box(inside)
    column = body[low[0] : high[0], low[1] : high[1], middle[-1] :].any(axis=(0, 1))
    above = int(np.argmin(column)) if not column.all() else len(column)  # raised arms lie beside the head, not on it
    return float(middle[-1] + above)


def _box(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    places = np.argwhere(mask)
    return places.min(axis=0), places.max(axis=0) + 1


def _as_box(first: NDArray[Any], last: NDArray[Any]) -> Box:
    a, b = [int(x) for x in first], [int(x) for x in last]
    return (a[0], a[1], a[2]), (b[0], b[1], b[2])
