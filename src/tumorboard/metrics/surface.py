"""Distances between surfaces, in two definitions that do not give the same numbers.

`VOXEL_BORDERS` (MONAI's, scipy's): the surface is the set of voxels with one of six neighbours outside; every
such voxel counts once. `SURFACE_ELEMENTS` (DeepMind's surface-distance): the surface is the set of corners
between voxels whose 2x2x2 neighbourhood is mixed, each weighted with the area in mm2 of the surface that
marching cubes draws there. Every result names its definition.

Sources: Nikolov et al. 2021, J Med Internet Res 23(7):e26151 (surface Dice, surface elements); Lorensen and
Cline 1987 (marching cubes); MONAI's `monai.metrics` for voxel borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.labelmaps import LabelPair

__all__ = [
    "DEFINITIONS",
    "SURFACE_ELEMENTS",
    "VOXEL_BORDERS",
    "SurfaceDistances",
    "mutual_distances_mm",
    "surface_distances",
    "surface_element_areas",
]

VOXEL_BORDERS = "voxel borders"
SURFACE_ELEMENTS = "surface elements"
DEFINITIONS = (VOXEL_BORDERS, SURFACE_ELEMENTS)

# Distances are float32 where they come from a distance map, so that 2 mm may read 2.0000001 mm.
_TIE = 1e-6

# Measured seconds per unit of work of the ways to nearest distances; only their ratios matter.
_TREE_COST_PER_GOAL = 2e-7
_TREE_COST_PER_POINT = 2e-6
_MAP_COST_PER_VOXEL = 2e-8
_PLACES_AROUND = 500


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances in mm from every point of each surface to the other surface, with the points' weights.

    `weights_*` None: all points weigh the same. Where one side is empty, both arrays of that side are empty
    and the other side's distances are infinite.
    """

    definition: str
    reference_mm: NDArray[np.float64]
    prediction_mm: NDArray[np.float64]
    reference_weights: NDArray[np.float64] | None = None
    prediction_weights: NDArray[np.float64] | None = None

    @property
    def defined(self) -> bool:
        """Whether both sides have a surface."""
        return bool(len(self.reference_mm) and len(self.prediction_mm))

    def hausdorff_mm(self, percentile: float = 100.0) -> float:
        """The larger of both sides' percentile of distances (100: the Hausdorff distance). Both sides must
        have a surface. Voxel borders: linear interpolation between order statistics; surface elements: the
        smallest distance within which that share of the area lies."""
        sides = ((self.reference_mm, self.reference_weights), (self.prediction_mm, self.prediction_weights))
        return max(_percentile(distance, weight, percentile) for distance, weight in sides)

    def mean_mm(self) -> float:
        """Average symmetric surface distance: all points of both sides together, weighted."""
        distance = np.concatenate([self.reference_mm, self.prediction_mm])
        if self.reference_weights is None or self.prediction_weights is None:
            return float(distance.mean())
        return float(np.average(distance, weights=np.concatenate([self.reference_weights, self.prediction_weights])))

    def surface_dice(self, tolerance_mm: float) -> float:
        """Share of both surfaces within the tolerance (ties included) of the other; 0 if one side is empty."""
        within, whole = 0.0, 0.0
        for distance, weight in (
            (self.reference_mm, self.reference_weights),
            (self.prediction_mm, self.prediction_weights),
        ):
            near = distance <= tolerance_mm * (1 + _TIE)
            within += float(np.count_nonzero(near) if weight is None else weight[near].sum())
            whole += float(len(distance) if weight is None else weight.sum())
        return within / whole


def _percentile(distance: NDArray[np.float64], weight: NDArray[np.float64] | None, percentile: float) -> float:
    if percentile == 100.0:
        return float(distance.max())
    if weight is None:
        return float(np.percentile(distance, percentile))
    order = np.argsort(distance)
    share = np.cumsum(weight[order])
    place = int(np.searchsorted(share / share[-1], percentile / 100.0))
    return float(distance[order[min(place, len(order) - 1)]])


