"""What augmentation may and may not do."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.tasks.segmentation import augmentation
from tumorboard.tasks.segmentation.augmentation import drop_modality, misalignment_mm, varied
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.sampling import PatchSampler


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (2, 12, 10, 8)).astype(np.float32)


def test_the_same_generator_varies_the_same_way_and_leaves_the_patch_alone(inputs):
    before = inputs.copy()
    one, two, other = (varied(inputs, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(inputs, before)
    assert one.dtype == np.float32 and one.shape == inputs.shape and not np.array_equal(one, other)


def test_gamma_keeps_nothing_and_the_top(inputs):
    values = np.array([0.0, 0.5, 3.0], np.float32)
    found = augmentation._gamma(values, np.random.default_rng(1), scale=3.0)
    assert found[0] == 0 and found[2] == pytest.approx(3.0) and found[1] != pytest.approx(0.5)


def test_low_resolution_keeps_the_mean_and_loses_detail():
    image = np.random.default_rng(0).uniform(0, 1, (16, 16, 16)).astype(np.float32)
    coarse = [augmentation._low_resolution(image, np.random.default_rng(seed)) for seed in range(5)]
    assert all(found.shape == image.shape and abs(found.mean() - 0.5) < 0.05 for found in coarse)
    assert np.mean([found.std() for found in coarse]) < 0.7 * image.std()


def test_a_share_of_patches_lacks_one_modality(inputs):
    random = np.random.default_rng(0)
    dropped = [drop_modality(inputs, random, share=0.4) for _ in range(400)]
    missing = np.array([[not channel.any() for channel in patch] for patch in dropped])
    assert not missing.all(axis=1).any()  # never both
    assert 0.3 < missing.any(axis=1).mean() < 0.5 and 0.3 < missing[missing.any(axis=1), 0].mean() < 0.7
    assert drop_modality(inputs, random, share=0.0) is inputs


def test_misalignment_moves_pet_alone(monkeypatch):
    """A point source in both: PET is found 2 voxels from CT, the target stays with CT."""
    values = np.zeros((3, 24, 24, 24), np.float32)
    values[:, 11:13, 11:13, 11:13] = 1
    monkeypatch.setattr("tumorboard.tasks.segmentation.sampling.varied", lambda inputs, random: inputs)
    monkeypatch.setattr("tumorboard.tasks.segmentation.sampling._random_matrix", lambda random, axes: np.eye(3))
    monkeypatch.setattr(
        "tumorboard.tasks.segmentation.sampling.misalignment_mm", lambda random, sigma: np.array([8.0, 0, 0])
    )
    config = SegmentationConfig(patch_voxels=16, batch=1, random_cut_mm=0, foreground=0, channels=(4, 8))
    batch = PatchSampler([values], config, spacing_mm=4.0)(np.random.default_rng(0))
    ct, pet, target = (np.argwhere(v > 0.1) for v in (*batch.inputs[0].numpy(), batch.target[0, 0].numpy()))
    for places in (ct, pet, target):
        assert len(places)
    np.testing.assert_allclose(target.mean(0), ct.mean(0), atol=0.1)
    np.testing.assert_allclose(pet.mean(0) - ct.mean(0), (-2, 0, 0), atol=0.1)


def test_half_of_the_patches_are_not_misaligned():
    random = np.random.default_rng(0)
    moved = np.array([misalignment_mm(random, 3.0) for _ in range(1000)])
    still = (moved == 0).all(axis=1)
    assert 0.45 < still.mean() < 0.55 and 2.7 < moved[~still].std() < 3.3
    assert not misalignment_mm(random, 0.0).any()
