"""From what is in the body to what a scanner shows: noise, blur, streaks, couch, padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.phantom.noise import correlated_noise
from tumorboard.phantom.scanner import Protocol

__all__ = ["acquire_ct", "acquire_pet", "blur"]

_FWHM = 2.3548200450309493
_METAL_HU = 2600.0


def blur(values: NDArray[np.float32], *, fwhm_mm: float, spacing_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Gaussian of the given total FWHM. The averaging over a voxel that rendering has done already (variance v²/12
    along each axis) is taken off, so that the image's resolution is the stated one."""
    from scipy.ndimage import gaussian_filter1d

    out = values
    for axis, voxel in enumerate(spacing_mm):
        variance = (fwhm_mm / _FWHM) ** 2 - voxel**2 / 12
        if variance > 0:
            out = gaussian_filter1d(out, np.sqrt(variance) / voxel, axis=axis, mode="nearest", truncate=3.5)
    return out


def acquire_ct(
    hu: NDArray[np.float32], grid: Geometry, protocol: Protocol, rng: np.random.Generator, *, couch_mm: float
) -> NDArray[np.int16]:
    """CT values as stored: couch, metal streaks, quantum noise by slice, padding outside the circular field.

    couch_mm : height (LPS y) of the top of the couch in scanner coordinates. Noise has the protocol's SD in a 300 mm
    chord and grows as exp(.01 (chord - 300 mm)) with the width of the body (phantom.md 2).
    """
    image = hu.copy()
    _add_couch(image, grid, couch_mm)
    spacing = grid.spacing_mm
    noise = correlated_noise(rng, grid.shape, fwhm_voxels=tuple(protocol.ct_kernel_fwhm_mm / spacing))
    area = (hu > -300).sum(axis=(0, 1)) * spacing[0] * spacing[1]
    chord = np.sqrt(4 * area / np.pi)
    sd = protocol.ct_noise_hu * np.exp(np.clip(0.01 * (chord - 300), -0.7, 0.8))
    image += noise * sd.astype(np.float32)
    _add_streaks(image, hu, grid, rng)
    image = np.clip(np.rint(image), -1024, 3071)
    if protocol.padding_hu is not None:
        n = grid.shape[0]
        axis = (np.arange(n) - (n - 1) / 2) ** 2
        image[(axis[:, None] + axis[None, :]) > (n / 2) ** 2] = protocol.padding_hu
    return image.astype(np.int16)


def _add_couch(image: NDArray[np.float32], grid: Geometry, couch_mm: float) -> None:
    """A curved plate, 430 mm wide and 22 mm deep: dense skins round foam. It stands behind the air only."""
    x = grid.affine_lps[0, 0] * np.arange(grid.shape[0]) + grid.affine_lps[0, 3]
    y = grid.affine_lps[1, 1] * np.arange(grid.shape[1]) + grid.affine_lps[1, 3]
    depth = y[None, :] - (couch_mm - (x[:, None] / 430.0) ** 2 * 60.0)
    inside = np.clip(0.5 + (11 - np.abs(depth - 11)) / grid.spacing_mm[1], 0, 1) * (np.abs(x[:, None]) < 215)
    foam = np.clip(0.5 + (8.5 - np.abs(depth - 11)) / grid.spacing_mm[1], 0, 1)
    plate = inside * (1000 + np.where(foam > 0, foam * -930 + (1 - foam) * 40, 40.0))
    low = image < -850
    for k in range(grid.shape[2]):
        image[:, :, k] += np.where(low[:, :, k], plate, 0.0).astype(np.float32)


def _add_streaks(image: NDArray[np.float32], hu: NDArray[np.float32], grid: Geometry, rng: np.random.Generator) -> None:
    """Bright and dark fans from dental metal, ±100-600 HU falling as 1/r, alike over neighbouring slices."""
    metal = hu > _METAL_HU
    slices = np.flatnonzero(metal.any(axis=(0, 1)))
    if not len(slices):
        return
    angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    waves = np.zeros(256)
    for order in range(2, 14):
        waves += rng.normal() / np.sqrt(order) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    waves *= 260 / waves.std()
    i = np.arange(grid.shape[0])[:, None] * grid.spacing_mm[0]
    j = np.arange(grid.shape[1])[None, :] * grid.spacing_mm[1]
    reach = max(1, round(4.0 / grid.spacing_mm[2]))
    for k in range(max(0, slices[0] - reach), min(grid.shape[2], slices[-1] + reach + 1)):
        source = metal[:, :, int(np.clip(k, slices[0], slices[-1]))]
        if not source.any():
            continue
        rows, columns = np.nonzero(source)
        ci, cj = rows.mean() * grid.spacing_mm[0], columns.mean() * grid.spacing_mm[1]
        fade = np.exp(-max(0, slices[0] - k, k - slices[-1]) * grid.spacing_mm[2] / 4.0)
        r = np.hypot(i - ci, j - cj)
        theta = np.arctan2(j - cj, i - ci) + 0.15 * np.sin(0.7 * k)
        fan = np.interp(np.mod(theta, 2 * np.pi), angles, waves, period=2 * np.pi)
        strength = min(1.0, len(rows) * grid.spacing_mm[0] * grid.spacing_mm[1] / 120.0)
        body = np.clip((hu[:, :, k] + 700) / 700, 0, 1)
        image[:, :, k] += (fan * strength * fade * 18.0 / (r + 14.0) * body).astype(np.float32)


def acquire_pet(
    suv: NDArray[np.float32],
    grid: Geometry,
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    liver_suv: float,
    bmi: float,
) -> NDArray[np.float32]:
    """SUV as reconstructed: blurred by the scanner, with noise of SD c sqrt(SUV SUV_liver) that is itself
    correlated over
    1.2 times the resolution, clipped at zero. c is the protocol's liver variation, larger in heavy patients."""
    spacing = grid.spacing_mm
    image = blur(suv, fwhm_mm=protocol.pet_fwhm_mm, spacing_mm=spacing)
    if protocol.edge_overshoot > 0:
        image = image + protocol.edge_overshoot * (
            image - blur(image, fwhm_mm=2 * protocol.pet_fwhm_mm, spacing_mm=spacing)
        )
    c = protocol.pet_noise * (bmi / 26.0) ** 0.5
    noise = correlated_noise(rng, grid.shape, fwhm_voxels=tuple(1.2 * protocol.pet_fwhm_mm / spacing))
    ends = np.abs(np.linspace(-1, 1, grid.shape[2])) ** 8  # the last slices of the field are noisier
    image = image + noise * (c * (1 + 0.6 * ends)) * np.sqrt(np.clip(image, 0.02, None) * liver_suv)
    return np.clip(image, 0, None).astype(np.float32)
