"""The intensity peak: the mean of a 1 ml sphere, which noise moves less than the hottest voxel (IBSI 3.2; PERCIST)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

__all__ = ["PEAK_RADIUS_MM", "intensity_peaks", "sphere_means"]

PEAK_RADIUS_MM = (3 * 1000 / (4 * np.pi)) ** (1 / 3)
"""Of the 1 ml sphere (Wahl et al., J Nucl Med 2009; 50 Suppl 1:122S)."""


def sphere_means(image: NDArray[np.floating], axes_mm: ArrayLike) -> NDArray[np.float32]:
    """Mean of the 1 ml sphere round every voxel; voxels whose centre lies in the sphere count equally, those beyond
    the image do not count. `axes_mm` (3, 3): columns are the steps of the voxel axes in mm, or (3,) a spacing."""
    steps = _steps(axes_mm)
    reach = _reach(steps)
    offsets = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)
    sphere = (np.linalg.norm(offsets @ steps.T, axis=-1) <= PEAK_RADIUS_MM).astype(float)
    sums = ndimage.convolve(image.astype(np.float64), sphere, mode="constant")
    counts = ndimage.convolve(np.ones(image.shape), sphere, mode="constant")
    return (sums / counts).astype(np.float32)


def peaks_near(image: NDArray[np.floating], inside: NDArray[np.bool_], axes_mm: ArrayLike) -> NDArray[np.float32]:
    """`sphere_means` at the voxels `inside`, 0 elsewhere: only their neighbourhood is computed."""
    peaks = np.zeros(image.shape, np.float32)
    if inside.any():
        places, reach = np.argwhere(inside), _reach(_steps(axes_mm))
        low = np.maximum(places.min(axis=0) - reach, 0)
        high = np.minimum(places.max(axis=0) + reach + 1, image.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        peaks[box] = sphere_means(image[box], axes_mm)
        peaks[~inside] = 0
    return peaks


def intensity_peaks(image: NDArray[np.floating], mask: NDArray[np.bool_], axes_mm: ArrayLike) -> dict[str, float]:
    """`local_peak`: mean of the sphere on the mask's highest voxel (of several, the highest such mean); `global_peak`:
    the highest mean of all spheres centred in the mask. Spheres may reach out of the mask."""
    means = peaks_near(image, mask, axes_mm)[mask]
    values = image[mask]
    return {"local_peak": float(means[values == values.max()].max()), "global_peak": float(means.max())}


def _steps(axes_mm: ArrayLike) -> NDArray[np.float64]:
    steps = np.asarray(axes_mm, float)
    return np.diag(steps) if steps.ndim == 1 else steps


def _reach(steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Voxels along each axis that the sphere may reach, obliqueness included."""
    return np.ceil(PEAK_RADIUS_MM * np.linalg.norm(np.linalg.inv(steps), axis=1)).astype(np.int64)
