"""Volumes as pictures: windows, fusion, projections and contours. Arrays in, arrays out; nothing is written here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.lesions import bounding_box
from tumorboard.board.planes import AXIS, Plane, sample
from tumorboard.core.geometry import Geometry
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to

__all__ = [
    "CT_WINDOW_HU",
    "Rgb",
    "colour_bars",
    "ct_picture",
    "flattened",
    "fused_picture",
    "outline",
    "pet_picture",
    "region_on",
    "suv_top",
]

CT_WINDOW_HU = (-160.0, 240.0)
"""Soft tissue: level 40, width 400."""

Rgb = NDArray[np.uint8]
"""Shape (rows, columns, 3), sRGB."""

_OUTSIDE = np.array([18, 20, 24], np.uint8)


def ct_picture(hu: NDArray[np.float32]) -> Rgb:
    """CT in the soft-tissue window; places outside the scan (NaN) dark."""
    low, high = CT_WINDOW_HU
    grey = np.clip((np.nan_to_num(hu, nan=low) - low) / (high - low), 0, 1)
    return _with_outside(np.repeat(_bytes(grey)[..., None], 3, axis=-1), np.isnan(hu))


def pet_picture(suv: NDArray[np.float32], *, top_suv: float) -> Rgb:
    """PET from 0 to `top_suv`, dark uptake on white, as it is read in the clinic."""
    grey = 1 - np.clip(np.nan_to_num(suv) / top_suv, 0, 1)
    return _with_outside(np.repeat(_bytes(grey)[..., None], 3, axis=-1), np.isnan(suv))


def fused_picture(hu: NDArray[np.float32], suv: NDArray[np.float32], *, top_suv: float) -> Rgb:
    """CT with PET in colour over it: the hotter, the less transparent."""
    level = np.clip(np.nan_to_num(suv) / top_suv, 0, 1)
    colour = _hot(level)
    opacity = np.where(np.isnan(suv), 0, 0.85 * np.clip(level / 0.35, 0, 1) ** 0.8)[..., None]
    return (ct_picture(hu) * (1 - opacity) + colour * opacity).round().astype(np.uint8)


def suv_top(suv_max: float | None) -> float:
    """Upper end of the SUV colour bar for a lesion of that maximum: one of three, so that pictures compare."""
    if suv_max is None:
        return 10.0
    return 5.0 if suv_max <= 5 else 10.0 if suv_max <= 15 else 20.0


def colour_bars(columns: int = 128) -> tuple[Rgb, Rgb]:
    """The scales of the fused and the grey PET picture, low at the left; each (1, columns, 3)."""
    level = np.linspace(0, 1, columns)[None, :]
    return _hot(level).round().astype(np.uint8), np.repeat(_bytes(1 - level)[..., None], 3, axis=-1)


def flattened(volume: Volume, view: str) -> Volume:
    """Maximum of the whole scan along the view's axis, as a volume one voxel (and 100 m) thick, so that every
    plane of that view meets it."""
    upright = _upright(volume)
    axis = AXIS[view]
    affine = upright.affine.copy()
    affine[axis, axis], affine[axis, 3] = 1e5, 0.0
    return Volume(upright.array.max(axis=axis, keepdims=True), affine, volume.unit)


def region_of(mask: Volume, value: int) -> Volume | None:
    """One label of a mask as 0 and 1, cropped to it with a rim of one voxel; None when no voxel has it."""
    inside = mask.array == value
    box = bounding_box(inside)
    if box is None:
        return None
    start, stop = [s.start - 1 for s in box], [s.stop + 1 for s in box]
    whole = Volume(inside.view(np.uint8), mask.affine, mask.unit)
    return whole.crop(start, stop, fill=0).astype(np.float32)


def region_on(region: Volume, plane: Plane) -> NDArray[np.float32]:
    """How much of a region's voxels is in each pixel (0 to 1, interpolated): its outline is the line at 0.5."""
    share = np.zeros(plane.shape, np.float32)
    low, high = region.geometry.bounds_mm()
    if low[AXIS[plane.view]] <= plane.level_mm <= high[AXIS[plane.view]]:
        places = plane.to_picture(region.geometry.corners_mm()) / plane.size_mm * plane.shape[::-1]
        (left, top), (right, bottom) = np.floor(places.min(axis=0)), np.ceil(places.max(axis=0))
        rows = slice(max(int(top), 0), max(int(bottom), 0))
        columns = slice(max(int(left), 0), max(int(right), 0))
        share[rows, columns] = np.nan_to_num(sample(region, plane.points_mm()[rows, columns]))
    return share


def outline(region: NDArray[np.float32], plane: Plane) -> str:
    """The line at 0.5 round a region of the picture as an SVG path, in millimetres from its top left corner."""
    import contourpy

    if not (region >= 0.5).any():
        return ""
    rows, columns = region.shape
    width, height = plane.size_mm
    x = (np.arange(-1, columns + 1) + 0.5) * width / columns
    y = (np.arange(-1, rows + 1) + 0.5) * height / rows
    lines = contourpy.contour_generator(x, y, np.pad(region, 1)).lines(0.5)
    return "".join("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in line) + "Z" for line in lines if len(line) > 3)


def _upright(volume: Volume) -> Volume:
    """The scan stored along the world axes; interpolated only when its own axes are oblique."""
    if volume.geometry.is_axis_aligned:
        return volume.reorient("RAS")
    low, high = volume.geometry.bounds_mm()
    spacing = float(volume.spacing_mm.min())
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = low + spacing / 2
    shape = np.maximum(np.ceil((high - low) / spacing), 1).astype(int)
    method = "nearest" if np.issubdtype(volume.array.dtype, np.integer) else "linear"
    return resample_to(volume, Geometry((int(shape[0]), int(shape[1]), int(shape[2])), affine), method=method)


def _hot(level: NDArray[np.floating]) -> NDArray[np.float64]:
    """Level 0 to 1 -> hot-metal colours 0 to 255: black, red, orange, yellow, white."""
    from matplotlib import colormaps

    return colormaps["hot"](0.1 + 0.9 * np.asarray(level, float))[..., :3] * 255


def _bytes(level: NDArray[np.floating]) -> NDArray[np.uint8]:
    return (np.asarray(level) * 255).round().astype(np.uint8)


def _with_outside(picture: Rgb, outside: NDArray[np.bool_]) -> Rgb:
    picture[outside] = _OUTSIDE
    return picture
