"""From path integrals to a picture: scatter, quantum noise, logarithm, processing, collimation and marker.

The detector sees primary plus scatter; scatter is the primary blurred widely (a veil), a share of it after the grid.
Processing follows digital systems: logarithm, a fixed share of unsharp masking at two scales, and an S-shaped curve
between two percentiles of the exposed body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Film", "develop", "letters"]


@dataclass(frozen=True)
class Film:
    """Exposure and processing of one machine.

    scatter : scattered over primary signal behind the chest. veil_mm : reach of scatter (FWHM). quanta : detected per
    pixel behind 50 mm of water. blur_px : FWHM of focus, motion and detector. low, high : percentiles of the body's
    densities that become black and white. gamma : above 1 darkens the lungs. boost : of local contrast. floor,
    ceiling : grey of the lightest and densest ray. margin_px :
    width of the collimated border (left, top, right, bottom); black. marker : letter burnt in; marker_at : its
    place as shares of width and height.
    """

    scatter: float = 0.4
    veil_mm: float = 90.0
    quanta: float = 25000.0
    blur_px: float = 1.2
    low: float = 0.5
    high: float = 99.5
    gamma: float = 1.0
    contrast: float = 4.0
    boost: float = 0.5
    floor: float = 0.0
    ceiling: float = 1.0
    margin_px: tuple[int, int, int, int] = (0, 0, 0, 0)
    marker: str = "L"
    marker_at: tuple[float, float] = (0.93, 0.06)
    marker_height_px: int = 18


def develop(path: NDArray[np.float32], film: Film, rng: np.random.Generator, *, pixel_mm: float) -> NDArray[np.float64]:
    """Grey values 0 to 1 (brighter = denser), rows by columns, of path integrals of the same shape."""
    from scipy import ndimage

    primary = np.exp(-ndimage.gaussian_filter(path, film.blur_px / 2.355))
    veil = _wide_blur(primary, film.veil_mm / pixel_mm / 2.355)
    signal = primary + film.scatter * veil * _scatter_share(path)
    quanta = signal * film.quanta * np.exp(1.0)
    noisy = quanta + rng.standard_normal(path.shape) * np.sqrt(quanta + 4.0)
    density = -np.log(np.maximum(noisy, 1.0) / film.quanta)
    inside = path > 0.4
    if inside.mean() < 0.05:
        inside = np.ones_like(inside)
    detail = density - ndimage.gaussian_filter(density, 4.0 / pixel_mm)
    broad = density - _wide_blur(density, 28.0 / pixel_mm)
    shown = density + film.boost * (0.8 * detail + 0.55 * broad)
    low, high = np.percentile(shown[inside][::7], [film.low, film.high])
    share = np.clip((shown - low) / max(high - low, 1e-6), -0.3, 1.2)
    curve = 1.0 / (1.0 + np.exp(-film.contrast * (share - 0.5)))
    ends = 1.0 / (1.0 + np.exp(film.contrast * np.array([0.53, -0.53])))
    grey = np.clip((curve - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0) ** film.gamma
    return _bordered(film.floor + (film.ceiling - film.floor) * grey, film)


def _scatter_share(path: NDArray[np.float32]) -> NDArray[np.float32]:
    """No scatter builds up where there is no body to scatter in; behind thick parts it does not fall as primary."""
    return np.asarray(np.clip(path / 1.5, 0.05, 1.0), np.float32)


def _wide_blur(image: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian blur on a grid coarse enough for its width."""
    from scipy import ndimage

    step = max(1, int(sigma_px / 3))
    if step == 1:
        return np.asarray(ndimage.gaussian_filter(image, sigma_px))
    rows, columns = image.shape
    padded = np.pad(image, ((0, -rows % step), (0, -columns % step)), mode="edge")
    small = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).mean(axis=(1, 3))
    small = ndimage.gaussian_filter(small, sigma_px / step, mode="nearest")
    at = [(np.arange(n) + 0.5) / step - 0.5 for n in (rows, columns)]
    out = small
    for axis, place in enumerate(at):
        place = np.clip(place, 0, small.shape[axis] - 1)
        below = np.minimum(place.astype(int), max(small.shape[axis] - 2, 0))
        above = np.minimum(below + 1, small.shape[axis] - 1)
        share = (place - below).reshape((-1, 1) if axis == 0 else (1, -1))
        out = out.take(below, axis) * (1 - share) + out.take(above, axis) * share
    return np.asarray(out)


def _bordered(grey: NDArray[np.float64], film: Film) -> NDArray[np.float64]:
    """Collimated border and side marker."""
    rows, columns = grey.shape
    if film.marker:
        shape = letters(film.marker, film.marker_height_px)
        height, width = shape.shape
        top = int(np.clip(film.marker_at[1] * rows, 0, max(rows - height, 0)))
        left = int(np.clip(film.marker_at[0] * columns, 0, max(columns - width, 0)))
        place = grey[top : top + height, left : left + width]
        np.maximum(place, shape[: place.shape[0], : place.shape[1]], out=place)
    left, top, right, bottom = film.margin_px
    grey[:top], grey[rows - bottom :], grey[:, :left], grey[:, columns - right :] = 0.0, 0.0, 0.0, 0.0
    return grey


_GLYPHS = {
    "L": ("1....", "1....", "1....", "1....", "1....", "1....", "11111"),
    "R": ("1111.", "1...1", "1...1", "1111.", "1.1..", "1..1.", "1...1"),
    "A": (".111.", "1...1", "1...1", "11111", "1...1", "1...1", "1...1"),
    "P": ("1111.", "1...1", "1...1", "1111.", "1....", "1....", "1...."),
    " ": (".....",) * 7,
}


def letters(word: str, height_px: int) -> NDArray[np.float64]:
    """A word of marker letters as an array of 0 and 1, `height_px` high (the letters are 7 cells high)."""
    cell = max(1, round(height_px / 7))
    glyphs = [np.array([[c == "1" for c in row] for row in _GLYPHS[letter]]) for letter in word]
    spaced = np.hstack([np.pad(glyph, ((0, 0), (0, 1))) for glyph in glyphs])
    return np.kron(spaced, np.ones((cell, cell)))
