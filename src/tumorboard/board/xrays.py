"""X-rays as pictures: one PNG per flat image, no larger than a screen shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Role
from tumorboard.core.volume import Volume

__all__ = ["XRay", "draw_xrays", "is_flat"]

LONGEST_PX = 1024
_FLAT = ("DX", "CR", "XR")


@dataclass(frozen=True)
class XRay:
    """One flat image: its picture, and its size in the pixels in which boxes are given."""

    image_id: str
    file: str
    width_px: int
    height_px: int


def is_flat(row: Mapping[str, Any]) -> bool:
    """Whether an image row is an X-ray, or a mask of one."""
    shape = list(row["shape"] or [])
    return row["modality"] in _FLAT or (len(shape) == 3 and shape[2] == 1 and row["format"] in (None, "radiograph"))


def draw_xrays(
    images: Sequence[Mapping[str, Any]], load: Callable[[Mapping[str, Any]], Volume], *, folder: Path
) -> tuple[list[XRay], list[str]]:
    """Write a PNG of every X-ray among the rows; what could not be read is told in words."""
    from PIL import Image

    made: list[XRay] = []
    problems: list[str] = []
    for row in images:
        if row["role"] != Role.IMAGE or row["modality"] not in _FLAT or not row["path"]:
            continue
        try:
            array = load(row).array[:, :, 0].T.astype(np.float32)
        except TumorboardError as error:
            problems.append(str(error))
            continue
        low, high = np.percentile(array, (0.2, 99.8))
        grey = np.clip((array - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
        picture = Image.fromarray(grey)
        picture.thumbnail((LONGEST_PX, LONGEST_PX))
        folder.mkdir(parents=True, exist_ok=True)
        file = f"xray-{len(made)}.png"
        picture.save(folder / file, compress_level=3)
        made.append(XRay(str(row["image_id"]), file, int(array.shape[1]), int(array.shape[0])))
    return made, problems
