"""Residual-encoder U-Net in the manner of nnU-Net's ResEnc presets (Isensee et al. 2024): deep residual stages on the
way down, one plain convolution per stage on the way up, heads at several resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ResidualEncoderUNet"]


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.InstanceNorm3d(outputs, affine=True)
    )


class _ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is pooled and projected where shape changes (He et al. 2018, D)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=stride)
        self.second = _convolution(outputs, outputs)
        shortcut: list[nn.Module] = [] if stride == 1 else [nn.AvgPool3d(stride)]
        if inputs != outputs:
            shortcut += [nn.Conv3d(inputs, outputs, 1, bias=False), nn.InstanceNorm3d(outputs, affine=True)]
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.first(x))
        y = self.activation(self.second(y) + self.shortcut(x))
        return y


class ResidualEncoderUNet(nn.Module):
    """From (batch, inputs, i, j, k) to logits (batch, outputs, i, j, k).

    `channels` and `blocks` per level, each level half as fine as the one above. With `deep_supervision`, a network in
    training mode returns a list of logits, finest first, one per level but the coarsest two; in evaluation mode
    the finest alone.
    """

    def __init__(
        self,
        *,
        inputs: int,
        outputs: int,
        channels: Sequence[int] = (16, 32, 64, 128),
        blocks: Sequence[int] = (1, 2, 3, 3),
        deep_supervision: bool = True,
    ) -> None:
        super().__init__()
        if len(blocks) != len(channels):
            raise ValueError(f"{len(channels)} levels and {len(blocks)} block counts")
        self.deep_supervision = deep_supervision
        self.stem = nn.Sequential(_convolution(inputs, channels[0]), nn.LeakyReLU(0.01))
        self.encoder, self.decoder, self.up = (nn.ModuleList() for _ in range(3))
        before = channels[0]
        for level, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            first = _ResidualBlock(before, width, stride=1 if level == 0 else 2)
            self.encoder.append(nn.Sequential(first, *(_ResidualBlock(width, width) for _ in range(count - 1))))
            before = width
        for fine, coarse in zip(channels[-2::-1], channels[:0:-1], strict=True):
            self.up.append(nn.ConvTranspose3d(coarse, fine, 2, stride=2))
            self.decoder.append(nn.Sequential(_convolution(2 * fine, fine), nn.LeakyReLU(0.01)))
        supervised = max(len(channels) - 2, 1) if deep_supervision else 1
        self.heads = nn.ModuleList(nn.Conv3d(width, outputs, 1) for width in channels[:supervised])

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        kept = []
        x = self.stem(x)
        for stage in self.encoder:
            x = stage(x)
            kept.append(x)
        features = []
        for up, stage, skip in zip(self.up, self.decoder, kept[-2::-1], strict=True):
            x = stage(torch.cat([up(x), skip], dim=1))
            features.append(x)
        if self.training and self.deep_supervision:
            return [head(here) for head, here in zip(self.heads, reversed(features), strict=False)]
        finest: Tensor = self.heads[0](x)
        return finest
