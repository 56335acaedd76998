"""Patches: the same from the same generator, true copies where nothing is turned, and blind to the border."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.losses import dice_and_cross_entropy
from tumorboard.tasks.segmentation.sampling import PatchSampler, _random_matrix


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


def test_healthy_uptake_is_visited_by_its_activity():
    """A brain of an eighth of the voxels with eight times the SUV of the rest has 8 of 15 parts of the activity, and
    so many of the patches that are not placed on a lesion; what is drawn as a lesion has none of them."""
    values = np.zeros((3, 32, 32, 32), np.float32)
    values[1] = np.log1p(1.0)
    values[1, :16, :16, :16] = np.log1p(8.0)
    values[1, 24:, 24:, 24:] = np.log1p(80.0)
    values[2, 24:, 24:, 24:] = 1
    rest = 32**3 - 16**3 - 8**3
    settings = {"patch_voxels": 8, "channels": (4, 8), "window_voxels": 32, "random_cut_mm": 0.0, "foreground": 0.0}

    def sampler_of(array: np.ndarray, physiological: float) -> PatchSampler:
        config = SegmentationConfig(**settings, physiological=physiological)
        return PatchSampler([array], config, spacing_mm=4.0)

    def in_brain(sampler: PatchSampler) -> float:
        random, shape = np.random.default_rng(0), np.array([32, 32, 32])
        centres = np.stack(
            [sampler._centre(sampler._places_of(0), None, (shape * 0, shape), random) for _ in range(4000)]
        )
        return float((centres < 15.5).all(axis=1).mean())

    by_uptake, anywhere = sampler_of(values, 1.0), sampler_of(values, 0.0)
    # Jitter of 2 voxels and the border move some of the places over the brain's faces.
    assert in_brain(by_uptake) == pytest.approx(8 * 16**3 / (8 * 16**3 + rest), abs=0.08)
    assert in_brain(anywhere) == pytest.approx(1 / 8, abs=0.05)
    places = by_uptake._places[0].active
    assert len(places) and not values[(2, *places.T)].any()
    without_pet = values.copy()
    without_pet[1] = 0
    assert in_brain(sampler_of(without_pet, 1.0)) == pytest.approx(in_brain(anywhere), abs=0.03)


def test_a_rare_structure_is_visited_as_often_as_a_common_one():
    """Nine cases have a tumour, one of them a node as well: half of the patches on lesions are placed on its node."""
    values = np.zeros((4, 24, 24, 24), np.float32)
    values[1] = 1
    values[2, 2:6, 2:6, 2:6] = 1
    with_node = values.copy()
    with_node[3, 16:20, 16:20, 16:20] = 1
    arrays = [*[values.copy() for _ in range(8)], with_node]
    config = SegmentationConfig(patch_voxels=8, channels=(4, 8), window_voxels=32, foreground=1.0)
    sampler, random = PatchSampler(arrays, config, spacing_mm=4.0), np.random.default_rng(0)
    subjects = [sampler._subject(int(random.integers(9)), random) for _ in range(2000)]
    assert np.mean([structure == 1 for _, structure in subjects]) == pytest.approx(0.5, abs=0.04)
    assert {case for case, structure in subjects if structure == 1} == {8}
    assert {case for case, structure in subjects if structure == 0} == set(range(9))
    without = PatchSampler(arrays[:8], config, spacing_mm=4.0)
    assert {structure for _, structure in (without._subject(0, random) for _ in range(50))} == {0, None}


@pytest.mark.parametrize(("structures", "flipped"), [(1, {0, 1, 2}), (2, {0})])
def test_structures_told_apart_by_place_are_mirrored_left_and_right_alone(structures, flipped):
    config = SegmentationConfig(patch_voxels=8, channels=(4, 8), window_voxels=32)
    random = np.random.default_rng(0)
    signs = [np.sign(np.diag(_random_matrix(random, config.mirrored_axes(structures)))) for _ in range(60)]
    assert set(np.flatnonzero((np.stack(signs) < 0).any(axis=0)).tolist()) == flipped
