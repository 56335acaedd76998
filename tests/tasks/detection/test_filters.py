"""Filters of many sizes and the heat of lesions on cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.models.scale_space import lesion_heat
from tumorboard.tasks.detection.filters import FEATURES, _blocks, _doubled, _eigenvalues, cell_edges, filter_bank

SPACING = (2.0, 2.0, 4.0)


def drawn(*, ball: bool) -> np.ndarray:
    """Water of 48 x 44 x 20 voxels in air; in its middle a brighter ball of radius 10 mm, or a rod along z."""
    hu = np.full((60, 56, 20), -1000, np.int16)
    hu[6:54, 6:50] = 0
    place = np.stack(np.meshgrid(*[np.arange(n) for n in hu.shape], indexing="ij"), axis=-1) * np.array(SPACING)
    away = place - np.array([60.0, 56.0, 40.0])
    far = np.linalg.norm(away if ball else away[..., :2], axis=-1)
    hu[far <= 10] = 120
    return hu


def test_eigenvalues_are_those_of_numpy() -> None:
    a, b, c, d, e, f = np.random.default_rng(0).normal(size=(6, 200)).astype(np.float32)
    whole = np.array([[a, d, e], [d, b, f], [e, f, c]]).transpose(2, 0, 1)
    found = np.stack(_eigenvalues([a, b, c], [d, e, f]), axis=1)
    assert np.abs(found - np.linalg.eigvalsh(whole)).max() < 1e-4
    flat = np.zeros(3, np.float32)
    assert np.abs(np.stack(_eigenvalues([flat] * 3, [flat] * 3))).max() < 1e-6


def test_cells_are_means_and_wide_maps_are_linear_between_their_cells() -> None:
    assert cell_edges(SPACING).tolist() == [2, 2, 1] and cell_edges((5.0, 0.7, 1.0)).tolist() == [1, 6, 4]
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    cells = _blocks(values, np.array([2, 2, 1]))
    assert cells.shape == (2, 2, 2)
    assert cells[0, 0, 0] == values[:2, :2, 0].mean() and cells[0, 1, 0] == values[:2, 2, 0].mean()
    line = np.broadcast_to(np.arange(5, dtype=np.float32)[:, None, None] * 2 + 0.5, (5, 2, 2))
    fine = _doubled(np.ascontiguousarray(line), (10, 4, 4))
    assert fine[1:9, 0, 0].tolist() == pytest.approx(list(range(1, 9)))


def test_a_ball_is_curved_along_three_axes_and_a_rod_along_two() -> None:
    curved = {}
    for ball in (True, False):
        bank = filter_bank(drawn(ball=ball), SPACING)
        middle = np.array([[15, 14, 10]])
        values = bank.at(middle)
        assert values.shape == (1, FEATURES) and np.isfinite(values).all()
        first = 3 * 5 + 2 * 5 + 2 * 3 + 3 * 2  # curvature of soft tissue at 8 mm
        curved[ball] = values[0, first : first + 3]
    assert (curved[True] < -0.02).all()
    low, middle, high = curved[False]
    assert low < -0.02 and middle < -0.02 and abs(high) < 0.1 * abs(low)


def test_the_body_alone_has_cells_and_knows_its_midline() -> None:
    bank = filter_bank(drawn(ball=True), SPACING)
    assert bank.body.shape == (30, 28, 20) and bank.body[15, 14].all() and not bank.body[0].any()
    place = bank.at(np.array([[4, 14, 10], [25, 14, 10]]))[:, -5:]
    assert place[0, 0] == pytest.approx(-place[1, 0], abs=0.05) and place[0, 1] == pytest.approx(place[1, 1], abs=0.05)
    assert bank.middles(np.array([[0, 1, 2]])).tolist() == [[0.5, 2.5, 2.0]]


def test_heat_by_hand() -> None:
    away = torch.tensor([[[0.0, 0, 0], [10, 0, 0], [0, 20, 0], [11.5, 0, 0]]])
    heat = lesion_heat(away, torch.tensor([[10.0, 20.0, 5.0]]))
    assert heat[0].tolist() == pytest.approx([1.0, 0.3, 0.3, 0.0], abs=1e-6)
    small = lesion_heat(torch.tensor([[[4.0, 0, 0]]]), torch.tensor([[2.0, 2.0, 2.0]]))
    assert small.tolist() == [[pytest.approx(1.3 - 0.64)]]  # seen as one of 5 mm
