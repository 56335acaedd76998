"""The network's shape, and that the same seed builds the same network."""

from __future__ import annotations

import pytest
import torch

from tumorboard.engine.loop import seeded
from tumorboard.models.unet import build_unet, halvings


@pytest.mark.parametrize("channels", [(4, 8), (4, 8, 16)])
def test_logits_have_the_grid_of_the_input(channels):
    network = build_unet(inputs=2, outputs=3, channels=channels, residual_units=1)
    edge = 2 ** halvings(channels) * 3
    with torch.no_grad():
        assert network(torch.zeros(1, 2, edge, edge, 2 * edge)).shape == (1, 3, edge, edge, 2 * edge)


def test_same_seed_same_network():
    def weights(seed):
        with seeded(seed):
            return build_unet(inputs=2, outputs=2, channels=(4, 8)).state_dict()

    one, two, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
