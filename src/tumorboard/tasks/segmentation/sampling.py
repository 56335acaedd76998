"""Patches for training: random cuts, places, rotations, scales, mirrors and intensities.

All randomness comes from the generator that is passed in. Every image is first cut at random on all sides, so that
where the scan ends says nothing about where the tumour is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.tasks.segmentation.config import SegmentationConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "PatchSampler"]

INPUTS = 2
_PLACES = 2000
"""Lesion voxels remembered per case and structure."""
_CUT_SHARE = 0.3
"""Most of an axis that is cut off at each end."""


@dataclass(frozen=True)
class Batch:
    """`inputs` (n, 2, p, p, p), `target` (n, structures, p, p, p): share of each voxel."""

    inputs: Tensor
    target: Tensor


class PatchSampler:
    """Draws batches from cases held as arrays (2 + structures, i, j, k), which may be memory-mapped."""

    def __init__(self, arrays: Sequence[NDArray[np.float32]], config: SegmentationConfig, *, spacing_mm: float) -> None:
        self._arrays, self._config = arrays, config
        self._cut_voxels = config.random_cut_mm / spacing_mm
        self._places = [_lesion_places(array[INPUTS:]) for array in arrays]

    def __call__(self, random: np.random.Generator) -> Batch:
        import torch

        size = self._config.batch
        chosen = random.choice(len(self._arrays), size, replace=size > len(self._arrays))
        patches = [self._patch(int(index), random) for index in chosen]
        inputs, target = (torch.stack(part) for part in zip(*patches, strict=True))
        return Batch(inputs.contiguous(memory_format=torch.channels_last_3d), target)

    def _patch(self, index: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        import torch

        array = self._arrays[index]
        low, high = self._random_box(np.array(array.shape[1:]), random)
        centre = self._centre(index, low, high, random)
        box = np.ascontiguousarray(array[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))])
        turned = _sampled(torch.from_numpy(box), _random_matrix(random), centre - low, self._config.patch_voxels)
        inputs = torch.from_numpy(_varied(turned[:INPUTS].numpy(), random))
        return inputs, turned[INPUTS:]

    def _random_box(self, shape: NDArray[Any], random: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        most = np.minimum(self._cut_voxels, _CUT_SHARE * shape)
        low = np.rint(random.uniform(0, 1, 3) * most).astype(int)
        high = shape - np.rint(random.uniform(0, 1, 3) * most).astype(int)
        return low, np.maximum(high, low + 1)

    def _centre(self, index: int, low: NDArray[Any], high: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
        """Middle of the patch, so that it stays in the box where the box is large enough."""
        half = self._config.patch_voxels / 2
        structures = [places for places in self._places[index] if len(places)]
        if structures and random.random() < self._config.foreground:
            places = structures[int(random.integers(len(structures)))]
            wanted = places[int(random.integers(len(places)))] + random.uniform(-half / 2, half / 2, 3)
        else:
            wanted = random.uniform(low, high)
        middle = (low + high - 1) / 2
        kept = np.clip(wanted, np.minimum(low + half, middle), np.maximum(high - half, middle))
        return np.where(high - low > 2 * half, kept, middle + random.uniform(-3, 3, 3))


def _lesion_places(target: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """Up to `_PLACES` evenly spread voxels of each structure."""
    places = []
    for share in target:
        found = np.argwhere(share > 0.5)
        places.append(found[:: max(1, len(found) // _PLACES)])
    return places


def _random_matrix(random: np.random.Generator) -> NDArray[np.float64]:
    """Rotation (most about the body's axis), scale by up to a fifth, mirrors."""
    matrix = np.eye(3)
    for axis, angle in enumerate(random.normal(0, 0.3, 3) * (0.5, 0.5, 1.0)):
        one, two = (a for a in range(3) if a != axis)
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    mirrors = np.where(random.random(3) < 0.5, -1.0, 1.0)
    scale = float(np.exp(random.uniform(-0.2, 0.2)))
    mirrored: NDArray[np.float64] = matrix * mirrors * scale
    return mirrored


def _sampled(box: Tensor, matrix: NDArray[Any], centre: NDArray[Any], size: int) -> Tensor:
    """`size`^3 voxels round `centre` (voxel coordinates of `box`), steps along the columns of `matrix`; linear,
    0 outside."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    # affine_grid and grid_sample count -1..1 from first to last voxel, axes in the order k, j, i.
    extent = np.maximum(np.array(box.shape[1:]) - 1, 1) / 2
    linear = matrix * ((size - 1) / 2) / extent[:, None]
    offset = centre / extent - 1
    theta = np.concatenate([linear[::-1, ::-1], offset[::-1, None]], axis=1)
    grid = affine_grid(
        torch.from_numpy(np.ascontiguousarray(theta, np.float32))[None], [1, 1, size, size, size], align_corners=True
    )
    return grid_sample(box[None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]


def _varied(inputs: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Other contrast, uptake scale, noise and sharpness; nothing stays nothing (0 outside the body and scan)."""
    ct, pet = inputs
    ct = ct * random.uniform(0.9, 1.1) + np.where(ct > 0, random.uniform(-0.05, 0.05), 0.0)
    pet = pet * random.uniform(0.8, 1.25)
    if random.random() < 0.3:
        ct = ct + random.normal(0, 0.05, ct.shape)
    if random.random() < 0.3:
        pet = pet + random.normal(0, 0.1, pet.shape)
    if random.random() < 0.2:
        sigma = random.uniform(0.4, 1.0)
        ct, pet = ndimage.gaussian_filter(ct, sigma), ndimage.gaussian_filter(pet, sigma)
    return np.stack([ct, pet]).astype(np.float32)
