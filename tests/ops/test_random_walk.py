"""The random walker against closed forms and its own definition."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.ops.random_walk import random_walk


def test_a_line_between_two_seeds_is_a_straight_slope() -> None:
    """Without prior or contrast the probability is harmonic: linear between the ends (Grady 2006)."""
    prior = np.zeros((11, 1, 1))
    prior[0] = 1.0
    ends = np.zeros(prior.shape, bool)
    ends[[0, -1]] = True
    found = random_walk(
        np.zeros(prior.shape), prior, spacing=(1, 1, 1), contrast=1.0, pull=0.0, fixed=ends, tolerance=1e-9
    )
    assert found[:, 0, 0] == pytest.approx(np.linspace(1, 0, 11), abs=0.01)


def test_an_edge_stops_the_walker() -> None:
    image = np.zeros((20, 20))
    image[:, 13:] = 100.0
    prior = np.zeros(image.shape)
    prior[:, 0] = 1.0
    ends = np.zeros(image.shape, bool)
    ends[:, [0, -1]] = True
    found = random_walk(image, prior, spacing=(1, 1), contrast=20.0, pull=0.0, fixed=ends, tolerance=1e-8)
    assert np.all(found[:, :13] > 0.9) and np.all(found[:, 13:] < 0.1)


def test_one_voxel_alone_keeps_its_prior() -> None:
    assert random_walk(np.zeros((1, 1)), np.full((1, 1), 0.3), spacing=(1, 1), contrast=1.0)[0, 0] == pytest.approx(0.3)


def test_two_voxels_by_hand() -> None:
    """(pull + 1) x - y = pull: x = (1 + pull) / (2 + pull), y = 1 / (2 + pull) for priors 1 and 0 and weight 1."""
    found = random_walk(np.zeros((2, 1)), np.array([[1.0], [0.0]]), spacing=(1, 1), contrast=1.0, pull=0.5)
    assert found[:, 0] == pytest.approx([1.5 / 2.5, 1 / 2.5], abs=1e-3)


def test_far_neighbours_hold_less() -> None:
    prior = np.array([[1.0, 0.0]])
    near, far = (
        random_walk(np.zeros((1, 2)), prior, spacing=(1.0, step), contrast=1.0, pull=0.5, tolerance=1e-9)
        for step in (1.0, 3.0)
    )
    assert far[0, 0] - far[0, 1] > near[0, 0] - near[0, 1]


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="one shape"):
        random_walk(np.zeros((2, 2)), np.zeros((2, 3)), spacing=(1, 1), contrast=1.0)
