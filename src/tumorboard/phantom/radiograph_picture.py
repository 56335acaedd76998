"""A finished X-ray picture with its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Radiograph"]

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixel edges (x right, y down, origin top left)."""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A picture and its truth. image : uint8 (rows, columns), brighter = denser. boxes : by name of
    `core.chest.BOX_LOCATIONS`. lungs : visible lung fields (rows, columns) by side. view : PA, AP, or LL (lateral)."""

    image: NDArray[np.uint8]
    boxes: Mapping[str, Box]
    lungs: Mapping[str, NDArray[np.bool_]]
    pixel_mm: float
    view: str
