"""Where patches of a training case are put: on its lesions, and where healthy tissue takes up as much as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.ops.components import connected_parts

__all__ = ["Places"]

_MOST = 2000
"""Voxels remembered per lesion, and of healthy tissue."""


@dataclass(frozen=True)
class Places:
    """Voxels (n, 3) of one case: `lesions` per structure and lesion, a structure that is not there has none; `active`
    outside of them, by uptake."""

    lesions: tuple[tuple[NDArray[np.int64], ...], ...]
    active: NDArray[np.int64]

    @classmethod
    def of(cls, pet: NDArray[np.float32], target: NDArray[np.float32]) -> Places:
        """`pet` log(1 + SUV) (i, j, k); `target` (structures, i, j, k), the share of each voxel."""
        return cls(tuple(_lesions(share) for share in target), _active(pet, target))

    def on_lesion(self, structure: int, random: np.random.Generator) -> NDArray[np.int64]:
        """A voxel of a lesion of the structure, a small one as likely as a large one."""
        lesions = self.lesions[structure]
        voxels = lesions[int(random.integers(len(lesions)))]
        place: NDArray[np.int64] = voxels[int(random.integers(len(voxels)))]
        return place

    def on_active(self, random: np.random.Generator) -> NDArray[np.int64]:
        """A voxel outside of lesions, in proportion to its SUV."""
        place: NDArray[np.int64] = self.active[int(random.integers(len(self.active)))]
        return place


def _lesions(share: NDArray[np.float32]) -> tuple[NDArray[np.int64], ...]:
    """Of each connected lesion (26 neighbours) up to `_MOST` evenly spread voxels."""
    inside = np.ascontiguousarray(share > 0.5)
    found = np.argwhere(inside)
    part = connected_parts(inside)[0][inside]
    lesions = [found[part == number] for number in np.unique(part)]
    return tuple(voxels[:: max(1, len(voxels) // _MOST)] for voxels in lesions)


def _active(pet: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.int64]:
    """`_MOST` voxels at even steps of the activity outside of lesions: many in brain, bladder and heart, which a
    network takes for tumours until it has seen them. None where there is no uptake."""
    suv = np.expm1(pet, dtype=np.float64) * (target.max(axis=0) <= 0)
    activity = np.cumsum(np.maximum(suv, 0))
    if not activity[-1]:
        return np.zeros((0, 3), np.int64)
    steps = (np.arange(_MOST) + 0.5) / _MOST * activity[-1]
    return np.stack(np.unravel_index(np.searchsorted(activity, steps), pet.shape), axis=1)
