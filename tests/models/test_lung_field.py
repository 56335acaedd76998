"""The network for chest X-rays: shapes, and corners as expectations of places."""

from __future__ import annotations

import pytest
import torch

from tumorboard.models.lung_field import HALVINGS, REACH, build_lung_field


def test_three_answers_of_the_stated_shapes() -> None:
    network = build_lung_field(boxes=5, channels=(4, 6, 8, 8))
    edge = 2**HALVINGS * 3
    lungs, corners, side = network(torch.zeros(2, 1, edge, edge))
    assert lungs.shape == (2, 3, edge, edge)
    assert corners.shape == (2, 5, 4)
    assert side.shape == (2,)


def test_a_flat_map_points_to_the_middle_and_a_peak_to_its_pixel() -> None:
    network = build_lung_field(boxes=1, channels=(4, 6, 8, 8))
    maps = torch.zeros(1, 2, 8, 8)
    maps[0, 1, 2, 7] = 50.0  # row 2, column 7: the lower right corner's map
    corners = network._expected(maps)[0, 0]  # type: ignore[operator]
    stretch = 1 + 2 * REACH
    assert corners[:2].tolist() == pytest.approx([0.5, 0.5])
    assert corners[2:].tolist() == pytest.approx([7.5 / 8 * stretch - REACH, 2.5 / 8 * stretch - REACH])
    assert corners[2] > 1  # places outside the picture can be said
