"""Axes of lesions: closed forms (rectangles, triangles, ellipses), and that the grid does not matter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tumorboard.metrics.recist import contour_axes, mask_axes, slice_axes


def ellipse(long_mm, short_mm, *, angle, offset, spacing):
    """Pixels (i, j) whose centre lies in an ellipse about (offset) pixels from the middle of the array."""
    size = [int(np.ceil(long_mm / s)) + 6 for s in spacing]
    x, y = (np.arange(n) - n // 2 + o for n, o in zip(size, offset, strict=True))
    x, y = np.meshgrid(x * spacing[0], y * spacing[1], indexing="ij")
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (2 * u / long_mm) ** 2 + (2 * v / short_mm) ** 2 <= 1


SIZES = [(10, 6), (14, 14), (20, 8), (33, 20), (60, 25)]
SPACINGS = [(0.5, 0.5), (0.78, 0.78), (0.5, 0.8), (0.78, 0.6)]
ANGLES = [0.0, 0.3, np.pi / 4, 1.1, 2.5]
OFFSETS = [(0.0, 0.0), (0.5, 0.25)]


def errors_mm(size, spacings):
    found = []
    for spacing, angle, offset in itertools.product(spacings, ANGLES, OFFSETS):
        axes = slice_axes(ellipse(*size, angle=angle, offset=offset, spacing=spacing), spacing)
        found.append((axes.long_mm - size[0], axes.short_mm - size[1]))
    return np.array(found)


@pytest.mark.parametrize("size", SIZES)
def test_axes_of_ellipses_are_within_half_a_millimetre(size) -> None:
    errors = errors_mm(size, SPACINGS)
    assert np.abs(errors).max() < 0.5
    assert np.abs(errors.mean(axis=0)).max() < 0.12  # nor always too long, as between pixel edges


def test_coarse_pixels_err_by_less_than_a_pixel() -> None:
    """An ellipse that lies exactly along coarse pixels hides up to half of one at each end from any method."""
    errors = np.concatenate([errors_mm(size, [(0.8, 0.8), (0.98, 0.98), (0.6, 0.98)]) for size in SIZES[::2]])
    assert np.mean(np.abs(errors) < 0.5) > 0.96
    assert np.abs(errors).max() < 0.9 * 0.98


def test_axes_lie_where_the_ellipse_lies() -> None:
    found = slice_axes(ellipse(40, 16, angle=0.6, offset=(0.2, 0.4), spacing=(0.7, 0.7)), (0.7, 0.7))
    along = np.subtract(*found.long_ends_mm)
    across = np.subtract(*found.short_ends_mm)
    assert abs(along @ [-np.sin(0.6), np.cos(0.6)]) / np.linalg.norm(along) < np.sin(np.radians(3))
    assert along @ across == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(across) == pytest.approx(found.short_mm)
    assert found.long_ends_mm.mean(axis=0) == pytest.approx(found.short_ends_mm.mean(axis=0), abs=1.0)


def test_outlines_of_closed_form() -> None:
    """A rectangle's diagonal and the chord across it, and the height of a right triangle on its longest side."""
    rectangle = contour_axes([(0, 0), (40, 0), (40, 30), (0, 30)])
    assert (rectangle.long_mm, rectangle.short_mm) == pytest.approx((50, 37.5))  # 30 / sin(atan(4/3))
    triangle = contour_axes([(0, 0), (6, 0), (0, 8)])
    assert (triangle.long_mm, triangle.short_mm) == pytest.approx((10, 4.8))
    assert triangle.points_mm()[:4] == pytest.approx([0, 8, 6, 0])


def test_the_short_axis_stays_inside_the_lesion() -> None:
    """A horseshoe: 60 wide, arms 10 broad and 40 high, bridge 10 high. Across the opening lies no lesion."""
    horseshoe = [(0, 0), (60, 0), (60, 40), (50, 40), (50, 10), (10, 10), (10, 40), (0, 40)]
    found = contour_axes(horseshoe)
    assert found.long_mm == pytest.approx(np.hypot(60, 40))
    ends = found.short_ends_mm
    middle = ends.mean(axis=0)
    assert not (10 < middle[0] < 50 and middle[1] > 10)
    assert found.short_mm == pytest.approx(10 * np.hypot(60, 40) / 40, rel=1e-6)  # the slanted chord of an arm


@pytest.mark.parametrize("outline", [[(0, 0), (1, 1)], [(0, 0), (0, 0), (1, 0)], [(0, 0), (1, np.nan), (2, 0)], [1, 2]])
def test_no_outline_no_axes(outline) -> None:
    with pytest.raises(ValueError, match="outline"):
        contour_axes(outline)


def test_one_pixel_measures_its_edges() -> None:
    """Trap: pixel-centre methods fail here. Nothing is smoothed; the long side is the long axis."""
    found = slice_axes([[True]], (0.7, 1.5))
    assert (found.long_mm, found.short_mm) == pytest.approx((1.5, 0.7))
    volume = mask_axes(np.ones((1, 1, 1), bool), np.diag([0.7, 0.7, 5, 1]))
    assert volume.long_mm == pytest.approx(0.7)
    assert mask_axes(np.zeros((3, 3, 3), bool), np.eye(4)) is None
    assert slice_axes(np.zeros((3, 3), bool), (1, 1)) is None


