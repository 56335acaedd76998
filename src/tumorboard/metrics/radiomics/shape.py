"""Size and shape of a mask (IBSI 3.1), from the surface half-way between its voxels and their neighbours.

The surface is that of marching cubes at the level one half. In a binary mask all its corners are middles of edges,
so each of the 256 kinds of cube has one fixed piece of surface: area and volume follow from how often each kind
occurs and where, and no mesh is ever built.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["shape_features", "surface_area_mm2", "surface_points"]

Floats = NDArray[np.float64]
_FACES = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
"""Corners (bit x + 2 y + 4 z) of each face of a cube, anticlockwise seen from outside."""


def shape_features(mask: ArrayLike, spacing_mm: ArrayLike) -> dict[str, float]:
    """Volume, surface, diameters and ratios of a mask (i, j, k) with at least one voxel.

    `sphericity` 1 for a ball; `elongation` and `flatness` ratios of the principal axes; densities are mesh volume (or
    surface) over that of the box, the principal ellipsoid, or the convex hull. ValueError for an empty mask.
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    inside, spacing = np.asarray(mask, bool), np.asarray(spacing_mm, float)
    if not inside.any():
        raise ValueError("an empty mask has no shape")
    area, volume = _area_and_volume(inside, spacing)
    voxels = int(inside.sum())
    hull = ConvexHull(surface_points(inside, spacing))
    corners = hull.points[hull.vertices]
    box = np.ptp(corners, axis=0)
    axes = _principal_axes(inside, spacing)
    sphericity = float((36 * np.pi * volume**2) ** (1 / 3) / area)
    ellipsoid = np.pi / 6 * float(np.prod(axes))
    return {
        "mesh_volume_ml": volume / 1000,
        "voxel_volume_ml": voxels * float(np.prod(spacing)) / 1000,
        "surface_mm2": area,
        "surface_to_volume_per_mm": area / volume,
        "sphericity": sphericity,
        "compactness": sphericity**3,
        "asphericity": 1 / sphericity - 1,
        "longest_diameter_mm": float(pdist(corners).max()),
        "major_axis_mm": float(axes[0]),
        "minor_axis_mm": float(axes[1]),
        "least_axis_mm": float(axes[2]),
        "elongation": float(axes[1] / axes[0]) if axes[0] > 0 else 1.0,
        "flatness": float(axes[2] / axes[0]) if axes[0] > 0 else 1.0,
        "box_volume_density": volume / float(np.prod(box)),
        "box_surface_density": area / float(2 * (box[0] * box[1] + box[0] * box[2] + box[1] * box[2])),
        "ellipsoid_volume_density": volume / ellipsoid if ellipsoid > 0 else float("nan"),
        "hull_volume_density": volume / float(hull.volume),
        "hull_surface_density": area / float(hull.area),
    }


def surface_area_mm2(mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> float:
    """Area of the surface half-way between a mask's voxels and their neighbours."""
    return _area_and_volume(mask, np.asarray(spacing_mm, float))[0]


def surface_points(mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> Floats:
    """The corners (n, 3) of the surface in mm: middles between a voxel of the mask and a neighbour outside."""
    padded = np.pad(mask, 1)
    found = []
    for axis in range(3):
        differ = np.argwhere(np.diff(padded, axis=axis)).astype(float)
        differ[:, axis] += 0.5
        found.append(differ - 1)
    corners: Floats = np.concatenate(found) * np.asarray(spacing_mm, float)
    return corners


def _principal_axes(mask: NDArray[np.bool_], spacing: Floats) -> Floats:
    """Lengths (3,) of the axes of the ellipsoid with the mask's moments, longest first."""
    places = np.argwhere(mask) * spacing
    centred = places - places.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / max(len(places) - 1, 1))
    return 4 * np.sqrt(np.maximum(values[::-1], 0))


def _area_and_volume(mask: NDArray[np.bool_], spacing: Floats) -> tuple[float, float]:
    """Area (mm2) and enclosed volume (mm3) of the surface; the volume by Gauss's theorem along the first axis."""
    areas, normals, moments = _pieces(tuple(float(s) for s in spacing))
    padded = np.pad(mask, 1).astype(np.uint8)
    kinds = np.zeros(tuple(n - 1 for n in padded.shape), np.uint8)
    for corner in range(8):
        x, y, z = corner & 1, corner >> 1 & 1, corner >> 2
        part = padded[x : x + kinds.shape[0], y : y + kinds.shape[1], z : z + kinds.shape[2]]
        kinds |= part << corner
    counts = np.bincount(kinds.ravel(), minlength=256)
    depth = np.repeat(np.arange(kinds.shape[0]), kinds.shape[1] * kinds.shape[2])
    depths = np.bincount(kinds.ravel(), weights=depth, minlength=256) * spacing[0]
    return float(counts @ areas), float(depths @ normals + counts @ moments)


@lru_cache(maxsize=64)
def _pieces(spacing: tuple[float, float, float]) -> tuple[Floats, Floats, Floats]:
    """Of each kind of cube (256,): area, first component of the area vector, and its first moment along x."""
    areas, normals, moments = np.zeros(256), np.zeros(256), np.zeros(256)
    for kind in range(1, 255):
        for loop in _loops(kind):
            area, normal, moment = _widest_fan(np.array([_middle(*edge) for edge in loop]) * spacing)
            areas[kind] += area
            normals[kind] += normal
            moments[kind] += moment
    return areas, normals, moments


def _loops(kind: int) -> list[list[tuple[int, int]]]:
    """The closed polygons that a kind of cube cuts out of the surface, as edges (two corners, lower first)."""
    follows: dict[tuple[int, int], tuple[int, int]] = {}
    for face in _FACES:
        inside = [bool(kind >> corner & 1) for corner in face]
        edges = [(min(face[n], face[n - 1]), max(face[n], face[n - 1])) for n in range(4)]
        for n in range(4):  # edge n lies between corner n - 1 and corner n
            if inside[n] and not inside[n - 1]:
                m = n
                while inside[(m + 1) % 4]:  # walk over the corners inside to where the face is left again
                    m += 1
                follows[edges[n]] = edges[(m + 1) % 4]
    loops = []
    while follows:
        start, edge = follows.popitem()
        loop = [start]
        while edge != start:
            loop.append(edge)
            edge = follows.pop(edge)
        loops.append(loop)
    return loops


def _widest_fan(points: Floats) -> tuple[float, float, float]:
    """A polygon (n, 3) in space as triangles that share one corner: the corner with which their area is greatest, so
    that the result is the same however the mask is turned. Area, and normal and moment along x."""
    best = (-1.0, 0.0, 0.0)
    for turn in range(len(points)):
        a, *rest = np.roll(points, turn, axis=0)
        vectors = [np.cross(b - a, c - a) / 2 for b, c in pairwise(rest)]
        area = float(sum(np.linalg.norm(v) for v in vectors))
        if area > best[0] + 1e-9:
            along = sum(v[0] * (a[0] + b[0] + c[0]) / 3 for v, b, c in zip(vectors, rest[:-1], rest[1:], strict=True))
            best = (area, float(sum(v[0] for v in vectors)), float(along))
    return best


def _middle(a: int, b: int) -> Floats:
    return np.array([((a >> n & 1) + (b >> n & 1)) / 2 for n in range(3)])
