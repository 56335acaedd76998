"""Batches for the order of slices: equidistant slices of several volumes, changed at random as one per volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.slices import AIR_HU

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SliceBatch", "SliceSampler", "equidistant", "network_input"]

_LEAST_STEP_MM = 4.0
"""Neighbours that are closer look alike and teach noise."""


@dataclass(frozen=True)
class SliceBatch:
    """`images` (n, 1, edge, edge); `volume` (n,) which volume a slice is of; `z_mm` (n,), falling within a volume."""

    images: Tensor
    volume: NDArray[np.int64]
    z_mm: NDArray[np.float64]


def equidistant(z_mm: NDArray[np.float64], wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `wanted` slices at a random equal step from a random start; all slices of a shorter volume."""
    count = len(z_mm)
    if count <= wanted:
        return np.arange(count)
    most = (count - 1) // (wanted - 1)
    spacing_mm = (z_mm[0] - z_mm[-1]) / (count - 1)
    least = min(max(1, round(_LEAST_STEP_MM / spacing_mm)), most)
    step = int(random.integers(least, most + 1))
    start = int(random.integers(0, count - step * (wanted - 1)))
    return start + step * np.arange(wanted)


class SliceSampler:
    """Draws batches. `volumes` are pairs of HU (n, edge + 2 margin, edge + 2 margin) and z_mm (n,), head first."""

    def __init__(
        self, volumes: Sequence[tuple[NDArray[np.int16], NDArray[np.float64]]], config: BodyPartConfig
    ) -> None:
        self._volumes, self._config = volumes, config

    def __call__(self, random: np.random.Generator) -> SliceBatch:
        config = self._config
        count = min(config.volumes, len(self._volumes))
        chosen = random.choice(len(self._volumes), count, replace=False)
        stacks, z_mm, changes = [], [], []
        for number in chosen:
            hu, z = self._volumes[number]
            index = equidistant(z, config.slices, random)
            stacks.append(np.asarray(hu[index], np.float32))
            z_mm.append(z[index])
            changes.append(_change(random) if config.augment else None)
        lengths = [len(z) for z in z_mm]
        images = network_input(_changed(stacks, changes, random, config), config)
        return SliceBatch(images, np.repeat(np.arange(count), lengths), np.concatenate(z_mm))


@dataclass(frozen=True)
class _Change:
    """How one volume is seen: zoom, turn (radians), flips (left-right, front-back), shift (parts of the picture), HU to
    which `_ANCHORS_HU` move, noise (HU), and the field of view (x, y of its middle, half width, half height, round)."""

    zoom: float
    turn: float
    flips: tuple[float, float]
    shift: tuple[float, float]
    anchors_hu: NDArray[np.float64]
    noise_hu: float
    field: tuple[float, float, float, float, bool] | None


_ANCHORS_HU = np.array([-1000.0, -800.0, -110.0, 0.0, 60.0, 200.0, 600.0, 2000.0])
"""Air, lung, fat, water, muscle, contrast medium and spongy bone, compact bone, metal: moved one by one, they make
other machines, contrast and tissues of the same picture."""
_MOVED_HU = np.array([0.0, 60.0, 25.0, 15.0, 20.0, 50.0, 120.0, 0.0])
_FIELDS = 0.4
"""Share of volumes with a smaller field of view."""


def _change(random: np.random.Generator) -> _Change:
    shift = random.normal(0, 0.06, 2)
    field = None
    if random.random() < _FIELDS:
        middle, half = random.uniform(-0.35, 0.35, 2), random.uniform(0.25, 0.8, 2)
        if random.random() < 0.5:  # a body that is cut off is put in the middle of what is left
            shift, middle = shift + middle, 0 * middle
        field = (*middle.tolist(), *half.tolist(), bool(random.random() < 0.4))
    return _Change(
        zoom=float(np.exp(random.normal(0, 0.12))),
        turn=float(random.normal(0, 0.08)),
        flips=(-1.0 if random.random() < 0.5 else 1.0, -1.0 if random.random() < 0.1 else 1.0),
        shift=tuple(shift.tolist()),
        anchors_hu=np.maximum.accumulate(_ANCHORS_HU + random.normal(0, 1, len(_ANCHORS_HU)) * _MOVED_HU),
        noise_hu=float(abs(random.normal(0, 20))),
        field=field,
    )


def _changed(
    stacks: Sequence[NDArray[np.float32]],
    changes: Sequence[_Change | None],
    random: np.random.Generator,
    config: BodyPartConfig,
) -> Tensor:
    """Slices (n, 1, edge, edge) in HU after the changes; the middle of the stored square without any."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    known = [change for change in changes if change is not None]
    if not known:
        return _middle(torch.from_numpy(np.concatenate(stacks))[:, None], config.edge)
    edge, stored = config.edge, stacks[0].shape[-1]
    lengths = [len(stack) for stack in stacks]
    remapped = [
        np.interp(stack, _ANCHORS_HU, change.anchors_hu).astype(np.float32) - AIR_HU
        for stack, change in zip(stacks, known, strict=True)
    ]
    theta = np.stack([_matrix(change, edge / stored) for change in known]).repeat(lengths, axis=0)
    grid = affine_grid(torch.from_numpy(theta), [len(theta), 1, edge, edge], align_corners=False)
    seen = grid_sample(torch.from_numpy(np.concatenate(remapped))[:, None], grid, align_corners=False)
    axis = (torch.arange(edge) * 2 + 1) / edge - 1
    for change, mine in zip(known, seen.split(lengths), strict=True):
        mine += torch.from_numpy(random.standard_normal(mine.shape, np.float32) * np.float32(change.noise_hu))
        if change.field is not None:
            mine *= _field(axis, change.field)
    return seen.clamp_min_(0) + AIR_HU


def _matrix(change: _Change, ratio: float) -> NDArray[np.float32]:
    """From places in the seen picture to places in the stored one."""
    cosine, sine = np.cos(change.turn), np.sin(change.turn)
    turn = np.array([[cosine, -sine], [sine, cosine]]) * ratio / change.zoom
    return np.column_stack([turn * np.array(change.flips), np.array(change.shift)]).astype(np.float32)


def _field(axis: Tensor, field: tuple[float, float, float, float, bool]) -> Tensor:
    x, y, half_x, half_y, is_round = field
    across, down = ((axis - x) / half_x)[None, :], ((axis - y) / half_y)[:, None]
    inside = across**2 + down**2 <= 1.2 if is_round else (across.abs() <= 1) & (down.abs() <= 1)
    return inside.float()


def _middle(images: Tensor, edge: int) -> Tensor:
    cut = (images.shape[-1] - edge) // 2
    return images[..., cut : cut + edge, cut : cut + edge]


def network_input(images: Tensor, config: BodyPartConfig) -> Tensor:
    """HU (n, 1, edge or more, ...) -> the middle square, window seen as -1 to 1."""
    low, high = config.window_hu
    return ((_middle(images, config.edge) - low) / (high - low)).clamp(0, 1) * 2 - 1