def test_a_line_of_pixels_keeps_its_length() -> None:
    line = np.zeros((40, 5), bool)
    line[5:35, 2] = True
    found = slice_axes(line, (1, 1))
    assert found.long_mm == pytest.approx(30, abs=1.0)
    assert 0.5 < found.short_mm < 1.5
    stairs = slice_axes(np.eye(12, dtype=bool), (1, 1))  # pixels that touch at corners are one lesion
    assert stairs.long_mm == pytest.approx(12 * np.sqrt(2), abs=1.0)


def test_holes_belong_to_the_lesion_and_small_parts_do_not() -> None:
    whole = ellipse(40, 30, angle=0.4, offset=(0, 0), spacing=(1, 1))
    hollow = whole & ~np.pad(ellipse(16, 12, angle=0, offset=(0, 0), spacing=(1, 1)), 12)
    one, two = slice_axes(whole, (1, 1)), slice_axes(hollow, (1, 1))
    assert (two.long_mm, two.short_mm) == pytest.approx((one.long_mm, one.short_mm), abs=0.15)
    with_crumb = np.pad(whole, ((0, 30), (0, 0)))
    with_crumb[-2:, :3] = True
    assert slice_axes(with_crumb, (1, 1)).long_mm == one.long_mm


def solid(shape=(40, 44, 9), semi=(12.0, 7.0, 9.0), spacing=(0.8, 0.8, 3.0)):
    middle = [(n - 1) / 2 for n in shape]
    places = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return (((places - middle) * spacing / semi) ** 2).sum(axis=-1) <= 1


def test_the_slice_with_the_longest_axis_counts_in_any_storage_order() -> None:
    mask, affine = solid(), np.diag([0.8, 0.8, 3.0, 1.0])
    found = mask_axes(mask, affine)
    assert (found.long_mm, found.short_mm) == pytest.approx((24, 14), abs=0.5)
    assert found.slice_index == 4
    assert found.tilt_degrees == 0
    middle_mm = [19.5 * 0.8, 21.5 * 0.8, 12.0]
    assert found.long_ends_mm.mean(axis=0) == pytest.approx(middle_mm, abs=0.5)
    turned = affine[:, [2, 1, 0, 3]].copy()
    turned[:3, 3] = turned[:3, 0] * 8
    turned[:3, 0] *= -1  # slices first, stored from the other end
    other = mask_axes(np.flip(np.moveaxis(mask, 2, 0).swapaxes(1, 2), 0), turned)
    assert (other.long_mm, other.short_mm) == pytest.approx((found.long_mm, found.short_mm), abs=0.1)
    assert other.long_ends_mm.mean(axis=0) == pytest.approx(middle_mm, abs=0.5)


def test_parts_apart_in_a_slice_are_not_joined() -> None:
    """Two blobs of one lesion in one slice: the larger counts there, and a slice where the lesion is one may win."""
    mask = np.zeros((80, 30, 3), bool)
    mask[2:12, 5:15, 0] = mask[60:78, 5:20, 0] = True
    mask[20:44, 8:16, 1] = True
    found = mask_axes(mask, np.diag([1, 1, 5, 1]))
    assert found.slice_index == 1
    assert 20 < found.long_mm < 27


def test_oblique_and_sheared_volumes() -> None:
    """Turned about x by 25 degrees: the plane's own lengths, and the turn is told. A sheared grid keeps its metric."""
    mask = solid()
    turn = np.radians(25)
    rotation = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([0.8, 0.8, 3.0])
    found = mask_axes(mask, affine)
    assert (found.long_mm, found.short_mm) == pytest.approx((24, 14), abs=0.5)
    assert found.tilt_degrees == pytest.approx(25)
    sheared = np.array([[0.8, 0.3], [0.0, 0.7]])
    places = np.stack(np.meshgrid(np.arange(80), np.arange(80), indexing="ij"), axis=-1) @ sheared.T
    disc = np.linalg.norm(places - places.reshape(-1, 2).mean(axis=0), axis=-1) <= 11
    round_one = slice_axes(disc, sheared)
    assert (round_one.long_mm, round_one.short_mm) == pytest.approx((22, 22), abs=0.6)


def test_the_same_lesion_elsewhere_measures_the_same() -> None:
    mask = ellipse(31, 17, angle=1.0, offset=(0.3, 0.1), spacing=(0.9, 0.9))
    one = slice_axes(mask, (0.9, 0.9))
    two = slice_axes(np.pad(mask, ((11, 2), (0, 7))), (0.9, 0.9))
    assert two.long_mm == pytest.approx(one.long_mm)
    assert two.long_ends_mm == pytest.approx(one.long_ends_mm + np.array([9.9, 0.0]))