def surface_distances(
    pair: LabelPair, values: Sequence[int], *, definition: str = VOXEL_BORDERS, method: str = "auto"
) -> dict[int, SurfaceDistances]:
    """Surface distances of each label of `values`. MET107 for an unknown definition or method."""
    if definition not in DEFINITIONS:
        raise TumorboardError(
            codes.OPTION_UNKNOWN, "definition", found=repr(definition), expected=" or ".join(DEFINITIONS)
        )
    reference = _points(pair.reference, pair, values, definition)
    prediction = _points(pair.prediction, pair, values, definition)
    results = {}
    for value in values:
        (a, weight_a), (b, weight_b) = reference[value], prediction[value]
        a_mm, b_mm = mutual_distances_mm(a, b, spacing_mm=pair.spacing_mm, method=method)
        results[value] = SurfaceDistances(definition, a_mm, b_mm, weight_a, weight_b)
    return results


def _points(
    labels: NDArray[np.uint8], pair: LabelPair, values: Sequence[int], definition: str
) -> dict[int, tuple[NDArray[np.int32], NDArray[np.float64] | None]]:
    """Surface points (index coordinates of the cropped maps) and weights of each label."""
    from tumorboard.metrics import kernels

    side = 1 if labels is pair.reference else 0
    counts = pair.joint.sum(axis=side)
    counts[0] = 0
    if definition == VOXEL_BORDERS:
        offsets = np.concatenate([[0], np.cumsum(counts)])
        points, found = kernels.border_voxels(labels, pair.first, pair.last, offsets)
        return {v: (points[offsets[v] : offsets[v] + found[v]], None) for v in values}
    areas = surface_element_areas(pair.spacing_mm)
    results: dict[int, tuple[NDArray[np.int32], NDArray[np.float64] | None]] = {}
    for value in values:
        if not counts[value]:
            results[value] = np.empty((0, 3), np.int32), np.empty(0)
            continue
        points, neighbourhood = kernels.surface_elements(labels, pair.first, pair.last, np.uint8(value))
        results[value] = points, areas[neighbourhood]
    return results


