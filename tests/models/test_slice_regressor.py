from __future__ import annotations

import pytest
import torch

from tumorboard.engine.loop import seeded
from tumorboard.models.slice_regressor import REGRESSORS, build_slice_regressor


@pytest.mark.parametrize("name", REGRESSORS)
def test_one_number_per_slice(name: str) -> None:
    with seeded(0):
        network = build_slice_regressor(name, inputs=1).eval()
    with seeded(0):
        again = build_slice_regressor(name, inputs=1).eval()
    slices = torch.rand(3, 1, 32, 40)
    with torch.no_grad():
        scores = network(slices)
        assert scores.shape == (3,) and torch.equal(scores, again(slices))
        assert torch.allclose(scores[1:2], network(slices[1:2]), atol=1e-5)  # a slice's score is its own


def test_vgg16_has_the_published_weights() -> None:
    """14,714,688 weights in the thirteen convolutions with three input channels (Keras Applications, VGG16 without
    top); here one channel, then 512 x 512 and 512 x 1 weights with their constants."""
    count = sum(p.numel() for p in build_slice_regressor("vgg16", inputs=1).parameters())
    assert count == 14_714_688 - 2 * 64 * 9 + 512 * 513 + 513
