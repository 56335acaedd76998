"""MONAI's residual U-Net with a head that sees the image again.

MONAI's own last layer normalises the logits themselves, per patch and class (instance normalisation): a patch without
any lesion gets noise of the same height as a lesion, and a lesion of a few voxels has to stand out of two channels at
half resolution. Here the last features are not logits: a pointwise head joins them with the image and answers without
normalisation, and starts out believing that lesions are rare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tumorboard.models.unet import build_unet

__all__ = ["HeadedUNet", "believe_rare"]

_PRIOR = 0.01
"""Initial probability of a structure in a voxel (Lin et al. 2017, section 4.1)."""


class HeadedUNet(nn.Module):
    """From (batch, inputs, i, j, k) to logits (batch, outputs, i, j, k), background first.

    `channels` and `residual_units` as in `models.unet`; `features` per voxel that reach the head.
    """

    def __init__(
        self, *, inputs: int, outputs: int, channels: Sequence[int], residual_units: int, features: int = 8
    ) -> None:
        super().__init__()
        self.body = build_unet(inputs=inputs, outputs=features, channels=channels, residual_units=residual_units)
        self.head = nn.Sequential(
            nn.Conv3d(features + inputs, features, 1), nn.LeakyReLU(0.01), nn.Conv3d(features, outputs, 1)
        )
        believe_rare(self.head[-1])

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.cat([self.body(x), x], dim=1))
        return logits


def believe_rare(last: nn.Module) -> None:
    """Set the bias of a last convolution so that every structure begins with a probability of 1 %."""
    assert isinstance(last, nn.Conv3d) and last.bias is not None
    with torch.no_grad():
        last.bias.zero_()
        last.bias[1:] = math.log(_PRIOR / (1 - _PRIOR * (last.out_channels - 1)))
