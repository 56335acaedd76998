"""Patches are copies where nothing is turned, exact under mirrors, and elsewhere what PyTorch's sampler gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import grid_sample

from tumorboard.ops.patches import turned_patch


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1, (3, 30, 24, 20)).astype(np.float32)


def whole(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(3, int), np.array(array.shape[1:])


def by_torch(array: np.ndarray, matrix: np.ndarray, centre: np.ndarray, size: int) -> np.ndarray:
    """The same points, one by one, for `grid_sample` with zeros outside."""
    steps = np.stack(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 3, indexing="ij"), axis=-1)
    places = steps @ matrix.T + centre
    grid = places / ((np.array(array.shape[1:]) - 1) / 2) - 1
    asked = torch.from_numpy(grid[None, ..., ::-1].astype(np.float32).copy())
    return grid_sample(torch.from_numpy(array)[None], asked, padding_mode="zeros", align_corners=True)[0].numpy()


def test_without_turning_a_patch_is_a_piece_of_the_image(array):
    patch = turned_patch(array, whole(array), np.eye(3), np.array([12.5, 10.5, 9.5]), 8)
    np.testing.assert_array_equal(patch, array[:, 9:17, 7:15, 6:14])


def test_mirrors_and_quarter_turns_are_exact(array):
    box, centre = whole(array), np.array([12.5, 10.5, 9.5])
    plain = turned_patch(array, box, np.eye(3), centre, 8)
    np.testing.assert_array_equal(turned_patch(array, box, np.diag([-1.0, 1, 1]), centre, 8), plain[:, ::-1])
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # output axis 0 runs along input axis 1
    turned = turned_patch(array, box, quarter, centre, 8)
    np.testing.assert_array_equal(turned, plain.transpose(0, 2, 1, 3)[:, :, ::-1])


@pytest.mark.parametrize("centre", [(15, 12, 10), (1, 2, 3), (29.6, 23, 19.2), (-3, 12, 25)], ids=str)
def test_turned_patches_are_what_pytorch_samples(array, centre):
    random = np.random.default_rng(1)
    matrix = np.linalg.qr(random.normal(size=(3, 3)))[0] * [1.2, -0.7, 0.9]
    expected = by_torch(array, matrix, np.array(centre), 12)
    found = turned_patch(array, whole(array), matrix, np.array(centre), 12)
    assert (expected == 0).any() or centre == (15, 12, 10)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_what_lies_outside_of_the_box_is_not_seen(array):
    box = np.array([5, 4, 3]), np.array([20, 18, 15])
    cut = np.zeros_like(array)
    cut[:, 5:20, 4:18, 3:15] = array[:, 5:20, 4:18, 3:15]
    matrix = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    patch = turned_patch(array, box, matrix, np.array([12.0, 10, 8]), 24)
    np.testing.assert_allclose(patch, by_torch(cut, matrix, np.array([12.0, 10, 8]), 24), atol=2e-5)


def test_only_the_part_in_reach_is_read(tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (2, 40, 40, 40))
    array[:, 20, 20, 20] = 1
    patch = turned_patch(np.load(tmp_path / "x.npy", mmap_mode="r"), whole(array), np.eye(3), np.full(3, 20.0), 5)
    assert patch.shape == (2, 5, 5, 5) and patch.sum() == 2 and (patch[:, 2, 2, 2] == 1).all()
