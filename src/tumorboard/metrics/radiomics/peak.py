"""The intensity peak: the mean of a 1 ml sphere, which noise moves less than the hottest voxel (IBSI 3.2; PERCIST)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

__all__ = ["PEAK_RADIUS_MM", "intensity_peaks", "sphere_means"]

PEAK_RADIUS_MM = (3 * 1000 / (4 * np.pi)) ** (1 / 3)
"""Of the 1 ml sphere (Wahl et al., J Nucl Med 2009; 50 Suppl 1:122S)."""
_SPARSE = 0.25
"""Share of a box below which its voxels are computed one by one."""


def sphere_means(image: NDArray[np.floating], axes_mm: ArrayLike) -> NDArray[np.float32]:
    """Mean of the 1 ml sphere round every voxel; voxels whose centre lies in the sphere count equally, those beyond
    the image do not count. `axes_mm` (3, 3): columns are the steps of the voxel axes in mm, or (3,) a spacing."""
    sphere = _sphere(_steps(axes_mm)).astype(float)
    sums = ndimage.convolve(image.astype(np.float64), sphere, mode="constant")
    counts = ndimage.convolve(np.ones(image.shape), sphere, mode="constant")
    means: NDArray[np.float32] = (sums / counts).astype(np.float32)
    return means


def peaks_near(image: NDArray[np.floating], inside: NDArray[np.bool_], axes_mm: ArrayLike) -> NDArray[np.float32]:
    """`sphere_means` at the voxels `inside`, 0 elsewhere: only their neighbourhood is computed, as a box where they
    fill much of one, else voxel by voxel."""
    peaks = np.zeros(image.shape, np.float32)
    if inside.any():
        places, reach = np.argwhere(inside), _reach(_steps(axes_mm))
        low = np.maximum(places.min(axis=0) - reach, 0)
        high = np.minimum(places.max(axis=0) + reach + 1, image.shape)
        if len(places) < _SPARSE * np.prod(high - low):
            peaks[inside] = _means_at(image, places, axes_mm)
            return peaks
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        peaks[box] = sphere_means(image[box], axes_mm)
        peaks[~inside] = 0
    return peaks


def _means_at(image: NDArray[np.floating], places: NDArray[np.int64], axes_mm: ArrayLike) -> NDArray[np.float32]:
    """`sphere_means` at `places` (n, 3) alone."""
    sphere = _sphere(_steps(axes_mm))
    offsets = np.argwhere(sphere) - np.array(sphere.shape) // 2
    reach, size = np.array(sphere.shape) // 2, np.array(image.shape)
    flat = np.ascontiguousarray(image).reshape(-1)
    strides = np.array([size[1] * size[2], size[2], 1])
    within = ((places >= reach) & (places < size - reach)).all(axis=1)
    means = np.empty(len(places))
    start, total = places[within] @ strides, np.zeros(int(within.sum()))
    for step in offsets @ strides:
        total += flat[start + step]
    means[within] = total / len(offsets)
    edge = places[~within]
    sums, counts = np.zeros(len(edge)), np.zeros(len(edge))
    for offset in offsets:
        there = edge + offset
        counted = ((there >= 0) & (there < size)).all(axis=1)
        sums[counted] += flat[there[counted] @ strides]
        counts += counted
    means[~within] = sums / np.maximum(counts, 1)
    return means.astype(np.float32)


def intensity_peaks(image: NDArray[np.floating], mask: NDArray[np.bool_], axes_mm: ArrayLike) -> dict[str, float]:
    """`local_peak`: mean of the sphere on the mask's highest voxel (of several, the highest such mean); `global_peak`:
    the highest mean of all spheres centred in the mask. Spheres may reach out of the mask."""
    means = peaks_near(image, mask, axes_mm)[mask]
    values = image[mask]
    return {"local_peak": float(means[values == values.max()].max()), "global_peak": float(means.max())}


def _steps(axes_mm: ArrayLike) -> NDArray[np.float64]:
    steps = np.asarray(axes_mm, float)
    return np.diag(steps) if steps.ndim == 1 else steps


def _sphere(steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which voxels round one have their centre in the sphere."""
    offsets = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in _reach(steps)], indexing="ij"), axis=-1)
    inside: NDArray[np.bool_] = np.linalg.norm(offsets @ steps.T, axis=-1) <= PEAK_RADIUS_MM
    return inside


def _reach(steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Voxels along each axis that the sphere may reach, obliqueness included."""
    reach: NDArray[np.int64] = np.ceil(PEAK_RADIUS_MM * np.linalg.norm(np.linalg.inv(steps), axis=1)).astype(np.int64)
    return reach
