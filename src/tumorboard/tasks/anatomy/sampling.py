"""Batches for training: other places, sizes, slants, exposures, devices. All randomness is the generator's.

Boxes follow the slant of the ellipse inscribed in them, since a turned rectangle's own box would be too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.tasks.anatomy.prepare import Sample

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "BatchSampler"]

Singles = NDArray[np.float32]
_LUNGS = [BOX_LOCATIONS.index(name) for name in ("right lung", "left lung")]
_MIRRORED = 0.2
"""Part of the samples shown with exchanged sides: the network learns to tell, and nothing else from them."""


@dataclass(frozen=True)
class Batch:
    """`inputs` (n, 1, e, e); `lungs` (n, 2, e, e) with `has_lungs` (n,); `boxes` (n, 36, 4) in parts of the edge, NaN
    where not known; `mirrored` (n,) 1 where sides are exchanged."""

    inputs: Tensor
    lungs: Tensor
    has_lungs: Tensor
    boxes: Tensor
    mirrored: Tensor


class BatchSampler:
    """Draws batches: a patient first, then one of the patient's images; `share` of each batch from `virtual`."""

    def __init__(
        self, real: Sequence[Sample], virtual: Sequence[Sample], *, edge: int, batch: int, share: float
    ) -> None:
        self._pools = [_by_patient(real), _by_patient(virtual)]
        share = 0.0 if not virtual else 1.0 if not real else share
        self._counts = [batch - round(batch * share), round(batch * share)]
        self._edge = edge

    def __call__(self, random: np.random.Generator) -> Batch:
        chosen = [
            group[int(random.integers(len(group)))]
            for pool, count in zip(self._pools, self._counts, strict=True)
            for group in (pool[int(random.integers(len(pool)))] for _ in range(count))
        ]
        return _batch(chosen, self._edge, random)


def _by_patient(samples: Sequence[Sample]) -> list[list[Sample]]:
    grouped: dict[str, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.patient_id, []).append(sample)
    return list(grouped.values())


def _batch(samples: Sequence[Sample], edge: int, random: np.random.Generator) -> Batch:
    import torch
    from torch.nn.functional import grid_sample, interpolate

    count = len(samples)
    pictures = np.stack([sample.picture for sample in samples])
    lungs = np.stack(
        [np.zeros((2, *sample.picture.shape)) if sample.lungs is None else sample.lungs for sample in samples]
    )
    matrices = np.stack([_matrix(sample.boxes, random) for sample in samples])
    theta = torch.from_numpy(matrices.astype(np.float32))
    grid = torch.nn.functional.affine_grid(theta, [count, 1, edge, edge], align_corners=False)
    stacked = torch.from_numpy(np.concatenate([lungs, pictures[:, None]], axis=1).astype(np.float32))
    padding = "zeros" if random.random() < 0.6 else "border"
    seen = grid_sample(stacked[:, 2:], grid, padding_mode=padding, align_corners=False)
    shares = grid_sample(stacked[:, :2], grid, align_corners=False)
    noise = torch.from_numpy(random.normal(0, 1, (count, 1, 3, 3)).astype(np.float32))
    shade = interpolate(noise, size=(edge, edge), mode="bicubic", align_corners=True)[:, 0].numpy()
    varied = np.stack([_varied(one, field, random) for one, field in zip(seen[:, 0].numpy(), shade, strict=True)])
    boxes = np.stack([_moved(sample.boxes, matrix) for sample, matrix in zip(samples, matrices, strict=True)])
    mirrored = random.random(count) < _MIRRORED
    varied[mirrored] = varied[mirrored][:, :, ::-1]
    boxes[mirrored] = np.nan
    has_lungs = np.array([sample.lungs is not None for sample in samples]) & ~mirrored
    return Batch(
        torch.from_numpy(np.ascontiguousarray(varied[:, None])),
        shares,
        torch.from_numpy(has_lungs),
        torch.from_numpy(boxes.astype(np.float32)),
        torch.from_numpy(mirrored.astype(np.float32)),
    )


def _matrix(boxes: Singles, random: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3) from output to input places (-1 to 1): the lungs fill half of the window to all of it, off its middle,
    slanted by up to 10 degrees; where they are not known, most of the picture is shown."""
    lungs = boxes[_LUNGS]
    known = bool(np.isfinite(lungs).all())
    low, high = (lungs[:, :2].min(0), lungs[:, 2:].max(0)) if known else (np.zeros(2), np.ones(2))
    share = random.uniform(0.55, 1.0) if known else random.uniform(0.8, 1.1)
    zoom = float((high - low).max()) / share
    angle = np.deg2rad(random.uniform(-10, 10))
    stretch = float(np.exp(random.uniform(-0.1, 0.1)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([zoom * stretch, zoom / stretch])
    linear[0, 1] += random.uniform(-0.06, 0.06)
    free = 0.05 + 0.6 * (1 - min(share, 1.0))
    return np.column_stack([linear, low + high - 1 + zoom * random.uniform(-free, free, 2)])


def _moved(boxes: Singles, matrix: NDArray[np.float64]) -> Singles:
    """Boxes (36, 4) in parts of the edge where the matrix's output shows them."""
    inverse = np.linalg.inv(matrix[:, :2])
    low, high = 2.0 * boxes[:, :2] - 1, 2.0 * boxes[:, 2:] - 1
    centre, half = (low + high) / 2, (high - low) / 2
    centre = (centre - matrix[:, 2]) @ inverse.T
    half = np.sqrt((half**2) @ (inverse.T**2))
    moved: Singles = (np.concatenate([centre - half, centre + half], axis=1) + 1).astype(np.float32) / 2
    return moved


def _varied(picture: Singles, shade: Singles, random: np.random.Generator) -> Singles:
    """Another exposure, contrast, shading, haze, noise; sometimes wires, markers and collimator blades."""
    edge = len(picture)
    seen: NDArray[Any] = np.clip(picture, 0, 1) ** np.exp(random.uniform(-0.6, 0.6))
    seen = (seen - 0.5) * random.uniform(0.5, 1.3) + 0.5 + random.uniform(-0.2, 0.2) + shade * random.uniform(0, 0.2)
    y, x = np.mgrid[0:edge, 0:edge] / edge
    for _ in range(int(random.integers(0, 3))):  # soft shadows, as of consolidation or effusion
        where = np.exp(-(((x - random.random()) / 0.12) ** 2 + ((y - random.random()) / 0.12) ** 2))
        seen = seen + random.uniform(0.1, 0.45) * where
    for _ in range(int(random.integers(0, 3))):  # wires and tubes
        bend, slope, start = random.uniform(-0.6, 0.6), random.uniform(-2, 2), random.random()
        seen = seen + 0.3 * (np.abs(y - start - slope * (x - 0.5) - bend * (x - 0.5) ** 2) < 0.008)
    if random.random() < 0.3:  # a marker or a pacemaker
        left, top, size = random.random(), random.random(), random.uniform(0.03, 0.12)
        seen[(np.abs(x - left) < size / 2) & (np.abs(y - top) < size / 2)] = random.uniform(0.8, 1.2)
    if random.random() < 0.3:  # collimator blades
        blade = random.uniform(0, 0.08, 4)
        seen[(x < blade[0]) | (x > 1 - blade[1]) | (y < blade[2]) | (y > 1 - blade[3])] = random.choice([0.0, 1.0])
    return np.asarray(seen + random.normal(0, random.uniform(0, 0.05), seen.shape), np.float32)
