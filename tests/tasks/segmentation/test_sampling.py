"""Patches: the same from the same generator, true copies where nothing is turned, and blind to the border."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.losses import dice_and_cross_entropy
from tumorboard.tasks.segmentation.sampling import PatchSampler


@pytest.fixture
def array() -> np.ndarray:
    random = np.random.default_rng(0)
    values = random.uniform(0.1, 1, (3, 30, 24, 20)).astype(np.float32)
    values[2] = 0
    values[2, 10:16, 8:14, 6:12] = 1
    return values


def test_same_generator_same_batch(array):
    config = SegmentationConfig(patch_voxels=16, batch=3, channels=(4, 8), window_voxels=32)
    sampler = PatchSampler([array, array[:, ::-1].copy()], config, spacing_mm=4.0)
    one, two = (sampler(np.random.default_rng(5)) for _ in range(2))
    other = sampler(np.random.default_rng(6))
    assert one.inputs.shape == (3, 2, 16, 16, 16) and one.target.shape == (3, 1, 16, 16, 16)
    assert torch.equal(one.inputs, two.inputs) and torch.equal(one.target, two.target)
    assert not torch.equal(one.inputs, other.inputs)


def test_where_the_scan_ends_says_nothing_about_the_lesion():
    """The lesion stands 5 voxels from the border; after random cuts its distance to the border varies freely."""
    values = np.ones((3, 40, 40, 40), np.float32)
    values[2] = 0
    values[2, 12:28, 12:28, 12:28] = 1
    config = SegmentationConfig(patch_voxels=40, channels=(4, 8), window_voxels=48)
    sampler = PatchSampler([values], config, spacing_mm=4.0)
    random = np.random.default_rng(0)
    boxes = [sampler._random_box(np.array([40, 40, 40]), random) for _ in range(200)]
    margins = np.array([[12 - low, high - 28] for low, high in boxes])
    assert margins.min() <= 1 and margins.max() >= 11
    assert margins.std() > 2.5


def test_the_loss_has_no_reward_for_emptiness():
    shares = torch.zeros(1, 1, 4, 4, 4)
    shares[..., :2] = 1
    right, empty = torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 2, 4, 4, 4)
    right[:, 1] = torch.where(shares[:, 0] > 0, 30.0, -30.0)
    empty[:, 1] = -30.0
    assert float(dice_and_cross_entropy(right, shares)) == pytest.approx(0.0, abs=1e-5)
    # Half of the voxels wrong by 30 nats, and Dice 0.
    assert float(dice_and_cross_entropy(empty, shares)) == pytest.approx(15 + 1, abs=1e-3)
    nothing = torch.zeros_like(shares)
    assert float(dice_and_cross_entropy(empty, nothing)) == pytest.approx(0.0, abs=1e-5)
