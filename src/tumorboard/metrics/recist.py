"""Long and short axis of a lesion (RECIST 1.1) from a mask or an outline, in mm and finer than a pixel.

A mask says of every pixel centre whether it lies inside, so that its outline is uncertain by half a pixel and the
longest of many such distances comes out too long (by a third of a pixel on ellipses); distances between pixel centres
come out too short by a whole one. Here the outline is first made as smooth as the mask allows: the fewest waves of the
radius that part the pixels inside from those outside, else a local parabola along it; both in coordinates in which the
lesion is as wide as it is long, so that they move neither circles nor ellipses. What that gives on ellipses and lobed
shapes: docs/adr/0133.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Axes", "contour_axes", "mask_axes", "slice_axes"]

Floats = NDArray[np.float64]
_WAVES, _TOLERANCE_PX, _EDGE_ERROR = 1.6, 0.12, 0.05
"""At most `_WAVES` times the root of the diameter in pixels; how far a point may lie beyond half a pixel; the variance
(relative to that of half a pixel) of a point whose edge runs along the outline."""
_WINDOW_PX, _LEAST_WINDOW_PX = 1.1, 1.5
"""Half the window of the parabola: `_WINDOW_PX` times the root of the diameter in pixels, at least the least."""
_STEP_PX = 0.5
_SMOOTHED_FROM_PX = 3.0
"""Lesions of a smaller diameter are measured on the outline as it is: there is nothing to average over."""
_SLACK_PX = 1.5
"""Slices whose raw long axis is shorter than the longest by more than this cannot win after smoothing."""
_MOST_CHORDS = 200


@dataclass(frozen=True, eq=False)
class Axes:
    """Longest diameter, and the longest chord at right angles to it inside the outline.

    `long_ends_mm`, `short_ends_mm`: (2, 2) in the plane of the outline, (2, 3) in RAS mm from `mask_axes`, which also
    says in which slice (`slice_index`) and how far its plane is turned out of the axial one (`tilt_degrees`).
    """

    long_mm: float
    short_mm: float
    long_ends_mm: Floats
    short_ends_mm: Floats
    slice_index: int = -1
    tilt_degrees: float = 0.0

    def points_mm(self) -> list[float]:
        """The four ends one after the other: long a, long b, short a, short b (`points_mm` of a RECIST pair)."""
        return [float(x) for x in np.concatenate([self.long_ends_mm, self.short_ends_mm]).ravel()]


def contour_axes(outline_mm: ArrayLike) -> Axes:
    """Axes of a closed polygon (n, 2) in mm, as drawn: n >= 3, no smoothing. The long axis joins the two most distant
    corners (of the convex hull); the short one is the longest chord at right angles that lies in the polygon.
    ValueError when fewer than three corners differ or one is not finite.
    """
    outline = np.asarray(outline_mm, float)
    if outline.ndim != 2 or outline.shape[1] != 2 or not np.isfinite(outline).all():
        raise ValueError("an outline is a list of finite points (n, 2) in mm")
    if len(np.unique(outline, axis=0)) < 3:
        raise ValueError("an outline needs three corners that differ")
    ends = _farthest(outline)
    length = float(np.linalg.norm(ends[1] - ends[0]))
    along = (ends[1] - ends[0]) / length
    chord = _longest_chord(outline, along)
    return Axes(length, float(np.linalg.norm(chord[1] - chord[0])), ends, chord)


def slice_axes(inside: ArrayLike, steps_mm: ArrayLike) -> Axes | None:
    """Axes of the largest connected part (by corners too) of a mask (i, j) of one slice; None when it is empty.

    `steps_mm`: spacing (2,), or the steps of both pixel axes as columns (2, 2) in mm of the plane. Holes belong to the
    lesion. A single pixel measures its own edges. Ends are in mm from the centre of pixel (0, 0).
    """
    part, corner = _largest_part(np.asarray(inside, bool))
    if part is None:
        return None
    steps = _steps(steps_mm)
    found = contour_axes(_outline(part, steps))
    shift = corner @ steps.T
    return replace(found, long_ends_mm=found.long_ends_mm + shift, short_ends_mm=found.short_ends_mm + shift)


def mask_axes(inside: ArrayLike, affine: ArrayLike) -> Axes | None:
    """Axes of a lesion's mask (i, j, k), in the slice with the longest of them; None when it is empty.

    `affine` (4, 4): voxel index to RAS mm. Slices are the stored planes nearest to axial; where the volume is oblique,
    lengths are those in that plane, and `tilt_degrees` says how far it is from axial. In every slice the largest
    connected part counts. Of equal slices the first.
    """
    mask, matrix = np.asarray(inside, bool), np.asarray(affine, float)
    axis = _axial(matrix)
    low, high = _bounds(mask)
    if low is None or high is None:
        return None
    box = np.moveaxis(mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], axis, 0)
    first, second = (n for n in range(3) if n != axis)
    steps = _plane(matrix[:3, first], matrix[:3, second])
    best: tuple[Axes, int] | None = None
    for place in _candidates(box, steps):
        found = slice_axes(box[place], steps)
        if found is not None and (best is None or found.long_mm > best[0].long_mm):
            best = found, place
    if best is None:
        return None
    found, place = best

    def world(ends: Floats) -> Floats:
        index = np.zeros((2, 3))
        index[:, (first, second)] = ends @ np.linalg.inv(steps).T
        index[:, axis] = place
        placed: Floats = (index + low) @ matrix[:3, :3].T + matrix[:3, 3]
        return placed

    normal = np.cross(matrix[:3, first], matrix[:3, second])
    tilt = float(np.degrees(np.arccos(min(1.0, abs(normal[2]) / np.linalg.norm(normal)))))
    return Axes(
        found.long_mm,
        found.short_mm,
        world(found.long_ends_mm),
        world(found.short_ends_mm),
        place + int(low[axis]),
        tilt,
    )


def _axial(matrix: Floats) -> int:
    """The voxel axis along which planes are nearest to axial: their normal is nearest to z."""
    normals = [np.cross(matrix[:3, (n + 1) % 3], matrix[:3, (n + 2) % 3]) for n in range(3)]
    return int(np.argmax([abs(n[2]) / np.linalg.norm(n) for n in normals]))


def _bounds(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | tuple[None, None]:
    hits = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if not len(hits[0]):
        return None, None
    return np.array([h[0] for h in hits]), np.array([h[-1] + 1 for h in hits])


def _candidates(box: NDArray[np.bool_], steps: Floats) -> list[int]:
    """Slices that may hold the longest axis, by the raw distance of their outermost pixels (of all parts: an upper
    bound wherever there are several)."""
    lengths = np.zeros(len(box))
    for place, inside in enumerate(box):
        rim = _rim(inside)
        if len(rim):
            lengths[place] = np.linalg.norm(np.subtract(*_farthest(rim @ steps.T)))
    slack = _SLACK_PX * float(np.linalg.norm(steps, axis=0).max())
    several = [_parts(inside)[1] > 1 for inside in box]
    whole = [length for length, many in zip(lengths, several, strict=True) if not many]
    goal = max(whole, default=0.0) - slack
    return [n for n, length in enumerate(lengths) if box[n].any() and length >= goal]


def _rim(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First and last pixel of every row: all that a convex hull needs."""
    rows = np.flatnonzero(inside.any(axis=1))
    part = inside[rows]
    first, last = part.argmax(axis=1), part.shape[1] - 1 - part[:, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)])


