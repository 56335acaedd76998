"""Baselines against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.segmentation.baselines import (
    INSETS_MM,
    THRESHOLDS,
    ellipsoid,
    ellipsoid_dice,
    fit_inset,
    threshold_labels,
)


def suv(values):
    return Volume(np.array(values, np.float32).reshape(1, 1, -1), np.eye(4), Unit.SUVBW)


@pytest.mark.parametrize(
    "name, expected",
    [("SUV>2.5", [0, 0, 1, 1, 1]), ("SUV>4", [0, 0, 0, 0, 1]), ("SUV>41% of max", [0, 0, 0, 0, 1])],
)
def test_thresholds_are_strict(name, expected):
    # 41 % of 10 is 4.1
    labels = threshold_labels(suv([1, 2.5, 2.6, 4, 10]), name, structures=1)
    assert labels.array.ravel().tolist() == expected and labels.unit == Unit.LABEL


def test_with_two_structures_the_largest_piece_is_the_first():
    uptake = np.zeros((4, 4, 6), np.float32)
    uptake[1, 1] = [9, 0, 9, 9, 0, 9]
    labels = threshold_labels(Volume(uptake, np.eye(4), Unit.SUVBW), "SUV>2.5", structures=2)
    assert labels.array[1, 1].tolist() == [2, 0, 1, 1, 0, 2] and labels.array.sum() == 6


def test_thresholds_need_suv():
    for name in THRESHOLDS:
        with pytest.raises(TumorboardError, match="UNT101"):
            threshold_labels(Volume(np.ones((2, 2, 2)), np.eye(4), Unit.BQML), name, structures=1)


def test_the_ellipsoid_has_the_volume_of_its_axes_and_sits_in_the_middle():
    grid = Geometry.from_lps((100, 80, 40), spacing_mm=(1, 1, 2), origin_mm=(0, 0, 0))
    shape = ellipsoid(grid, 10.0).array
    semi_mm = np.array([40.0, 30.0, 30.0])  # half of 100, 80, 80 mm, less 10
    assert shape.sum() * 2 == pytest.approx(4 / 3 * np.pi * semi_mm.prod(), rel=0.01)
    np.testing.assert_allclose(np.argwhere(shape).mean(axis=0), [49.5, 39.5, 19.5])
    assert ellipsoid(grid, 1000.0).array.any()


def test_the_inset_is_found_again():
    grid = Geometry.from_lps((60, 60, 60), spacing_mm=(2, 2, 2), origin_mm=(0, 0, 0))
    dice = [ellipsoid_dice(ellipsoid(grid, inset)) for inset in (27.5, 27.5, 30.0)]
    assert dice[0][INSETS_MM.index(27.5)] == 1.0
    assert fit_inset(dice) == 27.5
