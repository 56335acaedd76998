"""A small three-dimensional network from a crop to a vector; trains on a laptop's processor in minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["image_encoder"]


def image_encoder(channels: int, *, width: int = 12, features: int = 24) -> Module:
    """Crops (n, channels, i, j, k) -> vectors (n, features); any edge of 8 voxels or more.

    Three stages of convolution, group normalisation (which one patient alone can pass) and halving; then the mean and
    the maximum over space. About 40,000 weights at the default width.
    """
    import torch
    from torch import nn

    def stage(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(4, outputs),
            nn.ReLU(inplace=True),
            nn.Conv3d(outputs, outputs, 3, stride=2, padding=1),
            nn.GroupNorm(4, outputs),
            nn.ReLU(inplace=True),
        )

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.Sequential(stage(channels, width), stage(width, 2 * width), stage(2 * width, 2 * width))
            self.head = nn.Linear(4 * width, features)

        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            deep = self.stages(crops)
            pooled = torch.cat([deep.mean(dim=(2, 3, 4)), deep.amax(dim=(2, 3, 4))], dim=1)
            return torch.relu(self.head(pooled))

    return Encoder()