def _parts(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    from scipy import ndimage

    parts, count = ndimage.label(inside, structure=np.ones((3, 3), bool))
    return parts, int(count)


def _largest_part(inside: NDArray[np.bool_]) -> tuple[NDArray[np.bool_] | None, NDArray[np.int64]]:
    """The largest connected part in its own box, and where that box begins. Of equal parts the first."""
    parts, count = _parts(inside)
    if not count:
        return None, np.zeros(2, np.int64)
    mine = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])) if count > 1 else inside
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    return mine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.array([rows[0], columns[0]])


def _outline(part: NDArray[np.bool_], steps: Floats) -> Floats:
    """The outer outline (n, 2) of one connected part in mm, smoothed."""
    from contourpy import contour_generator

    values = np.pad(part, 1).astype(float)
    level = 0.5 - 1e-9  # pixels that touch at a corner are one outline
    lines = contour_generator(z=values, name="serial").lines(level)
    outer: Floats = max((np.asarray(line, float) for line in lines), key=_enclosed)[:-1, ::-1] - 1.0
    return _smoothed(outer, part, steps)


def _enclosed(line: Floats) -> float:
    x, y = line.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))


def _smoothed(outline_px: Floats, part: NDArray[np.bool_], steps: Floats) -> Floats:
    """The outline in mm without the grid's steps, found in coordinates (of pixel size) in which the part's second
    moments are those of a circle of its area."""
    pixel = float(np.sqrt(abs(np.linalg.det(steps))))
    places = np.argwhere(part) @ steps.T
    spread = np.cov(places.T, bias=True) if len(places) > 1 else np.zeros((2, 2))
    values, vectors = np.linalg.eigh(spread + steps @ steps.T / 12)
    to_circle = vectors @ np.diag(np.sqrt(np.sqrt(values[0] * values[1]) / values)) @ vectors.T / pixel
    ring = outline_px @ steps.T @ to_circle.T
    diameter_px = float(np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1).sum()) / np.pi
    if diameter_px < _SMOOTHED_FROM_PX:
        return outline_px @ steps.T
    crossed = np.argmax(np.abs(outline_px - np.round(outline_px)), axis=1)  # the pixel axis that each point lies on
    edges = (to_circle @ steps)[:, crossed].T
    smooth = _few_waves(ring, edges, places.mean(axis=0) @ to_circle.T, diameter_px)
    if smooth is None:
        smooth = _local_parabola(_evenly(ring, _STEP_PX), diameter_px)
    back: Floats = smooth @ np.linalg.inv(to_circle).T
    return back


