"""U-Net (Ronneberger et al. 2015; 3-D with residual units, Kerfoot et al. 2018), as MONAI builds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["build_unet", "halvings"]


def build_unet(
    *, inputs: int, outputs: int, channels: Sequence[int] = (16, 32, 64, 128), residual_units: int = 2
) -> Module:
    """A network from (batch, inputs, i, j, k) to logits (batch, outputs, i, j, k).

    `channels` per level, each level half as fine as the one above: i, j, k must be multiples of
    2 ** `halvings(channels)`. Instance normalisation, PReLU.
    """
    from monai.networks.nets import UNet

    network: Module = UNet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        channels=tuple(channels),
        strides=(2,) * halvings(channels),
        num_res_units=residual_units,
        norm="instance",
    )
    return network


def halvings(channels: Sequence[int]) -> int:
    """How often the grid is halved on the way down."""
    return len(channels) - 1
