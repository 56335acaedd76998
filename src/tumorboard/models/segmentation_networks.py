"""The segmentation networks by name, in sizes for a laptop (S), a workstation (M) and a large GPU (L)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["CHANNELS", "NETWORKS", "NetworkName", "Size", "build_segmentation_network", "halvings"]

NetworkName = Literal["unet", "headed-unet", "segresnet", "residual-encoder", "swin-unetr"]
Size = Literal["S", "M", "L"]
NETWORKS: tuple[NetworkName, ...] = ("unet", "headed-unet", "segresnet", "residual-encoder", "swin-unetr")

CHANNELS: dict[Size, tuple[int, ...]] = {
    "S": (16, 32, 64, 128),
    "M": (32, 64, 128, 256, 320),
    "L": (32, 64, 128, 256, 320, 320),
}
"""Channels per level. S trains in minutes on two cores, L is nnU-Net's width and wants a GPU."""

_BLOCKS = (1, 3, 4, 6, 6, 6)  # nnU-Net's ResEnc encoders
_SMALL_BLOCKS = (1, 2, 2, 2)
_SWIN_HALVINGS = 5


def halvings(name: NetworkName, channels: Sequence[int]) -> int:
    """How often the grid is halved on the way down: edges must be multiples of 2 to that power."""
    return _SWIN_HALVINGS if name == "swin-unetr" else len(channels) - 1


def build_segmentation_network(
    name: NetworkName,
    *,
    inputs: int,
    outputs: int,
    channels: Sequence[int] = CHANNELS["S"],
    residual_units: int = 2,
    deep_supervision: bool = False,
) -> Module:
    """A network from (batch, inputs, i, j, k) to logits (batch, outputs, i, j, k), background first.

    `channels` per level (SegResNet doubles the first one per level; SwinUNETR takes the first, rounded up to a
    multiple of 12, as its feature size); `residual_units` of the UNets. With `deep_supervision`, the
    residual encoder in training mode returns a list of logits, finest first; the others have one resolution.

    UNet, SegResNet (Myronenko 2018) and SwinUNETR (Hatamizadeh et al. 2022) are MONAI's; the headed UNet is MONAI's
    with a head of our own (`models.headed_unet`).
    """
    network: Module
    if name == "unet":
        from tumorboard.models.unet import build_unet

        return build_unet(inputs=inputs, outputs=outputs, channels=channels, residual_units=residual_units)
    if name == "headed-unet":
        from tumorboard.models.headed_unet import HeadedUNet

        return HeadedUNet(inputs=inputs, outputs=outputs, channels=channels, residual_units=residual_units)
    if name == "residual-encoder":
        from tumorboard.models.residual_encoder import ResidualEncoderUNet

        blocks = _SMALL_BLOCKS if len(channels) == len(_SMALL_BLOCKS) else _BLOCKS[: len(channels)]
        network = ResidualEncoderUNet(
            inputs=inputs,
            outputs=outputs,
            channels=channels,
            blocks=blocks + (_BLOCKS[-1],) * (len(channels) - len(blocks)),
            deep_supervision=deep_supervision,
        )
        return network
    if name == "segresnet":
        from monai.networks.nets import SegResNet

        levels = len(channels)
        network = SegResNet(
            spatial_dims=3,
            init_filters=channels[0],
            in_channels=inputs,
            out_channels=outputs,
            blocks_down=(1, *(2,) * (levels - 2), 4),
            blocks_up=(1,) * (levels - 1),
        )
        return network
    from monai.networks.nets import SwinUNETR

    network = SwinUNETR(
        in_channels=inputs, out_channels=outputs, feature_size=-(-channels[0] // 12) * 12, spatial_dims=3
    )
    return network