def _few_waves(ring: Floats, edges: Floats, middle: Floats, diameter_px: float) -> Floats | None:
    """The radius round `middle` as a sum of the fewest waves with which the outline stays between the pixels inside and
    those outside. Every point of `ring` lies half-way between two pixel centres that are `edges` apart. A point says
    most about the radius where its edge runs along the outline. None when a lesion
    needs many waves, or shows too little of itself from its middle."""
    spokes = ring - middle
    radius, angle = np.hypot(*spokes.T), np.arctan2(spokes[:, 1], spokes[:, 0])
    across = np.abs((spokes * edges).sum(axis=1)) / np.maximum(radius, 1e-9)
    weight = 1 / np.sqrt(across**2 + _EDGE_ERROR)
    widest_gap = float(np.diff(np.sort(angle), append=angle.min() + 2 * np.pi).max())
    most = min(int(_WAVES * np.sqrt(diameter_px)), len(ring) // 3, int(np.pi / 2 / widest_gap))
    for waves in range(2, most + 1):
        basis = _waves(angle, waves)
        found = np.linalg.lstsq(basis * weight[:, None], radius * weight, rcond=None)[0]
        if (np.abs(basis @ found - radius) <= across / 2 + _TOLERANCE_PX).all():
            turn = np.linspace(-np.pi, np.pi, max(int(np.pi * diameter_px / _STEP_PX), 16), endpoint=False)
            smooth = _waves(turn, waves) @ found
            found_ring: Floats = middle + smooth[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
            return found_ring
    return None


def _waves(angle: Floats, count: int) -> Floats:
    orders = angle[:, None] * np.arange(1, count + 1)
    return np.concatenate([np.ones((len(angle), 1)), np.cos(orders), np.sin(orders)], axis=1)


def _evenly(closed: Floats, step: float) -> Floats:
    """A closed polygon resampled to even steps along its length."""
    ring = np.vstack([closed, closed[:1]])
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    count = max(int(np.ceil(way[-1] / step)), 8)
    at = np.linspace(0.0, way[-1], count, endpoint=False)
    return np.stack([np.interp(at, way, ring[:, n]) for n in range(2)], axis=1)


def _local_parabola(ring: Floats, diameter_px: float) -> Floats:
    """Each point of a closed, even ring (n, 2) replaced by the parabola through its neighbours on either side."""
    from scipy.signal import savgol_filter

    reach_px = max(_WINDOW_PX * np.sqrt(diameter_px), _LEAST_WINDOW_PX)
    reach = min(round(reach_px * len(ring) / (np.pi * diameter_px)), (len(ring) - 1) // 2)
    if reach < 2:
        return ring
    smooth: Floats = savgol_filter(ring, 2 * reach + 1, 2, axis=0, mode="wrap")
    return smooth


def _farthest(points: Floats) -> Floats:
    """The two most distant of some points (n, 2), the lower one (by first, then second coordinate) first."""
    corners = _hull(points)
    gaps = np.linalg.norm(corners[:, None] - corners[None], axis=-1)
    ends = corners[list(np.unravel_index(int(np.argmax(gaps)), gaps.shape))]
    ordered: Floats = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    return ordered


def _hull(points: Floats) -> Floats:
    """Corners of the convex hull; all points where they lie on one line or are few."""
    from scipy.spatial import ConvexHull, QhullError

    if len(points) < 4:
        return points
    try:
        return points[ConvexHull(points).vertices]  # type: ignore[no-any-return]
    except QhullError:
        return points


def _longest_chord(outline: Floats, along: Floats) -> Floats:
    """Ends (2, 2) of the longest segment at right angles to `along` that stays in the polygon."""
    across = np.array([-along[1], along[0]])
    u, v = outline @ along, outline @ across
    du, dv = np.roll(u, -1) - u, np.roll(v, -1) - v
    at = np.unique(u)
    at = np.concatenate([at[:-1], (at[:-1] + at[1:]) / 2])  # lengths are linear between corners
    if len(at) > _MOST_CHORDS:
        at = at[np.linspace(0, len(at) - 1, _MOST_CHORDS).astype(int)]
    crossed = (u <= at[:, None]) != (u + du <= at[:, None])
    slope = np.divide(dv, du, out=np.zeros_like(du), where=du != 0)
    met = np.sort(np.where(crossed, v + (at[:, None] - u) * slope, np.inf), axis=1)
    met = met[:, : 2 * int(np.ceil(crossed.sum(axis=1).max() / 2))]
    low, high = met[:, ::2], met[:, 1::2]
    inside = np.where(np.isfinite(high), high, 0.0) - np.where(np.isfinite(high), low, 0.0)
    row, pair = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return np.stack([at[row] * along + low[row, pair] * across, at[row] * along + high[row, pair] * across])


def _steps(steps_mm: ArrayLike) -> Floats:
    steps = np.asarray(steps_mm, float)
    return np.diag(steps) if steps.ndim == 1 else steps


def _plane(first: Floats, second: Floats) -> Floats:
    """Steps (2, 2) of two voxel axes within the plane that they span, as columns: exact when they are sheared too."""
    unit = first / np.linalg.norm(first)
    rest = second - (second @ unit) * unit
    return np.array([[np.linalg.norm(first), second @ unit], [0.0, np.linalg.norm(rest)]])
