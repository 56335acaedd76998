"""Other scanners, doses and postures, made up: what a training patch could have looked like.

Inputs are as the network sees them: CT 0..1 of the window, PET log(1 + SUV). 0 is air and no uptake, and stays 0 but
for noise. All randomness comes from the generator that is passed in. Kinds and strengths after Isensee et al. (2021,
nnU-Net), with the range of uptake widened: the same tumour has half or twice the SUV on another day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["drop_modality", "drop_prior", "misalignment_mm", "varied"]

_PET_SCALE = 3.0
"""log(1 + SUV) of SUV 19: round it, gamma leaves uptake alone."""
_COARSEST = 0.5


def varied(inputs: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """`inputs` (2, i, j, k) with other contrast, uptake, gamma, resolution, sharpness and noise."""
    ct, pet = inputs
    ct = ct * random.uniform(0.85, 1.15) + np.where(ct > 0, random.uniform(-0.05, 0.05), 0.0).astype(np.float32)
    pet = pet * np.exp(random.uniform(-0.35, 0.35)).astype(np.float32)
    if random.random() < 0.3:
        ct = _gamma(ct, random, scale=1.0)
    if random.random() < 0.3:
        pet = _gamma(pet, random, scale=_PET_SCALE)
    if random.random() < 0.15:
        ct = _low_resolution(ct, random)
    if random.random() < 0.15:
        pet = _low_resolution(pet, random)
    if random.random() < 0.15:
        ct = ndimage.gaussian_filter(ct, random.uniform(0.4, 1.0), truncate=3)
    if random.random() < 0.15:
        pet = ndimage.gaussian_filter(pet, random.uniform(0.4, 1.0), truncate=3)
    if random.random() < 0.3:
        ct = ct + random.normal(0, random.uniform(0, 0.1), ct.shape)
    if random.random() < 0.3:
        pet = pet + random.normal(0, random.uniform(0, 0.2), pet.shape)
    return np.stack([ct, pet]).astype(np.float32)


def misalignment_mm(random: np.random.Generator, sigma_mm: float) -> NDArray[np.float64]:
    """How far PET lies from CT along i, j, k: breathing and moving between scans. Nothing in half of the patches."""
    moved = random.random() < 0.5
    return random.normal(0, sigma_mm, 3) if moved and sigma_mm > 0 else np.zeros(3)


def drop_modality(inputs: NDArray[np.float32], random: np.random.Generator, *, share: float) -> NDArray[np.float32]:
    """In a `share` of the patches CT or PET is missing: a channel of zeros."""
    if share > 0 and random.random() < share:
        inputs = inputs.copy()
        inputs[int(random.integers(len(inputs)))] = 0.0
    return inputs


def drop_prior(prior: NDArray[np.float32], random: np.random.Generator, *, share: float) -> NDArray[np.float32]:
    """In a `share` of the patches there is no prior: zeros."""
    return np.zeros_like(prior) if share > 0 and random.random() < share else prior


def _gamma(image: NDArray[np.float32], random: np.random.Generator, *, scale: float) -> NDArray[np.float32]:
    """0 and `scale` stay, what lies between becomes darker or brighter."""
    power = np.float32(np.exp(random.uniform(-0.35, 0.35)))
    changed: NDArray[np.float32] = scale * (np.maximum(image, 0) / scale) ** power
    return changed


def _low_resolution(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """As a scan with voxels up to twice as large looks: averaged, and drawn fine again."""
    import torch
    from torch.nn.functional import interpolate

    fine: Tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    zoom = random.uniform(_COARSEST, 1.0)
    coarse = interpolate(fine, size=[max(2, round(n * zoom)) for n in image.shape], mode="area")
    again: NDArray[np.float32] = interpolate(coarse, size=image.shape, mode="trilinear")[0, 0].numpy()
    return again
