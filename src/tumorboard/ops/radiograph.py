"""Which way a chest lies in a picture, found with a drawn template: no data and no network are needed.

A frontal chest is two dark lungs beside a bright middle, over a bright abdomen. That drawing, correlated with the
picture in four turns, upright and in negative, says how the picture is to be turned; a picture in which no turn fits is
hardly a frontal chest. Left and right are too alike for this: what the drawing says of them is weak, and told as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hanging", "Look", "hanging_of", "look_at", "resized", "shrink", "trim_borders"]

Floats = NDArray[np.float64]
Drawings = tuple[tuple[tuple[int, int], NDArray[np.complex128]], ...]
"""(rows, columns) of a drawing and its spectrum, for each size."""

EDGE = 32
"""Longest side of the picture that is looked at."""
_PAD = 5
_FFT = 64
_SIZES = tuple((n, m) for n in (20, 24, 28, 32, 36) for m in (20, 24, 28, 32) if 0.7 < n / m < 1.5)
"""Heights and widths of the drawing, in pixels of the small picture."""
_LATERAL_SIZES = tuple((n, m) for n in (24, 28, 32, 36, 40) for m in (18, 22, 26, 30, 34) if 0.9 < n / m < 1.9)
_CLEARLY_LATERAL = 0.03
_DETAIL_EDGE, _DETAIL_SIGMA = 256, 4.0
_LEAST_VARIANCE = 0.02
"""Of a window (grey values 0 to 1): below it there is nothing to correlate with."""


@dataclass(frozen=True)
class Hanging:
    """How a picture is turned to be hung: `turns` quarter turns anticlockwise, after exchanging left and right when
    `mirrored`; `inverted` when it is a negative."""

    turns: int = 0
    mirrored: bool = False
    inverted: bool = False

    @property
    def is_as_it_should_be(self) -> bool:
        return self == Hanging()

    def apply(self, picture: NDArray[np.generic]) -> NDArray[np.generic]:
        """The picture (rows, columns) as it is hung. Grey values keep their type; a negative is turned round within its
        own range."""
        turned = np.rot90(np.fliplr(picture) if self.mirrored else picture, self.turns)
        return (turned.max() - turned) + turned.min() if self.inverted else turned

    def undo(self, picture: NDArray[np.generic]) -> NDArray[np.generic]:
        """A hung mask as it lies on the source picture."""
        turned = np.rot90(picture, -self.turns)
        return np.fliplr(turned) if self.mirrored else turned

    def to_source(self, box: Floats, shape: tuple[int, int]) -> Floats:
        """Boxes (..., 4) of the hung picture as boxes of the source picture of `shape` (rows, columns)."""
        rows, columns = shape
        x, y = np.asarray(box, float)[..., 0::2], np.asarray(box, float)[..., 1::2]
        height = rows if self.turns % 2 == 0 else columns
        width = columns if self.turns % 2 == 0 else rows
        for _ in range(self.turns % 4):  # each step undoes one quarter turn anticlockwise
            x, y = height - y, x
            height, width = width, height
        if self.mirrored:
            x = columns - x
        return np.stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], axis=-1)

    def from_source(self, box: Floats, shape: tuple[int, int]) -> Floats:
        """Boxes (..., 4) of the source picture of `shape` (rows, columns) as boxes of the hung one."""
        rows, columns = shape
        x, y = np.asarray(box, float)[..., 0::2], np.asarray(box, float)[..., 1::2]
        if self.mirrored:
            x = columns - x
        height, width = rows, columns
        for _ in range(self.turns % 4):
            x, y = y, width - x
            height, width = width, height
        return np.stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], axis=-1)

    def words(self) -> str:
        """What was done to the patient, in words."""
        said = {1: "turned by 90 degrees clockwise", 2: "upside down", 3: "turned by 90 degrees anticlockwise"}
        parts = [said[self.turns % 4]] if self.turns % 4 else []
        parts += ["left and right exchanged"] if self.mirrored else []
        parts += ["stored as a negative"] if self.inverted else []
        return ", ".join(parts) or "as it should be"


@dataclass(frozen=True)
class Look:
    """What was seen: correlation of the drawing with each of 4 turns x (positive, negative), and grey values.

    `scores` (4, 2) in [-1, 1]; `border` the part of the picture that is uniform border; `detail` the median distance of
    a pixel from its surroundings, in parts of the grey range (at 256 pixels; 0 in an empty picture)."""

    scores: Floats
    border: float
    detail: float
    lateral: float = -1.0
    """Correlation of the drawing of a chest seen from the side, upright."""

    @property
    def is_lateral(self) -> bool:
        """Whether the view from the side fits clearly better than every turn of the frontal one."""
        return self.lateral - self.score > _CLEARLY_LATERAL

    @property
    def best(self) -> Hanging:
        """The turn that fits best."""
        turns, inverted = np.unravel_index(int(np.argmax(self.scores)), self.scores.shape)
        return Hanging(int(turns), inverted=bool(inverted))

    @property
    def score(self) -> float:
        """How well the best turn fits."""
        return float(self.scores.max())

    @property
    def margin(self) -> float:
        """How much better the best turn fits than the picture as it is; 0 when that is the best."""
        return float(self.scores.max() - self.scores[0, 0])


def hanging_of(affine: Floats) -> Hanging | None:
    """How a picture of this affine (columns first) is to be turned so that columns run to the patient's left and rows
    downwards; None for a view from the side."""
    right, down = -np.asarray(affine)[0, :2], -np.asarray(affine)[2, :2]
    rows, columns = np.mgrid[0:2, 0:2]
    x, y = (columns * axis[0] + rows * axis[1] for axis in (right, down))
    for mirrored in (False, True):
        for turns in range(4):
            hanging = Hanging(turns, mirrored)
            across, along = hanging.apply(x), hanging.apply(y)
            if across[0, 1] > across[0, 0] and along[1, 0] > along[0, 0]:
                return hanging
    return None


def resized(picture: NDArray[np.generic], shape: tuple[int, int], *, box: Sequence[float] | None = None) -> Floats:
    """The picture, or the part of it in `box` (x1, y1, x2, y2, inside the picture), on `shape` (rows, columns) pixels:
    means over areas where it shrinks, linear between pixels where it grows."""
    from PIL import Image

    rows, columns = picture.shape
    x1, y1, x2, y2 = (0.0, 0.0, columns, rows) if box is None else box
    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR, box=(x1, y1, x2, y2)), dtype=float)


def look_at(picture: NDArray[np.generic]) -> Look:
    """Correlate the drawing with a picture (rows, columns) of grey values, brighter for denser."""
    values = np.asarray(picture, np.float32)
    low, high = (float(v) for v in np.percentile(values[:: max(1, values.shape[0] // 512)], [0.5, 99.5]))
    if high <= low:
        return Look(np.zeros((4, 2)), 1.0, 0.0)
    inside = trim_borders(values)
    part = values[inside]
    border = 1 - part.size / values.size
    small = np.pad(shrink(part, EDGE), _PAD, mode="edge")
    scores = np.array([_fit(np.rot90(small, turns), _drawings("frontal")) for turns in range(4)])
    lateral, _ = _fit(small, _drawings("lateral"))
    return Look(scores, border, _detail(part), lateral)


def _detail(picture: NDArray[np.generic]) -> float:
    from scipy import ndimage

    rows, columns = picture.shape
    scale = min(1.0, _DETAIL_EDGE / max(rows, columns))
    small = resized(picture, (max(4, round(rows * scale)), max(4, round(columns * scale))))
    spread = float(np.subtract(*np.percentile(small, [97.5, 2.5])))
    return float(np.median(np.abs(small - ndimage.gaussian_filter(small, _DETAIL_SIGMA)))) / max(spread, 1e-6)


def shrink(picture: NDArray[np.generic], edge: int) -> Floats:
    """The picture with its longest side at `edge` pixels, as the mean of its grey value (0 to 1 between the 2nd and
    98th percentile) and its rank: robust against exposure and burned-in markers."""
    rows, columns = picture.shape
    scale = edge / max(rows, columns)
    small = resized(picture, (max(4, round(rows * scale)), max(4, round(columns * scale))))
    low, high = np.percentile(small, [2, 98])
    grey = np.clip((small - low) / max(high - low, 1e-6), 0, 1)
    rank = np.argsort(np.argsort(small.ravel(), kind="stable"), kind="stable").reshape(small.shape) / small.size
    return np.asarray(0.5 * grey + 0.5 * rank)


def trim_borders(picture: NDArray[np.generic]) -> tuple[slice, slice]:
    """The part of the picture inside a uniform border (collimator blades, padding): rows and columns are dropped from
    each side as long as their values hardly differ from one another."""
    values = np.asarray(picture, np.float32)
    spread = float(np.subtract(*np.percentile(values[::4, ::4], [95, 5])))
    keep = []
    for axis in (0, 1):
        step = max(1, values.shape[1 - axis] // 256)
        lines = values[:, ::step] if axis == 0 else values[::step].T
        ends = np.percentile(lines, [10, 90], axis=1)
        alive = np.flatnonzero(ends[1] - ends[0] > 0.04 * max(spread, 1e-6))
        whole = slice(0, values.shape[axis])
        keep.append(slice(int(alive[0]), int(alive[-1]) + 1) if len(alive) > values.shape[axis] // 3 else whole)
    return keep[0], keep[1]


def _fit(small: Floats, drawings: Drawings) -> tuple[float, float]:
    """Highest correlation with the drawing over sizes and places, for the positive and for the negative."""
    spectrum = np.fft.rfft2(small, (_FFT, _FFT))
    sums, squares = (np.pad(a, ((1, 0), (1, 0))).cumsum(0).cumsum(1) for a in (small, small * small))
    positive = negative = -1.0
    for (n, m), drawing in drawings:
        if n > small.shape[0] or m > small.shape[1]:
            continue
        found = np.fft.irfft2(spectrum * drawing, (_FFT, _FFT))[: small.shape[0] - n + 1, : small.shape[1] - m + 1]
        variance = _windows(squares, n, m) - _windows(sums, n, m) ** 2 / (n * m)
        correlation = found / np.sqrt(np.maximum(variance, _LEAST_VARIANCE * n * m))
        positive, negative = max(positive, float(correlation.max())), max(negative, float(-correlation.min()))
    return positive, negative


def _windows(sums: Floats, n: int, m: int) -> Floats:
    return np.asarray(sums[n:, m:] - sums[:-n, m:] - sums[n:, :-m] + sums[:-n, :-m])


@cache
def _drawings(view: str) -> Drawings:
    """Conjugate spectra of the drawings of one view in all sizes, zero mean and unit norm."""
    made = []
    for drawing in _frontal_sizes() if view == "frontal" else _lateral_sizes():
        centred = drawing - drawing.mean()
        spectrum = np.fft.rfft2(centred / np.sqrt((centred**2).sum()), (_FFT, _FFT))
        made.append((drawing.shape, np.conj(spectrum)))
    return tuple(made)


def _frontal_sizes() -> Iterator[Floats]:
    for n, m in _SIZES:
        drawing = _draw(n, m)
        yield (drawing + drawing[:, ::-1]) / 2  # what both sides share: the heart's side says too little


def _lateral_sizes() -> Iterator[Floats]:
    """Facing either way, with much air beside the body, little, or none."""
    for n, m in _LATERAL_SIZES:
        for air in (0.72, 0.9, 2.0):
            drawing = _draw_lateral(n, m, air)
            yield from (drawing, drawing[:, ::-1])


def _draw(n: int, m: int) -> Floats:
    """A frontal chest in n x m pixels: lungs -1, middle 1, abdomen 0.9, soft tissue 0.35, air beside the neck 0.

    Our own drawing: u from -1 (patient's right) to 1, v from 0 (apices) to 1 (bases)."""
    v, u = np.meshgrid(np.linspace(-0.2, 1.3, n), np.linspace(-1, 1, m), indexing="ij")
    side, depth = np.abs(u), np.clip(v, 0, 1)
    lateral = 0.50 + 0.38 * np.sqrt(np.clip(1 - (1 - depth) ** 2.4, 0, 1))
    medial = np.where(u < 0, 0.13 + 0.07 * depth, 0.13 + 0.30 * np.clip((v - 0.35) / 0.5, 0, 1))
    base = np.where(u < 0, 0.86 + 0.14 * ((side - 0.2) / 0.7) ** 2, 0.92 + 0.10 * ((side - 0.3) / 0.6) ** 2)
    apex = 0.05 + 1.08 * np.clip(np.abs(side - 0.38) - 0.05, 0, 1) ** 2
    drawing = np.full((n, m), 0.35)
    drawing[(side > medial) & (side < lateral) & (v < base) & (v > apex)] = -1.0
    drawing[(side < medial) & (v > 0) & (v < 1)] = 1.0
    drawing[(v >= base) & (side < 0.85)] = 0.9
    drawing[(v < 0) & (side > 0.55)] = 0.0
    drawing[side > 0.97] = -0.1
    return drawing


def _draw_lateral(n: int, m: int, air: float) -> Floats:
    """A chest from the side, facing left: one lung field -0.5 with the heart 0 in it, abdomen 1 rising to the front,
    neck and arms 0.7, soft tissue 0.3, air -1 beyond `air`. u from -1 (front) to 1 (back), v as above; our own
    drawing."""
    v, u = np.meshgrid(np.linspace(-0.3, 1.3, n), np.linspace(-1, 1, m), indexing="ij")
    base = 0.8 + 0.3 * u
    lung = ((u / 0.55) ** 2 + ((v - 0.5) / 0.55) ** 2 < 1) & (v < base)
    drawing = np.where(lung, -0.5, 0.3)
    drawing[lung & (((u + 0.25) / 0.3) ** 2 + ((v - 0.65) / 0.22) ** 2 < 1)] = 0.0
    drawing[(v >= base) & (np.abs(u) < 0.7)] = 1.0
    drawing[(v < 0.08) & (np.abs(u) < 0.45)] = 0.7
    drawing[np.abs(u) > air] = -1.0
    return drawing
