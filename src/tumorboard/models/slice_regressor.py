"""Networks from one axial slice to one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["REGRESSORS", "RegressorName", "build_slice_regressor", "in_two"]

RegressorName = Literal["small", "vgg16"]
REGRESSORS: tuple[str, ...] = get_args(RegressorName)

_SMALL = (24, 48, 96, 128, 128)
_VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def build_slice_regressor(name: RegressorName, *, inputs: int) -> Module:
    """Slices (n, inputs, edge, edge) -> scores (n,). The edge is at least 32 pixels.

    ``small``: five convolutions of stride 2 with batch normalisation, mean and maximum over the slice, two
    linear layers.
    ``vgg16``: the thirteen convolutions of VGG-16 (Simonyan and Zisserman 2015) from random weights, a 1x1 convolution
    to 512 channels, mean over the slice and a linear layer, after Yan et al. (2018, self-supervised body-part
    regression). Initial weights come from torch's generator.
    """
    return {"small": _small, "vgg16": _vgg16}[name](inputs)


def in_two(network: Module) -> tuple[Module, Module]:
    """A slice regressor as what makes one vector of features of a slice, and the layers from there to the score."""
    from torch import nn

    assert isinstance(network, nn.Sequential)
    first = next(number for number, layer in enumerate(network) if isinstance(layer, nn.Linear))
    return network[:first], network[first:]


def _small(inputs: int) -> Module:
    from torch import nn

    layers: list[Module] = []
    width = inputs
    for number, channels in enumerate(_SMALL):
        kernel = 5 if number == 0 else 3
        layers += [
            nn.Conv2d(width, channels, kernel, stride=2, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        width = channels
    layers += [_mean_and_most(), nn.Linear(2 * width, 64), nn.ReLU(inplace=True), nn.Linear(64, 1)]
    return nn.Sequential(*layers, nn.Flatten(0))


def _mean_and_most() -> Module:
    """(n, channels, h, w) -> (n, 2 channels): mean and maximum over the slice. The maximum stays where a small field of
    view, much air, changes the mean."""
    import torch
    from torch import nn

    class MeanAndMost(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)

    return MeanAndMost()


def _vgg16(inputs: int) -> Module:
    from torch import nn

    layers: list[Module] = []
    width = inputs
    for channels, count in _VGG16:
        for _ in range(count):
            convolution = nn.Conv2d(width, channels, 3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            layers += [convolution, nn.ReLU(inplace=True)]
            width = channels
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Conv2d(width, 512, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(512, 1), nn.Flatten(0))
