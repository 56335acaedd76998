"""Transposed convolutions as convolutions whose channels become voxels (Shi et al. 2016, "sub-pixel convolution").

OpenVINO has no bfloat16 kernel for transposed convolutions on processors with AVX512-BF16: it computes them in float32,
which took a third of the UNet's time. As ordinary convolutions they run in bfloat16; with float32 they would be slower.
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import ConvTranspose3d, Module

__all__ = ["with_subpixel_convolutions"]

_PARITIES = tuple(itertools.product((0, 1), repeat=3))
_TAPS: dict[tuple[int, int, int], tuple[dict[int, int], dict[int, int]]] = {
    (3, 1, 1): ({0: 1}, {0: 2, 1: 0}),
    (2, 0, 0): ({0: 0}, {0: 1}),
}
"""By kernel, padding and output padding of a stride of 2: for even and odd voxels of the result, which weight meets the
voxel of the source below (0) and the one after it (1)."""


def with_subpixel_convolutions(network: Module) -> Module:
    """A copy of `network` with the same answers, in which transposed convolutions that double a 3-D grid are ordinary
    ones; others, and the network itself, stay as they are."""
    from torch import nn

    twin = copy.deepcopy(network)
    for parent in list(twin.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.ConvTranspose3d) and _doubles(layer):
                setattr(parent, name, _subpixel(layer))
    return twin


def _doubles(layer: ConvTranspose3d) -> bool:
    same = [len(set(values)) == 1 for values in (layer.kernel_size, layer.padding, layer.output_padding)]
    plain = layer.groups == 1 and set(layer.dilation) == {1} and set(layer.stride) == {2}
    return plain and all(same) and _key(layer) in _TAPS


def _key(layer: ConvTranspose3d) -> tuple[int, int, int]:
    return layer.kernel_size[0], int(layer.padding[0]), layer.output_padding[0]


def _subpixel(layer: ConvTranspose3d) -> Module:
    import torch
    from torch import nn

    taps = _TAPS[_key(layer)]
    reach = max(max(each) for each in taps)
    inputs, outputs = layer.in_channels, layer.out_channels
    weight = torch.zeros(outputs, len(_PARITIES), inputs, *(reach + 1,) * 3)
    for number, parity in enumerate(_PARITIES):
        for at in itertools.product(*(taps[odd] for odd in parity)):
            i, j, k = (taps[odd][n] for odd, n in zip(parity, at, strict=True))
            weight[:, number, :, at[0], at[1], at[2]] = layer.weight.detach()[:, :, i, j, k].T

    class SubpixelConvolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv3d(inputs, outputs * 8, reach + 1, bias=layer.bias is not None)
            self.convolution.weight = nn.Parameter(weight.flatten(0, 1), requires_grad=False)
            if layer.bias is not None:
                self.convolution.bias = nn.Parameter(layer.bias.detach().repeat_interleave(8), requires_grad=False)

        def forward(self, image: Tensor) -> Tensor:
            n, _, *grid = image.shape
            found = self.convolution(nn.functional.pad(image, (0, reach) * 3))
            apart = found.reshape(n, outputs, 2, 2, 2, *grid).permute(0, 1, 5, 2, 6, 3, 7, 4)
            return apart.reshape(n, outputs, *(2 * edge for edge in grid))

    return SubpixelConvolution().eval()
