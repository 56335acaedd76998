"""An autoencoder with a branch for CT and a branch for PET, which share their bottleneck and complete each other.

After the idea of Feng and Guo (2026): normal PET/CT is reconstructed from CT and from the PET that is not masked. The
networks here are our own: the PET passes the bottleneck alone, so that a lesion is not copied; CT also
reaches the PET's decoder at full detail, since anatomy is what uptake is to be told from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["LEAST_SCALE", "build_dual_autoencoder", "halvings"]

LEAST_SCALE = 0.02
"""Smallest scale that a network can predict, in units of the target."""


def build_dual_autoencoder(
    *,
    ct_inputs: int,
    pet_inputs: int,
    widths: Sequence[int] = (8, 16, 32, 48),
    bottleneck: int = 48,
    ct_outputs: int = 1,
) -> Module:
    """Network of `forward(ct, pet)` -> (mean, scale, ct).

    ct (n, ct_inputs, i, j), pet (n, pet_inputs, i, j): slices with their neighbours, and masks; i, j are multiples of
    2 ** `halvings(widths)`. mean, scale (n, 1, i, j): location and scale (at least `LEAST_SCALE`) of the PET's target.
    ct (n, ct_outputs, i', j'), twice as fine as the bottleneck: the CT from the bottleneck alone.
    With `pet_inputs` 0 there is no PET branch and `pet` is not looked at; `ct_inputs` 0 likewise. ValueError when both
    are. Initial weights come from torch's generator.
    """
    if not ct_inputs and not pet_inputs:
        raise ValueError("a branch is needed")
    import torch
    from torch import nn
    from torch.nn.functional import interpolate, softplus

    def block(inputs: int, outputs: int, stride: int = 1) -> Module:
        layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1))

    class Encoder(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            sizes = [inputs, *widths]
            steps = [1] + [2] * halvings(widths)
            self.levels = nn.ModuleList(block(a, b, s) for a, b, s in zip(sizes, sizes[1:], steps, strict=False))

        def forward(self, image: Tensor) -> list[Tensor]:
            found = []
            for level in self.levels:
                image = level(image)
                found.append(image)
            return found

    class Dual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ct = Encoder(ct_inputs) if ct_inputs else None
            self.pet = Encoder(pet_inputs) if pet_inputs else None
            joined = widths[-1] * ((self.ct is not None) + (self.pet is not None))
            self.shared = nn.Sequential(
                nn.Conv2d(joined, bottleneck, 1), nn.LeakyReLU(0.1), block(bottleneck, bottleneck)
            )
            sizes = [bottleneck, *reversed(widths[:-1])]
            detail = widths[-2::-1] if ct_inputs else [0] * len(widths[:-1])
            self.up = nn.ModuleList(block(a + d, b) for a, d, b in zip(sizes, detail, sizes[1:], strict=False))
            self.out = nn.Conv2d(sizes[-1], 2, 1)
            self.anatomy = nn.Sequential(block(bottleneck, widths[0] * 2), nn.Conv2d(widths[0] * 2, ct_outputs, 1))

        def forward(self, ct: Tensor, pet: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            seen = [] if self.ct is None else self.ct(ct)
            deepest = [levels[-1] for levels in (seen, [] if self.pet is None else self.pet(pet)) if levels]
            shared = self.shared(torch.cat(deepest, dim=1))
            image = shared
            for number, level in enumerate(self.up):
                image = interpolate(image, scale_factor=2.0, mode="nearest")
                if seen:
                    image = torch.cat([image, seen[-2 - number]], dim=1)
                image = level(image)
            mean, scale = self.out(image).chunk(2, dim=1)
            coarse = interpolate(shared, scale_factor=2.0, mode="bilinear", align_corners=False)
            return mean, softplus(scale) + LEAST_SCALE, self.anatomy(coarse)

    return Dual()


def halvings(widths: Sequence[int]) -> int:
    """How often the grid is halved on the way down."""
    return len(widths) - 1
