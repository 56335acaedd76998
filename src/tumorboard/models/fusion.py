"""Crops and a table into one prediction, with any part of them missing.

Each side becomes a vector; both vectors and their product (so that an image finding may mean different things in
different patients) reach the outputs, each switched off where its side is missing. In training whole sides and single
channels are withheld at random, so that the network has seen every gap before it meets one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorboard.models.image_encoder import image_encoder

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["fusion_network", "withhold"]


def fusion_network(
    *, channels: int, columns: int, outputs: int, width: int = 12, features: int = 24, dropout: float = 0.3
) -> Module:
    """Network of `forward(crops, table, has)` -> logits (n, outputs).

    crops (n, channels, i, j, k); table (n, columns); has (n, channels + 1): 1 where a channel, and last the table, is
    there. What is not there does not change the result, whatever stands in its place. `channels` or `columns` may be 0.
    """
    import torch
    from torch import nn

    class Fusion(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = image_encoder(2 * channels, width=width, features=features) if channels else None
            self.table = (
                nn.Sequential(nn.Linear(columns, features), nn.ReLU(), nn.Dropout(dropout)) if columns else None
            )
            both = self.image is not None and self.table is not None
            self.joint = nn.ModuleList([nn.Linear(features, 8), nn.Linear(features, 8)]) if both else None
            self.drop = nn.Dropout(dropout)
            self.linear = nn.Linear(columns, outputs) if columns else None
            size = features * ((self.image is not None) + (self.table is not None)) + 8 * both
            self.out = nn.Linear(size + channels + 1, outputs)

        def forward(self, crops: Tensor, table: Tensor, has: Tensor) -> Tensor:
            parts = [has]
            seen = has[:, :channels].amax(dim=1, keepdim=True) if channels else None
            known = has[:, channels:]
            image = written = None
            if self.image is not None:
                there = has[:, :channels, None, None, None]
                shown = torch.where(there > 0, crops, torch.zeros_like(crops))
                planes = there.expand(-1, -1, *crops.shape[2:])
                image = self.image(torch.cat([shown, planes], dim=1)) * seen
                parts.append(self.drop(image))
            if self.table is not None:
                cells = torch.where(known > 0, table, torch.zeros_like(table))
                written = self.table(cells) * known
                parts.append(written)
            if self.joint is not None and image is not None and written is not None:
                parts.append(self.joint[0](image) * self.joint[1](written) * seen * known)
            logits: Tensor = self.out(torch.cat(parts, dim=1))
            if self.linear is not None:
                logits = logits + self.linear(torch.where(known > 0, table, torch.zeros_like(table))) * known
            return logits

    return Fusion()


def withhold(has: Tensor, *, channels: int, rate: float, draw: Tensor) -> Tensor:
    """`has` (n, channels + 1) with single channels, all channels, or the table taken away, each with probability
    `rate`; `draw` (n, channels + 2) uniform numbers. Nobody loses everything: then nothing is taken."""
    import torch

    kept = (draw[:, : channels + 1] >= rate).to(has.dtype)
    kept[:, :channels] *= (draw[:, channels + 1 :] >= rate).to(has.dtype)
    left = has * kept
    return torch.where(left.sum(dim=1, keepdim=True) > 0, left, has)
