"""A small network for frontal chest X-rays: lung fields, corners of anatomical boxes, and whether sides are exchanged.

A U-Net (Ronneberger et al. 2015) whose finest level is half the input. Corners are expectations of heat maps at an
eighth of the input (integral regression, after Sun et al. 2018), so they are not bound to its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["HALVINGS", "REACH", "build_lung_field"]

HALVINGS = 4
"""Input edges must be multiples of 2 ** HALVINGS."""
REACH = 0.15
"""Part of the input's edge by which corners may lie outside it."""


def build_lung_field(*, boxes: int, channels: Sequence[int] = (16, 24, 48, 64)) -> Module:
    """A network from (batch, 1, n, n) to three outputs: logits (batch, 3, n, n) of background, right and left lung;
    corners (batch, boxes, 4) as x1, y1, x2, y2 in parts of the edge; logit (batch,) of exchanged sides.

    `channels` at a half, a quarter, an eighth and a sixteenth of the input.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    def block(inputs: int, outputs: int, stride: int = 1) -> Module:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.InstanceNorm2d(outputs, affine=True),
            nn.LeakyReLU(0.1),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.InstanceNorm2d(outputs, affine=True),
            nn.LeakyReLU(0.1),
        )

    half, quarter, eighth, sixteenth = channels

    class LungField(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, half, 5, 2, 2), nn.LeakyReLU(0.1), block(half, half))
            self.down = nn.ModuleList([block(half, quarter, 2), block(quarter, eighth, 2), block(eighth, sixteenth, 2)])
            self.deep = block(sixteenth + 2, sixteenth)
            self.up = nn.ModuleList(
                [block(sixteenth + eighth, eighth), block(eighth + quarter, quarter), block(quarter + half, half)]
            )
            self.lungs = nn.Conv2d(half, 3, 1)
            self.corners = nn.Sequential(block(eighth + 2, 2 * eighth), nn.Conv2d(2 * eighth, 2 * boxes, 1))
            self.side = nn.Linear(sixteenth * 4, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            levels = [self.stem(x)]
            for down in self.down:
                levels.append(down(levels[-1]))
            deep = self.deep(torch.cat([levels[-1], _places(levels[-1])], 1))
            y = deep
            maps = None
            for up, skip in zip(self.up, levels[-2::-1], strict=True):
                y = functional.interpolate(y, size=skip.shape[2:], mode="bilinear", align_corners=False)
                y = up(torch.cat([y, skip], 1))
                if maps is None:
                    maps = self.corners(torch.cat([y, _places(y)], 1))
            lungs = functional.interpolate(self.lungs(y), size=x.shape[2:], mode="bilinear", align_corners=False)
            pooled = functional.adaptive_avg_pool2d(deep, 2).flatten(1)
            return lungs, self._expected(maps), self.side(pooled)[:, 0]

        def _expected(self, maps: Tensor) -> Tensor:
            """Expectation of every map's place: (batch, 2 x boxes, r, c) -> (batch, boxes, 4)."""
            batch, count, rows, columns = maps.shape
            weights = torch.softmax(maps.float().flatten(2), 2).view(batch, count, rows, columns)
            stretch = 1 + 2 * REACH
            x = ((torch.arange(columns) + 0.5) / columns * stretch - REACH).to(weights)
            y = ((torch.arange(rows) + 0.5) / rows * stretch - REACH).to(weights)
            place = torch.stack([(weights.sum(2) * x).sum(2), (weights.sum(3) * y).sum(2)], 2)
            return place.view(batch, count // 2, 4)

    def _places(features: Tensor) -> Tensor:
        """Two channels that say where a pixel is, -1 to 1."""
        rows, columns = features.shape[2:]
        y = torch.linspace(-1, 1, rows).to(features).view(1, 1, rows, 1).expand(len(features), 1, rows, columns)
        x = torch.linspace(-1, 1, columns).to(features).view(1, 1, 1, columns).expand(len(features), 1, rows, columns)
        return torch.cat([x, y], 1)

    return LungField()
