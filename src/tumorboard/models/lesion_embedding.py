"""A small network that turns crops of a lesion, its place and its size into a direction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LesionEmbedding", "windows"]

_WINDOWS_HU = ((-175.0, 275.0), (-1350.0, 150.0), (0.0, 1000.0))
"""Soft tissue, lung, bone: each 0 to 1."""


def windows(crops: Tensor) -> Tensor:
    """HU (n, slices, y, x) -> (n, 3 x slices, y, x) between -1 and 1 in three windows."""
    parts = [((crops - low) / (high - low)).clamp(0, 1) * 2 - 1 for low, high in _WINDOWS_HU]
    return torch.cat(parts, dim=1)


class _Tower(nn.Module):
    """Strided convolutions, then a mean over each quarter of the crop, so that what lies where is kept roughly."""

    def __init__(self, inputs: int, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = inputs
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.stages = nn.Sequential(*layers)
        self.out = nn.Linear(4 * before, outputs)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(self.stages(x), 2)
        return functional.relu(self.out(pooled.flatten(1)))


class LesionEmbedding(nn.Module):
    """Two towers (near and far crop) and the features of place and size -> unit vectors, and log weights of types.

    near, far (n, slices, edge, edge) in HU; features (n, f), scaled. One tower per scale and one linear layer over all,
    after Yan et al. 2018 (who pool regions of one network at several depths).
    """

    def __init__(
        self, *, slices: int, features: int, channels: Sequence[int], dimensions: int, types: int, hidden: int = 64
    ) -> None:
        super().__init__()
        self.near = _Tower(3 * slices, channels, hidden)
        self.far = _Tower(3 * slices, channels, hidden)
        self.place = nn.Sequential(nn.Linear(features, hidden // 2), nn.ReLU())
        self.mix = nn.Sequential(nn.Linear(2 * hidden + hidden // 2, 2 * dimensions), nn.ReLU(), nn.Dropout(0.2))
        self.embed = nn.Linear(2 * dimensions, dimensions)
        self.head = nn.Linear(2 * dimensions, types)

    def forward(self, near: Tensor, far: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors (n, dimensions) and log weights of types (n, types)."""
        parts = [self.near(windows(near)), self.far(windows(far)), self.place(features)]
        mixed = self.mix(torch.cat(parts, dim=1))
        return functional.normalize(self.embed(mixed), dim=1), self.head(mixed)
