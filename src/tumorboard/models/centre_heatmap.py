"""Lesions as peaks of a heat map, each with the size of its box (after CenterNet, Zhou et al. 2019), slice by slice.

A small encoder and decoder with skips (after U-Net, Ronneberger et al. 2015) looks at a slice with its neighbours. At
half its resolution it says how near a lesion's centre is, and where the faces of that lesion's 3-D box lie.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["STRIDE", "CentreHeatmap"]

STRIDE = 2
"""Pixels along the edge of a cell of the heat map."""
_PRIOR = 0.02
_UNIT_VOXELS = (4.0, 4.0, 2.0)
"""Half edges (x, y, z) that a box has where the network answers 0."""
_SPREAD_CELLS = (1.0, 3.0)
"""Least and largest standard deviation of the heat round a centre, in plane."""
_SPREAD_SLICES = 0.5
_NEAR = 0.3
"""Heat above which a cell also answers for the box."""


class CentreHeatmap(nn.Module):
    """Images (n, inputs, i, j), i and j multiples of `divisor` -> (n, 7, i / 2, j / 2): logit of the heat, offset of
    the centre from the cell (x, y, z) and logarithm of the half edges, both relative to a usual size."""

    def __init__(self, inputs: int, *, channels: Sequence[int] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.divisor = STRIDE * 2 ** (len(channels) - 1)
        self.stem = _layer(inputs, channels[0], stride=STRIDE, kernel=4)
        self.down = nn.ModuleList()
        before = channels[0]
        for level, width in enumerate(channels):
            self.down.append(nn.Sequential(_layer(before, width, stride=1 if level == 0 else 2), _Residual(width)))
            before = width
        self.up = nn.ModuleList()
        for low, high in zip(channels[:0:-1], channels[-2::-1], strict=True):
            self.up.append(nn.ModuleList([_layer(low, high, kernel=1), _layer(high, high)]))
        self.head = nn.Sequential(_layer(channels[0], channels[0]), nn.Conv2d(channels[0], 7, 1))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            last.bias[0] = float(torch.logit(torch.tensor(_PRIOR)))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        maps = []
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        for pair, skip in zip(self.up, maps[-2::-1], strict=True):
            assert isinstance(pair, nn.ModuleList)
            x = pair[1](skip + functional.interpolate(pair[0](x), scale_factor=2.0, mode="nearest"))
        found: Tensor = self.head(x)
        return found

    def losses(self, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Heat plus box loss of a batch. `boxes`: one tensor (k, 6) per image, low and high corners in pixels and in
        slices counted from the image's own."""
        answer = self(images)
        targets = [_targets(mine, answer.shape[2:]) for mine in boxes]
        heat, wanted = (torch.stack([target[part] for target in targets]) for part in (0, 1))
        return _heat_loss(answer[:, 0], heat) + _box_loss(answer[:, 1:], wanted, heat)

    @torch.inference_mode()
    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Heat (n, a, b), 0 to 1, and the box of every cell (n, 6, a, b): corners in pixels, and in slices from the
        image's own."""
        answer = self(images).float()
        unit = answer.new_tensor(_UNIT_VOXELS)[:, None, None]
        place = _centres(answer.shape[2:], answer.device)
        centre = answer[:, 1:4] * unit + place
        half = torch.exp(answer[:, 4:7].clamp(-3, 3)) * unit
        return torch.sigmoid(answer[:, 0]), torch.cat([centre - half, centre + half], dim=1)


def _layer(inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    padding = (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _layer(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


def _centres(shape: Sequence[int], device: torch.device) -> Tensor:
    """Middle (3, a, b) of every cell in pixels; its own slice is 0."""
    axes = [torch.arange(n, device=device) * STRIDE + (STRIDE - 1) / 2 for n in shape]
    x, y = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])


def _targets(boxes: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Heat (a, b) of the boxes (k, 6), and for each cell the offset and log half edges (6, a, b) of the warmest box."""
    place = _centres(shape, boxes.device)
    if not len(boxes):
        return place.new_zeros(place.shape[1:]), place.new_zeros((6, *place.shape[1:]))
    centre, half = (boxes[:, :3] + boxes[:, 3:]) / 2, ((boxes[:, 3:] - boxes[:, :3]) / 2).clamp(min=0.5)
    spread = half / 2
    spread[:, :2] = spread[:, :2].clamp(*(cells * STRIDE for cells in _SPREAD_CELLS))
    spread[:, 2] = spread[:, 2].clamp(min=_SPREAD_SLICES)
    away = centre[:, :, None, None] - place
    every = torch.exp(-0.5 * (away / spread[:, :, None, None]).square().sum(dim=1))
    heat, warmest = every.max(dim=0)
    unit = boxes.new_tensor(_UNIT_VOXELS)
    offset = torch.gather(away, 0, warmest[None, None].expand(1, 3, *shape))[0] / unit[:, None, None]
    edges = torch.log(half / unit)[warmest].permute(2, 0, 1)
    return heat, torch.cat([offset, edges])


def _heat_loss(logit: Tensor, heat: Tensor) -> Tensor:
    """Quality focal loss (Li et al. 2020) per unit of heat. Plain cross-entropy and Dice stay at one answer for every
    place inside the body."""
    error = functional.binary_cross_entropy_with_logits(logit, heat, reduction="none")
    return (error * (torch.sigmoid(logit) - heat).square()).sum() / heat.sum().clamp(min=8.0 * len(heat))


def _box_loss(answer: Tensor, wanted: Tensor, heat: Tensor) -> Tensor:
    weight = torch.where(heat > _NEAR, heat, 0.0)[:, None]
    error = functional.smooth_l1_loss(answer, wanted, reduction="none", beta=0.1)
    return (error * weight).sum() / (6 * weight.sum()).clamp(min=1.0)
