"""Pictures as the network sees them, and back: hung, without borders, in a square window, grey values 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.ops.radiograph import resized, trim_borders

__all__ = ["Sample", "Window", "cut", "grey_range", "sample_of", "whole_window"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Box = Sequence[float]

MARGIN = 1.25
"""Samples for training are kept this much finer than the network's input."""


@dataclass(frozen=True)
class Window:
    """A square of a picture, in its pixels; it may reach beyond the picture."""

    x: float
    y: float
    side: float

    def to_parts(self, boxes: Floats) -> Floats:
        """Boxes (..., 4) in pixels -> parts of the window's side."""
        return (np.asarray(boxes, float) - [self.x, self.y, self.x, self.y]) / self.side

    def to_pixels(self, boxes: Floats) -> Floats:
        """The reverse."""
        return np.asarray(boxes, float) * self.side + [self.x, self.y, self.x, self.y]


@dataclass(frozen=True)
class Sample:
    """What the network learns from: picture (n, n) 0 to 1, lungs (2, n, n) shares or None, boxes (36, 4) in parts of
    the window, NaN where not known. Hung, the patient's right on the left."""

    picture: Singles
    lungs: Singles | None
    boxes: Singles
    patient_id: str = ""


def whole_window(picture: NDArray[np.generic]) -> Window:
    """The square round the picture without its uniform borders."""
    rows, columns = trim_borders(picture)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    side = float(max(height, width))
    return Window(columns.start + (width - side) / 2, rows.start + (height - side) / 2, side)


def grey_range(picture: NDArray[np.generic]) -> tuple[float, float]:
    """1st and 99th percentile of the picture without its borders."""
    inside = trim_borders(picture)
    step = max(1, max(picture.shape) // 512)
    low, high = np.percentile(np.asarray(picture[inside][::step, ::step], np.float32), [1, 99])
    return float(low), float(max(high, low + 1e-6))


def cut(picture: NDArray[np.generic], window: Window, edge: int, *, low: float = 0.0, high: float = 1.0) -> Singles:
    """The window on `edge` x `edge` pixels, grey values from `low` to `high` as 0 to 1; 0 outside the picture."""
    rows, columns = picture.shape
    inner = (
        max(window.x, 0.0),
        max(window.y, 0.0),
        min(window.x + window.side, columns),
        min(window.y + window.side, rows),
    )
    out = np.zeros((edge, edge), np.float32)
    scale = edge / window.side
    x1, x2 = (round((inner[i] - window.x) * scale) for i in (0, 2))
    y1, y2 = (round((inner[i] - window.y) * scale) for i in (1, 3))
    if x2 > x1 and y2 > y1:
        part = resized(picture, (y2 - y1, x2 - x1), box=inner)
        out[y1:y2, x1:x2] = np.clip((part - low) / (high - low), 0, 1)
    return out


def sample_of(
    picture: NDArray[np.generic],
    *,
    lungs: NDArray[np.bool_] | None,
    boxes: Mapping[str, Box],
    edge: int,
    patient_id: str = "",
) -> Sample:
    """A sample for a network of input `edge` from a hung picture (rows, columns), masks and boxes in its pixels."""
    window = whole_window(picture)
    low, high = grey_range(picture)
    fine = round(edge * MARGIN)
    known = np.full((len(BOX_LOCATIONS), 4), np.nan, np.float32)
    for place, name in enumerate(BOX_LOCATIONS):
        if name in boxes:
            known[place] = window.to_parts(np.asarray(boxes[name], float))
    shares = None if lungs is None else np.stack([cut(mask.astype(np.float32), window, fine) for mask in lungs])
    return Sample(cut(picture, window, fine, low=low, high=high), shares, known, patient_id)
