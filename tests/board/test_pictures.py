"""Windows, fusion, projections and outlines against values worked out by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tumorboard.board import pictures
from tumorboard.board.planes import plane_through, sample
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

NAN = np.float32(np.nan)


def test_the_soft_tissue_window_is_linear_and_dark_outside_the_scan() -> None:
    rgb = pictures.ct_picture(np.array([[-1000, -160, 40, 240, 3000, NAN]], np.float32))
    assert rgb[0, :5, 0].tolist() == [0, 0, 128, 255, 255]
    assert rgb[0, 5].tolist() == [18, 20, 24]


def test_pet_is_dark_on_white() -> None:
    rgb = pictures.pet_picture(np.array([[0, 5, 10, 99]], np.float32), top_suv=10.0)
    assert rgb[0, :, 0].tolist() == [255, 128, 0, 0]


def test_without_uptake_the_fused_picture_is_the_ct_and_with_much_it_is_coloured() -> None:
    hu = np.array([[40, 40, 40]], np.float32)
    fused = pictures.fused_picture(hu, np.array([[0, NAN, 10]], np.float32), top_suv=10.0)
    assert np.array_equal(fused[0, :2], pictures.ct_picture(hu)[0, :2])
    assert fused[0, 2].tolist() == [236, 236, 236]  # 0.85 of white over 0.15 of 128


@pytest.mark.parametrize(("suv_max", "top"), [(None, 10), (2, 5), (5, 5), (5.1, 10), (15, 10), (40, 20)])
def test_the_colour_bar_has_one_of_three_ends(suv_max: float | None, top: float) -> None:
    assert pictures.suv_top(suv_max) == top


def test_a_projection_finds_the_maximum_along_the_line_of_sight() -> None:
    affine = np.diag([-2.0, -3.0, 4.0, 1.0])
    scan = Volume(np.zeros((10, 11, 12), np.float32), affine, Unit.SUVBW)
    scan.array[2, 7, 5] = 9.0  # at x = -4, y = -21, z = 20 mm
    low, high = scan.geometry.bounds_mm()
    for view in ("coronal", "sagittal", "axial"):
        plane = plane_through(view, (low + high) / 2, low_mm=low, high_mm=high, pixels=200)
        seen = sample(pictures.flattened(scan, view), plane.points_mm())
        assert not np.isnan(seen).any()
        row, column = np.unravel_index(int(np.argmax(seen)), seen.shape)
        expected = plane.to_picture((-4.0, -21.0, 20.0))
        pixel = plane.size_mm[0] / plane.shape[1]
        assert seen.max() == pytest.approx(9.0, rel=0.05)
        assert (column + 0.5) * pixel == pytest.approx(expected[0], abs=1.0)
        assert (row + 0.5) * pixel == pytest.approx(expected[1], abs=1.0)


def area_mm2(path: str) -> float:
    """Area inside an SVG path of closed polygons (shoelace)."""
    total = 0.0
    for part in path.strip("Z").split("ZM"):
        points = np.array([[float(n) for n in pair.split()] for pair in re.split("[ML]", part.lstrip("M"))])
        x, y = points[:, 0], points[:, 1]
        total += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    return total


def test_the_outline_encloses_the_cross_section() -> None:
    mask = Volume(np.zeros((80, 80, 40), np.uint8), np.diag([1.0, 1.0, 2.0, 1.0]), Unit.LABEL)
    x, y, z = np.indices(mask.shape)
    mask.array[(x - 40) ** 2 + (y - 40) ** 2 + (2 * z - 40) ** 2 <= 20**2] = 2
    plane = plane_through("axial", (0, 0, 40), low_mm=(10, 10, 0), high_mm=(70, 70, 80), pixels=240)
    region = pictures.region_of(mask, 2)
    assert region is not None
    path = pictures.outline(pictures.region_on(region, plane), plane)
    assert area_mm2(path) == pytest.approx(np.pi * 20**2, rel=0.02)
    assert pictures.region_of(mask, 1) is None
    elsewhere = plane_through("axial", (0, 0, 500), low_mm=(10, 10, 0), high_mm=(70, 70, 80))
    assert pictures.outline(pictures.region_on(region, elsewhere), elsewhere) == ""


def test_an_oblique_scan_is_projected_in_world_space() -> None:
    angle = np.radians(30)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    scan = Volume(np.zeros((60, 60, 20), np.float32), affine, Unit.SUVBW)
    scan.array[20:23, 10:13, 8:11] = 5.0
    x, y, z = scan.geometry.to_world((21, 11, 9))
    flat = pictures.flattened(scan, "coronal")
    value = sample(flat, np.array([[x, 999.0, z]]))
    assert value[0] == pytest.approx(5.0, abs=0.1)
    assert sample(flat, np.array([[x + 10, y, z]]))[0] == pytest.approx(0.0, abs=0.1)
