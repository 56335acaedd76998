"""Virtual X-rays measured beside real ones."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tumorboard.phantom.radiograph_picture import Radiograph

REAL = {
    "width": (0.756, 0.964),
    "height": (0.591, 0.845),
    "height / width": (0.681, 0.988),
    "gap": (0.068, 0.138),
    "right share": (0.406, 0.536),
    "lung grey": (86.3, 128.9),
    "mediastinum grey": (117.7, 180.0),
    "contrast": (0.230, 0.466),
    "edge": (0.038, 0.068),
}
"""10th and 90th percentile of 24 real frontal films with lung masks (CC BY 3.0, Hannover; measured with these very
functions on 2026-11-21): lung-field box as shares of the picture, gap between the lungs as a share of its width, grey
levels, mediastinum minus lung and gradient at the lung's border as shares of the 1st-99th percentile."""


def features(image: np.ndarray, right: np.ndarray, left: np.ndarray) -> dict[str, float]:
    both, grey = right | left, image.astype(float)
    rows, columns = np.flatnonzero(both.any(axis=1)), np.flatnonzero(both.any(axis=0))
    wide, high = columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
    inner_right, inner_left = np.flatnonzero(right.any(axis=0))[-1], np.flatnonzero(left.any(axis=0))[0]
    between = np.zeros_like(both)
    for y in range(int(rows[0] + 0.35 * high), int(rows[0] + 0.65 * high)):
        a, b = np.flatnonzero(right[y]), np.flatnonzero(left[y])
        if len(a) and len(b):
            between[y, a[-1] + 1 : b[0]] = True
    low, top = np.percentile(grey, [1, 99])
    sigma = image.shape[1] / 256
    gradient = ndimage.gaussian_gradient_magnitude(grey, sigma) * sigma / (top - low)
    border = both ^ ndimage.binary_erosion(both)
    return {
        "width": wide / image.shape[1],
        "height": high / image.shape[0],
        "height / width": high / wide,
        "gap": (inner_left - inner_right - 1) / wide,
        "right share": right.sum() / both.sum(),
        "lung grey": grey[both].mean(),
        "mediastinum grey": grey[between].mean(),
        "contrast": (grey[between].mean() - grey[both].mean()) / (top - low),
        "edge": gradient[border].mean(),
    }


def test_films_measure_like_real_ones(films: list[Radiograph]) -> None:
    measured = [features(film.image, film.lungs["right"], film.lungs["left"]) for film in films]
    for name, (low, high) in REAL.items():
        median = float(np.median([row[name] for row in measured]))
        assert low <= median <= high, f"{name}: {median:.3f} outside {low}-{high}"
