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

from tumorboard.ops.patches import turned_patch
from tumorboard.tasks.segmentation.augmentation import drop_modality, drop_prior, misalignment_mm, varied
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.places import Places

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "PatchSampler"]

IMAGES, PET = 2, 1
"""CT and PET, which channels of their own kind of variation may follow; a prior comes after them."""
_CUT_SHARE = 0.3
"""Most of an axis that is cut off at each end."""


@dataclass(frozen=True)
class Batch:
    """`inputs` (n, 2 or 3, p, p, p), `target` (n, structures, p, p, p): share of each voxel."""

    inputs: Tensor
    target: Tensor


class PatchSampler:
    """Draws batches from cases held as arrays (inputs + structures, i, j, k), which may be memory-mapped."""

    def __init__(self, arrays: Sequence[NDArray[np.float32]], config: SegmentationConfig, *, spacing_mm: float) -> None:
        self._arrays, self._config = arrays, config
        self._spacing_mm, self._cut_voxels = spacing_mm, config.random_cut_mm / spacing_mm
        self._places: dict[int, Places] = {}

    def __call__(self, random: np.random.Generator) -> Batch:
        import torch

        size = self._config.batch
        chosen = random.choice(len(self._arrays), size, replace=size > len(self._arrays))
        patches = [self._patch(*self._subject(int(index), random), random) for index in chosen]
        inputs, target = (torch.stack(part) for part in zip(*patches, strict=True))
        return Batch(inputs.contiguous(memory_format=torch.channels_last_3d), target)

    def _subject(self, index: int, random: np.random.Generator) -> tuple[int, int | None]:
        """Case and structure to place a patch on, every structure as often as any other; None for other tissue. Where
        the case `index` has no such lesion, another one that has."""
        if random.random() >= self._config.foreground:
            return index, None
        structure = int(random.integers(len(self._arrays[index]) - self._config.inputs))
        if self._places_of(index).lesions[structure]:
            return index, structure
        others = map(int, random.permutation(len(self._arrays)))
        having = next((other for other in others if self._places_of(other).lesions[structure]), None)
        return (index, None) if having is None else (having, structure)

    def _places_of(self, index: int) -> Places:
        if index not in self._places:  # looked for when a case is drawn first: a large cohort would start late
            array = self._arrays[index]
            self._places[index] = Places.of(array[PET], array[self._config.inputs :])
        return self._places[index]

    def _patch(self, index: int, structure: int | None, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        import torch

        array, size, inputs = self._arrays[index], self._config.patch_voxels, self._config.inputs
        low, high = self._random_box(np.array(array.shape[1:]), random)
        centre = self._centre(self._places_of(index), structure, (low, high), random)
        matrix = _random_matrix(random, self._config.mirrored_axes(len(array) - inputs))
        moved = misalignment_mm(random, self._config.misalignment_mm) / self._spacing_mm
        turned = turned_patch(array, (low, high), matrix, centre, size)
        if moved.any():
            turned[PET:inputs] = turned_patch(array[PET:inputs], (low, high), matrix, centre + moved, size)
        changed = varied(turned[:IMAGES], random)
        changed = drop_modality(changed, random, share=self._config.modality_dropout)
        if inputs > IMAGES:
            prior = turned[IMAGES:inputs] * np.float32(changed[PET].any())  # made of the PET: missing with it
            changed = np.concatenate([changed, drop_prior(prior, random, share=self._config.prior_dropout)])
        return torch.from_numpy(changed), torch.from_numpy(turned[inputs:])

    def _random_box(self, shape: NDArray[Any], random: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        most = np.minimum(self._cut_voxels, _CUT_SHARE * shape)
        low = np.rint(random.uniform(0, 1, 3) * most).astype(int)
        high = shape - np.rint(random.uniform(0, 1, 3) * most).astype(int)
        return low, np.maximum(high, low + 1)

    def _centre(
        self,
        places: Places,
        structure: int | None,
        box: tuple[NDArray[Any], NDArray[Any]],
        random: np.random.Generator,
    ) -> NDArray[Any]:
        """Middle of the patch, so that it stays in the box where the box is large enough."""
        (low, high), half = box, self._config.patch_voxels / 2
        if structure is not None:
            wanted = places.on_lesion(structure, random) + random.uniform(-half / 2, half / 2, 3)
        elif len(places.active) and random.random() < self._config.physiological:
            wanted = places.on_active(random) + random.uniform(-half / 2, half / 2, 3)
        else:
            wanted = random.uniform(low, high)
        middle = (low + high - 1) / 2
        kept = np.clip(wanted, np.minimum(low + half, middle), np.maximum(high - half, middle))
        return np.where(high - low > 2 * half, kept, middle + random.uniform(-3, 3, 3))


def _random_matrix(random: np.random.Generator, axes: Sequence[int]) -> NDArray[np.float64]:
    """Rotation (most about the body's axis), scale by up to a fifth, mirrors along `axes`."""
    matrix = np.eye(3)
    for axis, angle in enumerate(random.normal(0, 0.3, 3) * (0.5, 0.5, 1.0)):
        one, two = (a for a in range(3) if a != axis)
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    mirrors = np.where((random.random(3) < 0.5) & np.isin(np.arange(3), axes), -1.0, 1.0)
    scale = float(np.exp(random.uniform(-0.2, 0.2)))
    mirrored: NDArray[np.float64] = matrix * mirrors * scale
    return mirrored
