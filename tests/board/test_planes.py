"""Where a pixel is: the radiological convention, and independence of how a scan happens to be stored."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.board.planes import VIEWS, plane_through, sample
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

LOW, HIGH = np.array([-50.0, -40.0, -30.0]), np.array([50.0, 40.0, 30.0])


def test_the_patients_right_front_and_head_are_where_radiologists_expect_them() -> None:
    right_front_head = (40.0, 30.0, 20.0)  # RAS: +x right, +y anterior, +z superior
    where = {
        view: plane_through(view, (0, 0, 0), low_mm=LOW, high_mm=HIGH).to_picture(right_front_head) for view in VIEWS
    }
    assert where["axial"].tolist() == [10, 10]  # left edge, top edge
    assert where["coronal"].tolist() == [10, 10]
    assert where["sagittal"].tolist() == [10, 10]
    marks = {view: plane_through(view, (0, 0, 0), low_mm=LOW, high_mm=HIGH).marks for view in VIEWS}
    assert marks == {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


@pytest.mark.parametrize("view", VIEWS)
def test_a_plane_has_square_pixels_and_its_points_lie_on_it(view: str) -> None:
    plane = plane_through(view, (1.0, 2.0, 3.0), low_mm=LOW, high_mm=HIGH, pixels=100)
    points = plane.points_mm()
    assert points.shape == (*plane.shape, 3)
    assert plane.size_mm[0] / plane.shape[1] == pytest.approx(plane.size_mm[1] / plane.shape[0])
    third = {"axial": 2, "coronal": 1, "sagittal": 0}[view]
    assert np.all(points[..., third] == (1.0, 2.0, 3.0)[third])
    columns, rows = plane.to_picture(points[5, 7]) / plane.size_mm * (plane.shape[1], plane.shape[0])
    assert (columns, rows) == pytest.approx((7.5, 5.5))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SRP", "AIL"])
def test_the_same_scan_stored_otherwise_gives_the_same_picture(orientation: str) -> None:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-20, -30, -40)
    scan = Volume(np.random.default_rng(0).normal(size=(21, 22, 23)), affine, Unit.HU)
    for view in VIEWS:
        plane = plane_through(view, (1, 2, 3), low_mm=(-15, -25, -35), high_mm=(15, 25, 35), pixels=40)
        expected = sample(scan, plane.points_mm())
        assert np.allclose(sample(scan.reorient(orientation), plane.points_mm()), expected, atol=1e-5)


def test_sampling_a_linear_function_on_an_oblique_grid_is_exact_inside_and_nan_outside() -> None:
    angle = 0.3
    affine = np.eye(4)
    affine[:2, :2] = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine[:3, 3] = (-30, -30, -15)
    shape = (40, 40, 31)
    blank = Volume(np.zeros(shape, np.float32), affine, Unit.HU)
    world = blank.geometry.to_world(np.moveaxis(np.indices(shape), 0, -1))
    scan = blank.with_array((2 * world[..., 0] - world[..., 1] + 3 * world[..., 2]).astype(np.float32))
    points = np.array([[3.3, 14.1, 2.2], [-5.7, 10.0, -9.9], [500.0, 0, 0]])
    values = sample(scan, points)
    assert values[:2] == pytest.approx([2 * 3.3 - 14.1 + 6.6, -11.4 - 10.0 - 29.7], abs=1e-3)
    assert np.isnan(values[2])
