"""How the lesions of a mask lie to each other and to the body's middle: gaps, largest distance, sides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.volume import Volume
from tumorboard.tasks.features.geometry import body_columns, midline_mm

__all__ = ["GAP_MM", "add_sides", "gaps_mm", "largest_distance_mm"]

GAP_MM = "gap_mm"
"""Measurement of a lesion: shortest way between its surface and that of the nearest other lesion of the mask."""

_MIDDLE_MM = 5.0
"""A lesion whose centroid is nearer to the body's middle plane has no side."""


def gaps_mm(surfaces: Sequence[NDArray[np.float64]]) -> list[float | None]:
    """For each lesion the distance to the nearest other one, None for a single lesion. `surfaces`: points (n, 3) in mm
    of each lesion's surface."""
    from scipy.spatial import cKDTree

    trees = [cKDTree(points) for points in surfaces]
    low, high = (np.array([getattr(tree, name) for tree in trees]).reshape(-1, 3) for name in ("mins", "maxes"))
    best = np.full(len(surfaces), np.inf)
    measured: set[tuple[int, int]] = set()
    for a in range(len(surfaces)):
        between_boxes = np.linalg.norm(np.maximum(np.maximum(low[a] - high, low - high[a]), 0), axis=1)
        between_boxes[a] = np.inf
        for b in map(int, np.argsort(between_boxes)):
            if between_boxes[b] >= best[a]:
                break
            few, many = (a, b) if len(surfaces[a]) <= len(surfaces[b]) else (b, a)
            if (few, many) in measured:
                continue
            measured.add((few, many))
            distances, _ = trees[many].query(surfaces[few], distance_upper_bound=max(best[a], best[b]))
            best[[a, b]] = np.minimum(best[[a, b]], distances.min())
    return [float(value) if np.isfinite(value) else None for value in best]


def largest_distance_mm(centroids_mm: NDArray[np.float64]) -> float | None:
    """Between any two of the centroids (n, 3); None for fewer than two. Dmax of Cottereau et al., J Nucl Med 2020;
    61:40."""
    from scipy.spatial.distance import pdist

    return float(pdist(centroids_mm).max()) if len(centroids_mm) > 1 else None


def add_sides(rows: Sequence[dict[str, Any]], ct: Volume | None) -> None:
    """Adds to the rows of `measure_mask`, in place: the attribute `side` (left, right, middle) of each lesion, and of
    each label the measurements lesions, lesions_left and lesions_right. Without a CT, or without a body in it at the
    lesion's height, nothing is said about sides."""
    totals = {row["label"]: row for row in rows if not row["component"]}
    for row in totals.values():
        row["measurements"]["lesions"] = 0.0
    body = None if ct is None else body_columns(ct)
    for row in (row for row in rows if row["component"]):
        total = totals[row["label"]]["measurements"]
        total["lesions"] += 1.0
        side = None if ct is None else _side(ct, np.asarray(row["points_mm"], float), body)
        if side is None:
            continue
        row["attributes"] = json.dumps(json.loads(row["attributes"] or "{}") | {"side": side})
        for name in ("left", "right"):
            total[f"lesions_{name}"] = total.get(f"lesions_{name}", 0.0) + float(side == name)


def _side(ct: Volume, centroid_mm: NDArray[np.float64], body: NDArray[np.int64] | None) -> str | None:
    middle = midline_mm(ct, centroid_mm, body=body)
    if middle is None:
        return None
    beside = float(centroid_mm[0]) - middle
    if abs(beside) < _MIDDLE_MM:
        return "middle"
    return "right" if beside > 0 else "left"
