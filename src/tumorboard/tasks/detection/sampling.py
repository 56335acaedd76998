"""Training patches: slices with their neighbours (2.5-D) or volumes (3-D), with the boxes of the lesions in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.prepare import Look

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "PatchSampler", "boxes_of_slice", "channels_of_slice", "channels_of_volume"]

_END = 0.85
"""Part of a lesion's half height within which its slices are drawn and boxed."""
_LEAST_VOXELS = 2.0
"""A lesion counts as in a patch when so much of every side of its box is."""


@dataclass(frozen=True)
class Batch:
    """`images` (n, channels, ...) float32, `boxes` one tensor (k, 2d) per image."""

    images: Tensor
    boxes: list[Tensor]


def boxes_of_slice(boxes: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Boxes (m, 4) x, y low and high on slice k of lesions with 3-D boxes (n, 6): cross-sections of the ellipsoids in
    them. A box thinner than a slice lies on the nearest one."""
    middle = (boxes[:, 2] + boxes[:, 5]) / 2
    half = np.maximum((boxes[:, 5] - boxes[:, 2]) / 2, 0.5)
    away = np.abs(k - middle) / half
    mine = boxes[away <= _END]
    share = np.sqrt(1 - away[away <= _END, None] ** 2)
    centre, size = (mine[:, [0, 1]] + mine[:, [3, 4]]) / 2, (mine[:, [3, 4]] - mine[:, [0, 1]]) / 2
    return np.concatenate([centre - share * size, centre + share * size], axis=1)


def channels_of_slice(
    hu: NDArray[np.int16], k: int, windows_hu: Sequence[tuple[float, float]], *, reach: int = 1
) -> NDArray[np.float32]:
    """Slice k (i, j) of a volume between `reach` neighbours on each side (beyond the ends: the last one), (slices *
    windows, i, j): from the lowest slice up, each in every window, 0 to 1."""
    near = [hu[:, :, min(max(at, 0), hu.shape[2] - 1)] for at in range(k - reach, k + reach + 1)]
    return np.concatenate([channels_of_volume(np.asarray(one), windows_hu) for one in near])


def channels_of_volume(hu: NDArray[np.int16], windows_hu: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    """HU of any shape in every window, 0 to 1: (windows, ...)."""
    values = hu.astype(np.float32)
    return np.stack([np.clip((values - low) / (high - low), 0, 1) for low, high in windows_hu])


class PatchSampler:
    """Draws batches; all randomness comes from the generator it is called with. Volumes are drawn evenly, and
    for patches on a lesion types first (their root), so that neither a patient with many nor a common type fills the
    training."""

    def __init__(self, looks: Sequence[Look], config: DetectionConfig) -> None:
        self._looks, self._config = looks, config
        self._marked = [(at, number) for at, look in enumerate(looks) for number in range(len(look.boxes))]
        kinds = [looks[at].kinds[number] if looks[at].kinds else "" for at, number in self._marked]
        many = Counter(kinds)
        weight = np.array(
            [many[kind] ** -0.5 / len(looks[at].boxes) for kind, (at, _) in zip(kinds, self._marked, strict=True)]
        )
        self._chance = weight / weight.sum()

    def __call__(self, random: np.random.Generator) -> Batch:
        import torch

        images, boxes = [], []
        for _ in range(self._config.batch):
            image, box = self._patch(random)
            images.append(image)
            boxes.append(torch.from_numpy(box.astype(np.float32)))
        return Batch(torch.from_numpy(np.stack(images)), boxes)

    def _patch(self, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        on_lesion = bool(self._marked) and random.random() < self._config.foreground
        index, lesion = int(random.integers(len(self._looks))), 0
        if on_lesion:
            index, lesion = self._marked[int(random.choice(len(self._marked), p=self._chance))]
        look = self._looks[index]
        shape = np.array(look.hu.shape)
        if on_lesion:
            box = look.boxes[lesion]
            half = np.maximum((box[3:] - box[:3]) / 2, 0.5)
            centre = (box[:3] + box[3:]) / 2 + random.uniform(-1, 1, 3) * np.array([0, 0, _END]) * half
        else:
            centre = random.uniform(0, 1, 3) * (shape - 1)
        size = np.array(self._config.patch_voxels)
        jitter = random.uniform(-0.35, 0.35, 3) * size
        draw = self._slice if self._config.form == "2.5-D" else self._volume
        image, boxes = draw(look, centre, jitter, size)
        return self._changed(random, image, boxes)

    def _slice(
        self, look: Look, centre: NDArray[Any], jitter: NDArray[Any], size: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        k = int(np.clip(np.rint(centre[2]), 0, look.hu.shape[2] - 1))
        low = np.rint(centre[:2] + jitter[:2] - size[:2] / 2).astype(int)
        reach = self._config.reach
        near = look.hu[:, :, max(k - reach, 0) : k + reach + 1]
        cut = _cut(near, np.append(low, 0), np.append(size[:2], near.shape[2]))
        image = channels_of_slice(cut, min(k, reach), self._config.windows_hu, reach=reach)
        if self._config.network == "centre-heatmap":
            return image, look.boxes - np.tile(np.append(low, k), 2)
        return image, _inside(boxes_of_slice(look.boxes, k) - np.tile(low, 2), size[:2])

    def _volume(
        self, look: Look, centre: NDArray[Any], jitter: NDArray[Any], size: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        low = np.rint(centre + jitter - size / 2).astype(int)
        cut = _cut(look.hu, low, size)
        return channels_of_volume(cut, self._config.windows_hu), _inside(look.boxes - np.tile(low, 2), size)

    def _changed(
        self, random: np.random.Generator, image: NDArray[np.float32], boxes: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Mirrored left to right (half of the time), brighter or darker, noisier."""
        d = boxes.shape[1] // 2
        if random.random() < 0.5:
            image = np.flip(image, 1)
            boxes = boxes.copy()
            boxes[:, [0, d]] = image.shape[1] - 1 - boxes[:, [d, 0]]
        shift, noise = random.normal(0, 0.03), random.uniform(0, 0.03)
        changed = image + np.float32(shift) + noise * random.standard_normal(image.shape, np.float32)
        return np.ascontiguousarray(changed, np.float32), boxes


def _cut(hu: NDArray[np.int16], low: NDArray[Any], size: NDArray[Any]) -> NDArray[np.int16]:
    """A part of a volume; air where it reaches beyond."""
    out = np.full(size.tolist(), -1000, np.int16)
    begin, end = np.maximum(low, 0), np.minimum(low + size, hu.shape)
    if (end > begin).all():
        target = tuple(slice(a, b) for a, b in zip(begin - low, end - low, strict=True))
        out[target] = hu[tuple(slice(a, b) for a, b in zip(begin, end, strict=True))]
    return out


def _inside(boxes: NDArray[np.float64], size: NDArray[Any]) -> NDArray[np.float64]:
    """The parts of boxes inside a patch, where they are more than slivers: two voxels, and half of the box."""
    d = len(size)
    cut = np.concatenate([np.clip(boxes[:, :d], 0, size - 1), np.clip(boxes[:, d:], 0, size - 1)], axis=1)
    sides, whole = cut[:, d:] - cut[:, :d], boxes[:, d:] - boxes[:, :d]
    keep = (sides >= np.minimum(_LEAST_VOXELS, 0.9 * whole)).all(axis=1) & (sides > 0).all(axis=1)
    keep &= sides.prod(axis=1) >= 0.5 * whole.prod(axis=1)
    found: NDArray[np.float64] = cut[keep]
    return found