def mutual_distances_mm(
    a: NDArray[np.int32], b: NDArray[np.int32], *, spacing_mm: Sequence[float], method: str = "auto"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance in mm from each lattice point of `a` (n, 3) to the nearest of `b` (m, 3), and back.

    `method`: ``tree`` (k-d tree; good for small surfaces in a large box), ``map`` (distance transform of the
    box; good for large surfaces) or ``auto``: the places around each point first, and for the points that have
    nothing near the cheaper of the two. All are exact; ``map`` is rounded to float32.
    """
    if method not in ("auto", "tree", "map"):
        raise TumorboardError(codes.OPTION_UNKNOWN, "method", found=repr(method), expected="auto, tree or map")
    if not len(a) or not len(b):
        return np.full(len(a), np.inf), np.full(len(b), np.inf)
    a, b = np.asarray(a, np.int32), np.asarray(b, np.int32)
    low = np.minimum(a.min(axis=0), b.min(axis=0))
    box = np.maximum(a.max(axis=0), b.max(axis=0)) - low + 1
    return (
        _nearest_mm(a, b, low, box, tuple(map(float, spacing_mm)), method),
        _nearest_mm(b, a, low, box, tuple(map(float, spacing_mm)), method),
    )


def _nearest_mm(
    points: NDArray[np.int32],
    goals: NDArray[np.int32],
    low: NDArray[np.int32],
    box: NDArray[np.int32],
    spacing_mm: tuple[float, ...],
    method: str,
) -> NDArray[np.float64]:
    """Distance from each point to the nearest goal; both lie in the box that starts at `low`."""
    if method == "tree":
        return _by_tree(points, goals, spacing_mm)
    if method == "map":
        return _by_map(points - low, goals - low, box, spacing_mm)
    from tumorboard.metrics import kernels

    steps, distance_mm = _steps_around(spacing_mm)
    reach = np.abs(steps).max(axis=0)
    found_mm: NDArray[np.float64] = kernels.nearest_around(
        points, goals, low - reach, box + 2 * reach, steps, distance_mm
    )
    far = np.isinf(found_mm)
    if far.any():
        tree_cost = _TREE_COST_PER_GOAL * len(goals) + _TREE_COST_PER_POINT * int(far.sum())
        cheaper = "tree" if tree_cost < _MAP_COST_PER_VOXEL * float(np.prod(box)) else "map"
        found_mm[far] = _nearest_mm(points[far], goals, low, box, spacing_mm, cheaper)
    return found_mm


@lru_cache(maxsize=32)
def _steps_around(spacing_mm: tuple[float, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All lattice steps up to a distance, nearest first: about `_PLACES_AROUND` of them."""
    spacing = np.asarray(spacing_mm)
    radius_mm = max((_PLACES_AROUND * np.prod(spacing) * 3 / (4 * np.pi)) ** (1 / 3), float(spacing.min()))
    reach = (radius_mm / spacing).astype(int)
    grid = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    distance_mm = np.linalg.norm(grid * spacing, axis=1)
    order = np.argsort(distance_mm, kind="stable")
    order = order[distance_mm[order] <= radius_mm]
    return grid[order].astype(np.int64), distance_mm[order]


def _by_tree(points: NDArray[np.int32], goals: NDArray[np.int32], spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    spacing = np.asarray(spacing_mm)
    tree = cKDTree(goals * spacing, leafsize=32, balanced_tree=False, compact_nodes=False)
    distances: NDArray[np.float64] = tree.query(points * spacing)[0]
    return distances


def _by_map(
    points: NDArray[np.int32], goals: NDArray[np.int32], box: NDArray[np.int32], spacing_mm: Sequence[float]
) -> NDArray[np.float64]:
    import edt

    away = np.ones(box, np.uint8)
    away[tuple(goals.T)] = 0
    nearest = edt.edt(away, anisotropy=tuple(spacing_mm), black_border=False, parallel=1)
    return nearest[tuple(points.T)].astype(np.float64)


# ---- areas of surface elements --------------------------------------------------------------------------
# Marching cubes cuts each cube edge between an inside and an outside corner at its middle. Corners that are
# joined by cube edges are cut off by one polygon, whose triangles have these area vectors (components along
# the three axes for a unit cube; only their size matters). Of a set and its complement the smaller is cut off.
_ONE = [(1 / 8, 1 / 8, 1 / 8)]
_FOUR_ROUND_A_CORNER = [(1 / 8, 1 / 8, 1 / 8)] * 2 + [(1 / 4, 1 / 4, 1 / 4)] * 2


@lru_cache(maxsize=32)
def surface_element_areas(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area in mm2 of the surface in a cube of 2x2x2 voxel centres, for each of the 256 neighbourhood codes."""
    face_mm2 = np.prod(spacing_mm) / np.asarray(spacing_mm)
    areas = np.zeros(256)
    for code in range(256):
        corners = {c for bit, c in enumerate(product((0, 1), repeat=3)) if code >> bit & 1}
        if len(corners) > 4:
            corners = set(product((0, 1), repeat=3)) - corners
        vectors = [vector for piece in _edge_connected(corners) for vector in _polygon(piece)]
        areas[code] = sum(np.linalg.norm(np.asarray(vector) * face_mm2) for vector in vectors)
    areas.setflags(write=False)
    return areas


def _edge_connected(corners: set[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Corners in groups that are joined by edges of the cube."""
    pieces, left = [], set(corners)
    while left:
        piece = [left.pop()]
        for corner in piece:
            near = {c for c in left if sum(abs(x - y) for x, y in zip(c, corner, strict=True)) == 1}
            piece += sorted(near)
            left -= near
        pieces.append(piece)
    return pieces


def _polygon(piece: list[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """Area vectors of the triangles that cut one to four edge-connected corners off the cube."""
    spread = np.ptp(np.array(piece), axis=0)
    if len(piece) == 1:
        return _ONE
    if len(piece) == 2:  # a rectangle along the edge
        return [tuple(0.0 if s else 1 / 4 for s in spread)] * 2
    if len(piece) == 3:  # an L in one face
        return [tuple(0.0 if s else 1 / 2 for s in spread), (1 / 4, 1 / 4, 1 / 4), *_ONE]
    if not spread.all():  # a whole face
        return [tuple(0.0 if s else 1 / 2 for s in spread)] * 2
    neighbours = [sum(np.abs(np.subtract(a, b)).sum() == 1 for b in piece) for a in piece]
    if max(neighbours) == 3:
        return _FOUR_ROUND_A_CORNER
    # A path of three edges along three axes; both quarter vectors hold the axis of the middle edge.
    middle = [corner for corner, n in zip(piece, neighbours, strict=True) if n == 2]
    axis = int(np.argmax(np.abs(np.subtract(*middle))))
    quarters = [tuple(1 / 4 if i in (axis, kept) else 0.0 for i in range(3)) for kept in range(3) if kept != axis]
    return [*_ONE, (3 / 8, 3 / 8, 3 / 8), *quarters]
