"""Transposed convolutions written as convolutions: torch's own answers, on every grid."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tumorboard.engine import compiled as module
from tumorboard.engine.compiled import compile_network
from tumorboard.engine.subpixel import with_subpixel_convolutions
from tumorboard.models.segmentation_networks import build_segmentation_network


@pytest.mark.parametrize("grid", [(1, 1, 1), (2, 3, 5), (6, 4, 7)])
@pytest.mark.parametrize(("kernel", "padding", "beyond"), [(3, 1, 1), (2, 0, 0)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_answers_are_those_of_the_transposed_convolution(grid, kernel, padding, beyond, bias):
    torch.manual_seed(0)
    layer = nn.ConvTranspose3d(5, 3, kernel, stride=2, padding=padding, output_padding=beyond, bias=bias)
    network = nn.Sequential(nn.Identity(), layer)
    twin = with_subpixel_convolutions(network)
    image = torch.randn(2, 5, *grid)
    assert not any(isinstance(each, nn.ConvTranspose3d) for each in twin.modules())
    torch.testing.assert_close(twin(image), network(image), atol=1e-5, rtol=1e-5)
    assert network[1] is layer


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 4, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": (2, 2, 1)},
        {"kernel_size": 2, "stride": 2, "groups": 2},
        {"kernel_size": (2, 2, 1), "stride": 2},
    ],
)
def test_what_does_not_double_a_grid_stays(settings):
    network = nn.Sequential(nn.ConvTranspose3d(4, 4, **settings))
    assert isinstance(with_subpixel_convolutions(network)[0], nn.ConvTranspose3d)


@pytest.mark.parametrize("name", ["unet", "residual-encoder"])
def test_a_whole_network_answers_alike(name):
    torch.manual_seed(0)
    network = build_segmentation_network(name, inputs=2, outputs=3, channels=(4, 8, 12, 16)).eval()
    assert any(isinstance(each, nn.ConvTranspose3d) for each in network.modules())
    image = torch.randn(1, 2, 16, 24, 32)
    with torch.no_grad():
        torch.testing.assert_close(with_subpixel_convolutions(network)(image), network(image), atol=1e-4, rtol=1e-4)


def test_it_compiles_for_windows_of_any_shape():
    """Traced with one window, asked with others."""
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    network = build_segmentation_network("unet", inputs=2, outputs=3, channels=(4, 8, 12)).eval()
    compiled = compile_network(with_subpixel_convolutions(network), inputs=2, edge=8, precision="float32", threads=1)
    for shape in ((1, 2, 8, 8, 8), (2, 2, 12, 8, 16)):
        image = torch.randn(shape)
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(compiled(image.numpy())), network(image), atol=1e-3, rtol=1e-3)


def test_bfloat16_alone_compiles_the_twin(monkeypatch):
    pytest.importorskip("openvino")

    class Rewritten(Exception):
        pass

    def told(network):
        raise Rewritten

    monkeypatch.setattr(module, "with_subpixel_convolutions", told)
    network = nn.Sequential(nn.ConvTranspose3d(2, 2, 2, stride=2)).eval()
    with pytest.raises(Rewritten):
        compile_network(network, inputs=2, edge=4, precision="bfloat16", threads=1)
    compile_network(network, inputs=2, edge=4, precision="float32", threads=1)
