"""Truth of virtual CT lesions against closed forms: volumes, axes, the inverse of a pose, landmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tumorboard.core.geometry import Geometry
from tumorboard.phantom import kernels
from tumorboard.phantom.build import Build
from tumorboard.phantom.ct_places import body_part_z, relative_location
from tumorboard.phantom.ct_scanner import Series, place_in
from tumorboard.phantom.ct_truth import _top, landmarks, measure
from tumorboard.phantom.noise import noise_tile
from tumorboard.phantom.render import Pose
from tumorboard.phantom.scanner import CENTRES
from tumorboard.phantom.solids import Solid, ball, blob, rotation

STILL = Pose((0.0, 0.0, 0.0), 1750.0, np.zeros((3, 5)))
BUILD = Build("female", 60.0, 1650.0, 68.0, 5)


def series(*, interval: float = 5.0, first_z: float = -560.0) -> Series:
    grid = Geometry.from_lps((200, 200, 24), spacing_mm=(2, 2, interval), origin_mm=(-199, -199, first_z))
    return Series(1, grid, CENTRES["VA"])


def moving() -> Pose:
    warp = np.column_stack([[5.0, 6.0, 7.0], [1 / 40, 1 / 45, 1 / 50], np.full((3, 3), 11.3)])
    return Pose((4.0, -9.0, 120.0), 1640.0, warp, turn=6.0, tilt=-4.0, yaw=3.0, breath_mm=12.0)


@pytest.mark.parametrize("radius", [3.0, 9.0, 30.0])
def test_a_ball_measures_as_a_ball(radius: float) -> None:
    found = measure(Solid(blob(ball((10, -20, -500), radius)), "x"), series(), STILL)
    assert found is not None
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    assert found.long_mm == pytest.approx(2 * radius, abs=0.05 + 0.004 * radius)
    assert found.short_mm == pytest.approx(2 * radius, abs=0.1 + 0.008 * radius)
    assert found.key_slice == 12 and np.allclose(found.points_mm[:, 2], -500)
    assert np.allclose(found.box_mm, [np.array([10, -20, -500]) + s * radius for s in (-1, 1)], atol=0.06 * radius)


def test_axes_are_taken_in_the_slices() -> None:
    """A slice 2.5 mm off the middle of a 9 mm ball shows a circle of sqrt(9² - 2.5²)."""
    found = measure(Solid(blob(ball((0, 0, -502.5), 9.0)), "x"), series(), STILL)
    assert found is not None and found.long_mm == pytest.approx(2 * np.sqrt(81 - 6.25), abs=0.1)


def test_a_turned_ellipsoid_has_its_own_axes() -> None:
    shape = blob(ball((0, 0, -500), (20, 8, 12), turned=rotation(about_z=33)))
    found = measure(Solid(shape, "x"), series(), STILL)
    assert found is not None
    assert (found.long_mm, found.short_mm) == (pytest.approx(40, abs=0.2), pytest.approx(16, abs=0.2))
    along = found.points_mm[1] - found.points_mm[0]
    angle = np.degrees(np.arctan2(along[1], along[0])) % 180
    assert angle == pytest.approx(33, abs=1.0)
    across = found.points_mm[3] - found.points_mm[2]
    assert abs(along @ across) < 0.02 * np.linalg.norm(along) * np.linalg.norm(across)


def test_size_follows_stature() -> None:
    """The standard body is 1,750 mm tall: in a patient of 1,400 mm everything is 0.8 times as long."""
    small = measure(Solid(blob(ball((0, 0, -500), 10.0)), "x"), series(first_z=-460), replace(STILL, height_mm=1400.0))
    assert small is not None and small.long_mm == pytest.approx(16.0, abs=0.15)


def test_the_field_cuts_and_loses() -> None:
    low = measure(Solid(blob(ball((0, 0, -562), 9.0)), "x"), series(), STILL)
    assert low is not None and low.cut
    assert measure(Solid(blob(ball((0, 0, -620), 9.0)), "x"), series(), STILL) is None


def test_place_in_is_the_inverse_of_the_pose() -> None:
    pose = moving()
    points = np.random.default_rng(0).uniform((-150, -90, -900), (150, 120, -180), (20, 3))
    world = place_in(pose, points)
    for wanted, here in zip(points, world, strict=True):
        grid = Geometry.from_lps((1, 1, 1), spacing_mm=(1, 1, 1), origin_mm=here)
        one = np.ones(3, np.int64)
        there = kernels.body_places(pose.matrix(grid), one, one, noise_tile(), pose.warp, pose.bends())
        assert np.ravel(there) == pytest.approx(wanted, abs=0.01)


def test_the_top_of_a_superquadric_is_its_highest_point() -> None:
    part = ball((5, 6, 7), (6, 56, 62), exponent=2.5, turned=rotation(about_y=-24, about_z=30))
    rng = np.random.default_rng(1)
    local = rng.normal(size=(200_000, 3))
    local /= (np.abs(local) ** 2.5).sum(axis=1, keepdims=True) ** 0.4  # on the unit superquadric
    points = (local * part[3:6]) @ part[6:15].reshape(3, 3) + part[:3]
    highest = points[points[:, 2].argmax()]
    assert _top(part)[2] == pytest.approx(highest[2], abs=0.3)
    assert _top(part)[2] >= highest[2] - 1e-9
    assert np.linalg.norm(_top(part) - highest) < 6


def test_landmarks_go_down_the_body() -> None:
    heights = [place[2] for place in landmarks(BUILD, moving()).values()]
    assert np.all(np.diff(heights) < -40)


def test_relative_locations() -> None:
    assert np.all(np.diff([body_part_z(z) for z in (-100, -250, -400, -600, -800, -1000)]) > 0)
    assert body_part_z(-360) == pytest.approx(0.40)  # the carina's value (phantom.md 4.2)
    x, y, z = relative_location(BUILD, np.array([0.0, 9.0, -500.0]))
    assert (x, z) == (pytest.approx(0.5, abs=0.02), pytest.approx(0.55, abs=0.03)) and 0.35 < y < 0.65
    assert relative_location(BUILD, np.array([-70.0, 6.0, -535.0]))[0] < 0.4  # the liver lies on the right: low x
