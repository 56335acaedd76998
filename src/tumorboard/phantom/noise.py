"""Random fields: the periodic tile that roughens surfaces and tissues, and correlated image noise."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["TILE_CORRELATION_CELLS", "correlated_noise", "noise_tile"]

TILE_CORRELATION_CELLS = 4.0
"""Distance in tile cells over which the tile's values belong together (FWHM of its smoothing)."""

_TILE_SIZE = 64
_FWHM = 2.3548200450309493


@cache
def noise_tile(seed: int = 20260) -> NDArray[np.float32]:
    """Periodic Gaussian field of 64 cells a side, zero mean, unit SD, clipped at 3 SD.

    One tile serves every solid and patient: each samples it at its own offset and scale, so that places
    differ while the memory stays in the processor's cache.
    """
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(seed).standard_normal((_TILE_SIZE,) * 3)
    field = gaussian_filter(white, TILE_CORRELATION_CELLS / _FWHM, mode="wrap")
    field -= field.mean()
    tile = np.clip(field / field.std(), -3, 3).astype(np.float32)
    tile.setflags(write=False)
    return tile


def correlated_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], *, fwhm_voxels: tuple[float, float, float]
) -> NDArray[np.float32]:
    """White noise smoothed to the given FWHM (voxels of each axis), scaled back to unit SD."""
    from scipy.ndimage import gaussian_filter1d

    field = rng.standard_normal(shape, dtype=np.float32)
    for axis, fwhm in enumerate(fwhm_voxels):
        if fwhm > 0.3:
            field = gaussian_filter1d(field, fwhm / _FWHM, axis=axis, mode="wrap", truncate=3.0)
    field /= max(float(field.std()), 1e-6)
    return field
