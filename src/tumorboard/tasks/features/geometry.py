"""Where the lesions of a head-and-neck mask lie and how large they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.volume import Volume
from tumorboard.metrics.radiomics.shape import surface_points
from tumorboard.ops.components import connected_parts

__all__ = ["NODES", "body_columns", "geometry_features", "midline_mm"]

NODES = frozenset({"GTVn"})
"""Labels that are lymph nodes; every other label is a primary."""
SMALLEST_NODE_ML = 0.1
_BODY_HU = -300.0


def geometry_features(mask: Volume, lesions: Sequence[Mapping[str, Any]], *, midline: float | None) -> dict[str, float]:
    """Volumes (ml), longest diameters (mm), number, sides and heights of the lesions of one mask.

    `lesions`: rows of `measure_mask` of that mask. `midline`: x of the body's middle in RAS mm, None when unknown; then
    nothing is said about sides. Heights are along z: how far the lowest node lies below the primary. Levels of the
    neck need landmarks that a mask does not show; they are not given. Nodes under 0.1 ml do not count.
    """
    parts = [row for row in lesions if row["component"]]
    nodes = [r for r in parts if r["label"] in NODES and r["measurements"]["volume_ml"] >= SMALLEST_NODE_ML]
    primaries = [r for r in parts if r["label"] not in NODES]
    found = {
        "primary_volume_ml": sum(r["measurements"]["volume_ml"] for r in primaries),
        "primary_diameter_mm": max((_diameter_mm(mask, r) for r in primaries), default=0.0),
        "node_count": float(len(nodes)),
        "node_volume_ml": sum(r["measurements"]["volume_ml"] for r in nodes),
        "node_diameter_mm": max((_diameter_mm(mask, r) for r in nodes), default=0.0),
    }
    if nodes:
        heights = [r["points_mm"][2] for r in nodes]
        found["node_spread_mm"] = float(max(heights) - min(heights))
        if primaries:
            largest = max(primaries, key=lambda r: r["measurements"]["volume_ml"])
            found["node_below_primary_mm"] = float(largest["points_mm"][2] - min(heights))
    if midline is not None:
        sides = {float(np.sign(r["points_mm"][0] - midline)) for r in nodes}
        found["nodes_on_both_sides"] = float(len(sides) > 1)
        if primaries and nodes:
            largest = max(primaries, key=lambda r: r["measurements"]["volume_ml"])
            side = float(np.sign(largest["points_mm"][0] - midline))
            found["node_opposite"] = float(-side in sides)
    return found


def midline_mm(ct: Volume, around_mm: NDArray[np.float64], *, body: NDArray[np.int64] | None = None) -> float | None:
    """x (RAS mm) of the middle of the body in the axial slices within 20 mm of a place; None without a body there.
    `body`: what `body_columns` gives of this CT, for many places of one."""
    grid = ct.geometry
    axis_x, axis_z = _axes(ct)
    middle = grid.to_index(around_mm)[axis_z]
    reach = 20.0 / grid.spacing_mm[axis_z]
    low, high = (int(np.clip(round(middle + sign * reach), 0, grid.shape[axis_z])) for sign in (-1, 1))
    if low >= grid.shape[axis_z]:
        return None
    near = slice(low, max(high, low + 1))
    if body is None:
        slab = np.moveaxis(ct.array, (axis_x, axis_z), (0, 1))[:, near]
        counts = (slab > _BODY_HU).sum(axis=(1, 2))
    else:
        counts = body[:, near].sum(axis=1)
    columns = np.flatnonzero(counts > 5)
    if not len(columns):
        return None
    index = np.asarray(grid.to_index(around_mm), float)
    index[axis_x] = (columns[0] + columns[-1]) / 2
    return float(grid.to_world(index)[0])


def body_columns(ct: Volume) -> NDArray[np.int64]:
    """Voxels of the body in every column from front to back, (across, slices)."""
    columns: NDArray[np.int64] = (np.moveaxis(ct.array, _axes(ct), (0, 1)) > _BODY_HU).sum(axis=2)
    return columns


def _axes(ct: Volume) -> tuple[int, int]:
    """The array's axes that run across the body and along it."""
    across, along = (int(np.argmax(np.abs(ct.geometry.direction[world]))) for world in (0, 2))
    return across, along


def _diameter_mm(mask: Volume, lesion: Mapping[str, Any]) -> float:
    """Longest diameter of one connected lesion, between corners of its surface."""
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    corners = mask.geometry.to_index(np.asarray(lesion["box"], float).reshape(2, 3))
    low = np.clip(np.floor(corners.min(axis=0) + 0.5).astype(int), 0, None)
    high = np.minimum(np.ceil(corners.max(axis=0) + 0.5).astype(int), mask.shape)
    part = mask.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] == lesion["value"]
    parts, _ = connected_parts(part)
    largest = int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
    points = surface_points(parts == largest, mask.spacing_mm)
    return float(pdist(points[ConvexHull(points).vertices]).max())
