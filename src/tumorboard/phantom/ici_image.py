"""The CT of a virtual lung-cancer patient, drawn directly as a crop round the tumour: 24 slices of 96 x 96 voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.phantom.ici import IciPatient
from tumorboard.phantom.noise import correlated_noise

__all__ = ["SHAPE", "SPACING_MM", "render_ici", "tumour_of"]

SHAPE = (96, 96, 24)
SPACING_MM = (1.5, 1.5, 3.0)
_LUNG_HU, _EMPHYSEMA_HU, _WALL_HU, _VESSEL_HU, _NOISE_HU = -840.0, -955.0, 40.0, -100.0, 18.0


def tumour_of(patient: IciPatient) -> tuple[float, float]:
    """Diameter in mm and mean density in HU: log-normal about 30 mm; from ground glass to solid."""
    diameter = float(np.clip(30.0 * np.exp(0.38 * patient.traits["size"]), 11.0, 75.0))
    return diameter, float(np.clip(-260.0 + 150.0 * patient.traits["density"], -640.0, 110.0))


def render_ici(patient: IciPatient) -> tuple[Volume, Volume]:
    """CT in HU and the tumour's mask (label 1), about 0.05 s. Lung with vessels and emphysema, a chest wall on one
    side, a lobed tumour with density and size by its traits; noise as at 3 mm slices."""
    rng = np.random.default_rng([*patient.entropy, 174])
    x, y, z = (np.arange(n, dtype=np.float32) * s for n, s in zip(SHAPE, SPACING_MM, strict=True))
    x, y, z = x - x.mean(), y - y.mean(), z - z.mean()
    coarse = correlated_noise(rng, SHAPE, fwhm_voxels=(9.0, 9.0, 4.5))
    second = np.roll(coarse[::-1, ::-1], (17, 29, 7), axis=(0, 1, 2))
    image = np.full(SHAPE, _LUNG_HU, np.float32)
    share = 0.9 - 0.55 * patient.traits["emphysema"]  # a higher threshold, less emphysema
    image += (_EMPHYSEMA_HU - _LUNG_HU) * _step(second - share, 0.25)
    vessel = 1.0 - _step(np.hypot(coarse, second) - 0.16, 0.05)
    image += (_VESSEL_HU - image) * vessel
    side, reach = float(rng.choice([-1.0, 1.0])), float(rng.uniform(46.0, 62.0))
    wall = side * x[:, None] - reach + y[None, :] ** 2 / float(rng.uniform(160.0, 260.0))
    image += (_WALL_HU - image) * _step(wall, 0.8)[:, :, None]
    distance = _distance_mm(rng, patient, x, y, z) - 0.13 * tumour_of(patient)[0] * coarse
    inside = _step(-distance, 0.6)
    image += (tumour_of(patient)[1] + 30.0 * second - image) * inside
    image += _NOISE_HU * correlated_noise(rng, SHAPE, fwhm_voxels=(1.6, 1.6, 0.8))
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = [float(x[0]), float(y[0]), float(z[0])]
    mask = distance < 0
    if not mask.any():
        mask[SHAPE[0] // 2, SHAPE[1] // 2, SHAPE[2] // 2] = True
    whole = np.clip(np.round(image), -1024, 1500).astype(np.int16)
    return Volume(whole, affine, Unit.HU), Volume(mask.astype(np.uint8), affine, Unit.LABEL)


def _distance_mm(
    rng: np.random.Generator,
    patient: IciPatient,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    z: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Signed distance (about mm) from an ellipsoid near the middle."""
    radius = tumour_of(patient)[0] / 2
    stretch = np.exp(rng.normal(0, 0.12, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    dx, dy, dz = ((axis - shift) / s for axis, shift, s in zip((x, y, z), rng.uniform(-4, 4, 3), stretch, strict=True))
    away = np.sqrt(dx[:, None, None] ** 2 + dy[None, :, None] ** 2 + dz[None, None, :] ** 2)
    return (away - radius).astype(np.float32)


def _step(value: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """0 below, 1 above, soft over `width`."""
    return (1.0 / (1.0 + np.exp(np.clip(-value / width, -30, 30)))).astype(np.float32)
