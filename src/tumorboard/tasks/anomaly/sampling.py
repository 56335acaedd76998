"""Batches for training: patches of normal slices with a part of the PET hidden, as at inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.anomaly.channels import DEPTH, ct_channels, neighbours, pet_channels, target
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import AIR_HU, Exam
from tumorboard.tasks.anomaly.masks import Threshold, random_blobs, suspicious
from tumorboard.tasks.anomaly.normal import require_normal

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["NormalSampler", "loss_of"]

_THRESHOLDS = (1.0, 0.6, 0.35)
"""Shares of the threshold at inference whose masks are met in training."""
_ALL, _NONE = 0.12, 0.08
"""Shares of patches without any PET (CT alone, the fallback) and with all of it."""
_SUV_MASKS = 0.45
_ON_HOT = 0.5
"""Share of patches whose middle is near normal uptake above the threshold: rare places, which must be learnt most."""
_NO_CT = 0.08
_SEEN, _AIR = 0.15, 0.02
"""Weights in the loss of voxels of the body that were not hidden, and of air; hidden ones count 1."""
_ANATOMY = 0.2
_NOISE, _NOISE_CELLS = 0.5, 6


@dataclass(frozen=True, eq=False)
class _Source:
    root: NDArray[np.float32]
    hu: NDArray[np.float32]
    body: NDArray[np.bool_]
    hidden: tuple[NDArray[np.bool_], ...]
    slices: NDArray[np.int64]
    hot: NDArray[np.int64]
    spacing_mm: tuple[float, float, float]


class NormalSampler:
    """Draws batches (ct, pet, target, weight) of tensors from normal slices; every slice is checked (ANO103)."""

    def __init__(
        self,
        exams: Sequence[tuple[Exam, NDArray[np.int64]]],
        config: AnomalyConfig,
        *,
        threshold: Threshold,
    ) -> None:
        self.config = config
        self.masked = config.network == "masked dual"
        self.sources = []
        for exam, slices in exams:
            require_normal(exam.lesion, slices, where=f"exam {exam.case.exam_id}")
            if not len(slices):
                continue
            hidden: tuple[NDArray[np.bool_], ...] = ()
            suv = threshold.of(exam)
            if self.masked:
                hidden = tuple(suspicious(exam, Threshold("suv", part * suv), config) for part in _THRESHOLDS)
            numbers = np.asarray(slices, np.int64)
            hot = np.argwhere((exam.suv[:, :, numbers] > suv) & exam.body[:, :, numbers])
            hot[:, 2] = numbers[hot[:, 2]]
            self.sources.append(_Source(target(exam.suv), exam.hu, exam.body, hidden, numbers, hot, exam.spacing_mm))

    def __call__(self, random: np.random.Generator) -> tuple[Tensor, ...]:
        import torch

        drawn = [self._patch(random) for _ in range(self.config.batch)]
        root, hu, body, hidden, no_ct = (np.stack(parts) for parts in zip(*drawn, strict=True))
        middle = DEPTH // 2
        ct = ct_channels(hu, self.config.ct_window_hu)
        ct[no_ct] = 0.0
        shown = root
        if self.config.network == "denoising":
            shown = np.maximum(root + self._noise(random, root.shape), 0)
        pet = pet_channels(shown, hidden)
        weight = np.where(hidden[:, middle], 1.0, _SEEN if self.masked else 1.0)
        weight = np.where(body[:, middle], weight, _AIR).astype(np.float32)
        arrays = (ct, pet, root[:, middle : middle + 1], weight[:, None])
        return tuple(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays)

    def _patch(self, random: np.random.Generator) -> tuple[Any, ...]:
        config, edge = self.config, self.config.patch_voxels
        source = self.sources[int(random.integers(len(self.sources)))]
        if len(source.hot) and random.random() < _ON_HOT:
            i, j, k = source.hot[int(random.integers(len(source.hot)))].tolist()
            at = np.array([i, j]) - edge // 2 + random.integers(-edge // 4, edge // 4 + 1, 2)
        else:
            k = int(source.slices[int(random.integers(len(source.slices)))])
            at = _corner(random, source.body[:, :, k], edge)
        around = neighbours(np.array([k]), source.root.shape[2])[0]
        moved = np.zeros(2, int)
        if config.shift_mm:
            moved = np.rint(random.uniform(-1, 1, 2) * config.shift_mm / source.spacing_mm[:2]).astype(int)
        factor = float(np.exp(0.5 * random.normal() * config.scale_spread))  # of the root
        root = _cut(source.root, around, at, edge, 0.0) * np.float32(factor)
        hu = _cut(source.hu, around, at + moved, edge, AIR_HU)
        body = _cut(source.body, around, at, edge, False)
        hidden = self._hidden(random, source, around, at)
        whole = bool(hidden.all())
        no_ct = self.config.network != "CT only" and not whole and random.random() < _NO_CT
        return root, hu, body, hidden, no_ct

    def _hidden(
        self, random: np.random.Generator, source: _Source, around: NDArray[np.int64], at: NDArray[Any]
    ) -> NDArray[np.bool_]:
        edge = self.config.patch_voxels
        shape = (DEPTH, edge, edge)
        if self.config.network == "CT only":
            return np.ones(shape, bool)
        if not self.masked:
            return np.zeros(shape, bool)
        kind = random.random()
        if kind < _ALL:
            return np.ones(shape, bool)
        if kind < _ALL + _NONE:
            return np.zeros(shape, bool)
        if kind < _ALL + _NONE + _SUV_MASKS:
            chosen = source.hidden[int(random.integers(len(source.hidden)))]
            covered: NDArray[np.bool_] = _cut(chosen, around, at, edge, False)
            return covered
        blobs = random_blobs(random, (edge, edge, DEPTH), source.spacing_mm)
        return np.moveaxis(blobs, 2, 0) | _cut(source.hidden[0], around, at, edge, False)

    @staticmethod
    def _noise(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Coarse noise: one value per cell of a few voxels, blended (Kascenas et al. 2022)."""
        from scipy.ndimage import zoom

        n, depth, i, j = shape
        cells = random.normal(0, _NOISE, (n, 1, -(-i // _NOISE_CELLS) + 1, -(-j // _NOISE_CELLS) + 1))
        fine = zoom(cells, (1, 1, _NOISE_CELLS, _NOISE_CELLS), order=1)[:, :, :i, :j]
        return np.repeat(fine, depth, axis=1).astype(np.float32)


def _corner(random: np.random.Generator, body: NDArray[np.bool_], edge: int) -> NDArray[np.int64]:
    """First voxel of a patch whose middle lies in the box round the body; a body smaller than the patch lies in it."""
    corner = []
    for axis in (0, 1):
        at = np.flatnonzero(body.any(axis=1 - axis))
        low, high = int(at[0]), int(at[-1]) + 1
        if high - low <= edge:
            start, stop = high - edge, low
        else:
            start, stop = low - edge // 4, high - edge + edge // 4
        corner.append(int(random.integers(start, stop + 1)))
    return np.array(corner, np.int64)


def _cut(volume: NDArray[Any], around: NDArray[np.int64], at: NDArray[Any], edge: int, fill: Any) -> NDArray[Any]:
    """Patch (DEPTH, edge, edge) of the slices `around`, `fill` where it leaves the volume."""
    out = np.full((len(around), edge, edge), fill, volume.dtype)
    low = np.maximum(at, 0)
    high = np.minimum(at + edge, volume.shape[:2])
    if (high > low).all():
        to = tuple(slice(a, b) for a, b in zip(low - at, high - at, strict=True))
        part = volume[low[0] : high[0], low[1] : high[1]][:, :, around]
        out[(slice(None), *to)] = np.moveaxis(part, 2, 0)
    return out


def loss_of(config: AnomalyConfig) -> Callable[[Module, Any], Tensor]:
    """Negative log likelihood of a Laplace distribution for the PET, mostly where it was hidden, and the mean absolute
    error of the CT that the bottleneck gives back (cross-modality completion)."""

    def loss(network: Module, batch: Any) -> Tensor:
        import torch
        from torch.nn.functional import adaptive_avg_pool2d

        ct, pet, wanted, weight = batch
        mean, scale, anatomy = network(ct, pet)
        likelihood = (wanted - mean).abs() / scale + torch.log(scale)
        found: Tensor = (likelihood * weight).sum() / weight.sum().clamp_min(1.0)
        seen = adaptive_avg_pool2d(ct[:, DEPTH // 2 : DEPTH // 2 + 1], anatomy.shape[-2:])
        whole: Tensor = found + _ANATOMY * (anatomy - seen).abs().mean()
        return whole

    return loss
