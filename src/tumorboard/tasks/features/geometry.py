"""Where the lesions of a head-and-neck mask lie and how large they are, and the stage that size and number imply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.volume import Volume
from tumorboard.metrics.radiomics.shape import surface_points

__all__ = ["NODES", "geometry_features", "midline_mm", "n_stage", "t_stage"]

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


def midline_mm(ct: Volume, around_mm: NDArray[np.float64]) -> float | None:
    """x (RAS mm) of the middle of the body in the axial slices within 20 mm of a place; None without a body there."""
    grid = ct.geometry
    axis_x, axis_z = (int(np.argmax(np.abs(grid.direction[world]))) for world in (0, 2))
    middle = grid.to_index(around_mm)[axis_z]
    reach = 20.0 / grid.spacing_mm[axis_z]
    low, high = (int(np.clip(round(middle + sign * reach), 0, grid.shape[axis_z])) for sign in (-1, 1))
    slab = np.take(ct.array, range(low, max(high, low + 1)), axis=axis_z) if low < grid.shape[axis_z] else None
    if slab is None:
        return None
    columns = np.flatnonzero((slab > _BODY_HU).sum(axis=tuple(a for a in range(3) if a != axis_x)) > 5)
    if not len(columns):
        return None
    index = np.asarray(grid.to_index(around_mm), float)
    index[axis_x] = (columns[0] + columns[-1]) / 2
    return float(grid.to_world(index)[0])


def t_stage(diameter_mm: float) -> str:
    """T by size alone (oropharynx, 7th edition): up to 20 mm T1, up to 40 mm T2, larger T3. T4 is invasion, which a
    mask does not show; so T4 is never said, and T3 stands for T3 or T4."""
    return "T1" if diameter_mm <= 20 else "T2" if diameter_mm <= 40 else "T3"


def n_stage(features: Mapping[str, float]) -> str:
    """N by number, size and side of the nodes (7th edition, sub-stages merged): none N0; one up to 30 mm on the
    primary's side N1; any above 60 mm N3; everything else N2. An unknown side counts as the primary's."""
    if not features.get("node_count"):
        return "N0"
    if features["node_diameter_mm"] > 60:
        return "N3"
    alone = features["node_count"] == 1 and not features.get("node_opposite", 0.0)
    return "N1" if alone and features["node_diameter_mm"] <= 30 else "N2"


def _diameter_mm(mask: Volume, lesion: Mapping[str, Any]) -> float:
    """Longest diameter of one connected lesion, between corners of its surface."""
    import cc3d
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    corners = mask.geometry.to_index(np.asarray(lesion["box"], float).reshape(2, 3))
    low = np.clip(np.floor(corners.min(axis=0) + 0.5).astype(int), 0, None)
    high = np.minimum(np.ceil(corners.max(axis=0) + 0.5).astype(int), mask.shape)
    part = mask.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] == lesion["value"]
    parts = cc3d.connected_components(np.ascontiguousarray(part), connectivity=26)
    largest = int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
    points = surface_points(parts == largest, mask.spacing_mm)
    return float(pdist(points[ConvexHull(points).vertices]).max())
