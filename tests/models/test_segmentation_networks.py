"""Shapes, seeds, sizes and deep supervision of the segmentation networks."""

from __future__ import annotations

import pytest
import torch

from tumorboard.engine.loop import seeded
from tumorboard.models.segmentation_networks import NETWORKS, build_segmentation_network, halvings

LIGHT = (8, 16, 32)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "swin-unetr"])
def test_logits_have_the_grid_of_the_input(name):
    network = build_segmentation_network(name, inputs=2, outputs=3, channels=LIGHT).eval()
    edge = 2 ** halvings(name, LIGHT)
    with torch.no_grad():
        assert network(torch.rand(1, 2, 3 * edge, 2 * edge, 4 * edge)).shape == (1, 3, 3 * edge, 2 * edge, 4 * edge)


def test_swin_takes_edges_of_thirty_two():
    network = build_segmentation_network("swin-unetr", inputs=2, outputs=3, channels=(12,)).eval()
    assert halvings("swin-unetr", (12,)) == 5
    with torch.no_grad():
        assert network(torch.rand(1, 2, 32, 32, 64)).shape == (1, 3, 32, 32, 64)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "swin-unetr"])
def test_same_seed_same_network(name):
    def weights(seed):
        with seeded(seed):
            return build_segmentation_network(name, inputs=2, outputs=2, channels=LIGHT).state_dict()

    one, two, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_deep_supervision_gives_finest_first_in_training_and_the_finest_alone_otherwise():
    network = build_segmentation_network(
        "residual-encoder", inputs=2, outputs=3, channels=(8, 16, 32, 32), deep_supervision=True
    )
    x = torch.rand(2, 2, 16, 16, 24)
    shapes = [tuple(logits.shape) for logits in network.train()(x)]
    assert shapes == [(2, 3, 16, 16, 24), (2, 3, 8, 8, 12)]
    with torch.no_grad():
        assert network.eval()(x).shape == (2, 3, 16, 16, 24)


def test_every_weight_of_the_residual_encoder_learns():
    network = build_segmentation_network(
        "residual-encoder", inputs=2, outputs=3, channels=(8, 16, 32, 32), deep_supervision=True
    )
    sum(logits.square().mean() for logits in network.train()(torch.rand(1, 2, 16, 16, 16))).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


@pytest.mark.parametrize("outputs", [2, 3])
def test_a_new_unet_believes_that_lesions_are_rare(outputs):
    """1 % per structure where nothing is to be seen (a pointwise head answers 0 features by its bias alone)."""
    from tumorboard.models.headed_unet import believe_rare

    last = torch.nn.Conv3d(4, outputs, 1)
    believe_rare(last)
    probability = last(torch.zeros(1, 4, 2, 2, 2)).softmax(1)
    torch.testing.assert_close(probability[:, 1:], torch.full_like(probability[:, 1:], 0.01))


def test_a_patch_without_lesion_can_be_answered_by_silence():
    """MONAI's own last layer cannot: its normalised logits have the same height in a patch of noise as in a lesion.
    A network taught to answer background everywhere in noise, once, is quiet in other noise."""
    with seeded(0):
        network = build_segmentation_network("headed-unet", inputs=2, outputs=2, channels=(4, 8), residual_units=1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    noise = torch.rand(3, 2, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(noise[:2]), torch.zeros(2, 8, 8, 8, dtype=torch.long)).backward()
        optimizer.step()
    with torch.no_grad():
        assert float(network(noise[2:]).softmax(1)[:, 1].max()) < 0.05
