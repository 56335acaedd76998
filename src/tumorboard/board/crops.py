"""Small pictures of single lesions, cut out of the scan at the height of the marks."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.planes import plane_through, sample
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import atomic_write_bytes

__all__ = ["CROP_PX", "MARK_PX", "Crop", "crop_picture", "draw_crops", "field_mm"]

CROP_PX = 96
MARK_PX = 320
"""Side of the picture on which a mark is corrected."""
FIELD_MM = 64.0
"""Side of a crop; of large lesions `_ROOM` times the long axis."""
_ROOM = 1.5
_WINDOWS_HU = {"lung": (-1350.0, 150.0), "bone": (-450.0, 1050.0)}
_SOFT_HU = (-175.0, 275.0)
_OUTSIDE = 20


@dataclass(frozen=True)
class Crop:
    """One picture to draw: `number` names the file; `image`: row of the scan; the centre in RAS mm; the long axis, 0
    when not known; the type, which decides the window (lung, bone, else soft tissue)."""

    number: int
    image: Mapping[str, Any]
    centre_mm: tuple[float, float, float]
    long_mm: float
    kind: str


def draw_crops(crops: Iterable[Crop], *, load: Callable[[Mapping[str, Any]], Volume], folder: Path) -> None:
    """Write `<number>.png` of each crop to `folder`, each scan read once. Of a scan that cannot be read a crossed-out
    picture is drawn: the exam on the same page tells why."""
    by_image: dict[str, list[Crop]] = {}
    for crop in crops:
        by_image.setdefault(crop.image["image_id"], []).append(crop)
    if by_image:
        folder.mkdir(parents=True, exist_ok=True)
    for mine in by_image.values():
        volume: Volume | None
        try:
            volume = load(mine[0].image)
        except TumorboardError:
            volume = None
        for crop in mine:
            grey = _crossed() if volume is None else crop_picture(volume, crop)
            atomic_write_bytes(folder / f"{crop.number}.png", _png(grey))


def field_mm(long_mm: float) -> float:
    """Side of the square that a crop shows."""
    return max(FIELD_MM, _ROOM * long_mm)


def crop_picture(volume: Volume, crop: Crop, *, pixels: int = CROP_PX) -> NDArray[np.uint8]:
    """Axial, seen from the feet: (`pixels`, `pixels`) grey. A scan in HU is shown in the window of the type, another
    one from its own 1st to its 99th percentile; places outside the scan are dark."""
    half = field_mm(crop.long_mm) / 2
    centre = np.array(crop.centre_mm)
    plane = plane_through("axial", centre, low_mm=centre - half, high_mm=centre + half, pixels=pixels)
    values = sample(volume, plane.points_mm())
    inside = np.isfinite(values)
    if volume.unit == Unit.HU or not inside.any():
        low, high = _WINDOWS_HU.get(crop.kind, _SOFT_HU)
    else:
        low, high = (float(edge) for edge in np.percentile(values[inside], (1, 99)))
    level = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-6), 0, 1)
    return np.where(inside, np.rint(level * 255), _OUTSIDE).astype(np.uint8)


def _crossed() -> NDArray[np.uint8]:
    grey = np.full((CROP_PX, CROP_PX), _OUTSIDE, np.uint8)
    line = np.arange(CROP_PX)
    grey[line, line] = grey[line, line[::-1]] = 120
    return grey


def _png(grey: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "png", compress_level=6)
    return stream.getvalue()
