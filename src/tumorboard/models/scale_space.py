"""Lesions from filters of many sizes: a small network says of each cell, by its features alone, how near a lesion's
centre is, and where the faces of that lesion's box lie.

The filters (`tasks.detection.filters`) need no learning, so that cells can be drawn one by one from everywhere: on a
processor, thousands of different places per step teach more than a few whole patches do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UNIT_MM", "ScaleSpace", "lesion_heat"]

UNIT_MM = 8.0
"""Half edge of the box where the network answers 0, and unit of the way to its centre."""
_CORE, _EDGE = 1.3, 0.3
"""Heat at the centre before it is cut to 1, and at the surface of the ellipsoid in the box."""
_LEAST_MM = 5.0
"""Half edges that smaller lesions have in the heat: a cell or more."""
_PRIOR = 0.02
_LIMIT = 8.0
_NEAR = 0.25
"""Heat above which a cell also answers for the box."""


class ScaleSpace(nn.Module):
    """Features (n, features) -> (n, 7): logit of the heat; way to the centre (x, y, z) in `UNIT_MM`; logarithm of the
    half edges in `UNIT_MM`. `set_scale` first: features are seen in units of their spread."""

    middle: Tensor
    spread: Tensor

    def __init__(self, features: int, *, widths: Sequence[int] = (128, 96, 64), dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        layers: list[nn.Module] = []
        before = features
        for width in widths:
            layers += [nn.Linear(before, width), nn.LayerNorm(width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            before = width
        last = nn.Linear(before, 7)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            last.bias[0] = float(torch.logit(torch.tensor(_PRIOR)))
        self.layers = nn.Sequential(*layers, last)

    def set_scale(self, middle: Tensor, spread: Tensor) -> None:
        """Mean and standard deviation of the training features."""
        self.middle.copy_(middle)
        self.spread.copy_(spread.clamp(min=1e-4))

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.layers(((values - self.middle) / self.spread).clamp(-_LIMIT, _LIMIT))
        return found

    def losses(self, values: Tensor, heat: Tensor, boxes: Tensor) -> Tensor:
        """Of cells: `heat` (n,), `boxes` (n, 6) way to the centre and half edges in mm. Quality focal loss (Li et al.
        2020) per unit of heat, and smooth-L1 of the box near centres."""
        answer = self(values)
        error = functional.binary_cross_entropy_with_logits(answer[:, 0], heat, reduction="none")
        focal = error * (torch.sigmoid(answer[:, 0]) - heat).square()
        near = torch.where(heat > _NEAR, heat, 0.0)
        wanted = torch.cat([boxes[:, :3] / UNIT_MM, torch.log(boxes[:, 3:].clamp(min=1.0) / UNIT_MM)], dim=1)
        away = functional.smooth_l1_loss(answer[:, 1:], wanted, reduction="none", beta=0.1).mean(dim=1)
        return focal.sum() / heat.sum().clamp(min=1.0) + (away * near).sum() / near.sum().clamp(min=1.0)

    @torch.inference_mode()
    def read(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Heat (n,), 0 to 1; way to the centre (n, 3) and half edges (n, 3) of the box in mm."""
        answer = self(values)
        return torch.sigmoid(answer[:, 0]), answer[:, 1:4] * UNIT_MM, torch.exp(answer[:, 4:].clamp(-2, 3)) * UNIT_MM


def lesion_heat(away_mm: Tensor, half_mm: Tensor) -> Tensor:
    """Heat (k, n) of `n` cells for `k` lesions: `away_mm` (k, n, 3) from the lesion's centre, `half_mm` (k, 3) half
    edges of its box. 1 in the core, 0.3 on the surface of the ellipsoid, 0 a little further out."""
    squared = (away_mm / half_mm.clamp(min=_LEAST_MM)[:, None]).square().sum(dim=2)
    return (_CORE - (_CORE - _EDGE) * squared).clamp(0, 1)
