"""Turning a chest back: geometry of boxes, and what the drawn template says of virtual and real pictures."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.units import Unit
from tumorboard.io.radiograph import frontal_affine, read_radiograph
from tumorboard.ops.lungs import box_of, split_lungs
from tumorboard.ops.radiograph import Hanging, hanging_of, look_at, resized, trim_borders

HANGINGS = [Hanging(turns, mirrored) for turns in range(4) for mirrored in (False, True)]
TURNED = ("00000061_025", "00002599_004", "00006763_012", "00008168_008", "00008980_003")


@pytest.mark.parametrize("hanging", HANGINGS, ids=lambda h: h.words())
def test_boxes_go_with_the_pixels_both_ways(hanging: Hanging) -> None:
    picture = np.zeros((30, 50))
    picture[5:12, 20:41] = 1
    source = np.array([20.0, 5.0, 41.0, 12.0])
    hung = hanging.apply(picture)
    assert box_of(hung > 0) == tuple(hanging.from_source(source, picture.shape))
    assert tuple(hanging.to_source(hanging.from_source(source, picture.shape), picture.shape)) == tuple(source)
    assert np.array_equal(hanging.undo(hung), picture)


def test_a_negative_keeps_its_range() -> None:
    picture = np.array([[10, 200], [30, 40]], np.uint8)
    assert Hanging(inverted=True).apply(picture).tolist() == [[200, 10], [180, 170]]


@pytest.mark.parametrize("hanging", HANGINGS, ids=lambda h: h.words())
def test_the_affine_says_how_a_picture_is_to_be_hung(hanging: Hanging) -> None:
    """Place of every pixel to the left and down, turned, is the place in a picture that hangs as it should."""
    columns, rows = np.meshgrid(np.arange(4), np.arange(3))
    left, down = (hanging.undo(places) for places in (columns, rows))
    affine = np.zeros((4, 4))
    for axis, (row, column) in enumerate(((0, 1), (1, 0))):  # along columns, then along rows
        affine[0, axis] = -(left[row, column] - left[0, 0])
        affine[2, axis] = -(down[row, column] - down[0, 0])
    found = hanging_of(affine)
    assert found is not None
    assert np.array_equal(found.apply(left), columns)
    assert np.array_equal(found.apply(down), rows)


def test_a_view_from_the_side_has_no_hanging() -> None:
    assert hanging_of(frontal_affine()) == Hanging()
    lateral = np.eye(4)[:, [1, 2, 0, 3]]  # columns run to the front, rows upwards
    assert hanging_of(lateral) is None


@pytest.fixture(scope="module")
def virtual() -> list[np.ndarray]:
    from tumorboard.phantom.chest import render

    return [render(seed, size=160).image for seed in (1, 2, 3)]


def test_virtual_chests_are_recognised_in_every_turn(virtual: list[np.ndarray]) -> None:
    for picture, turns, inverted in itertools.product(virtual, range(4), (False, True)):
        shown = np.rot90(picture, turns)
        shown = 255 - shown if inverted else shown
        look = look_at(shown)
        assert look.best == Hanging(-turns % 4, inverted=inverted)
        assert (look.margin > 0.05) == ((turns, inverted) != (0, False))


def test_a_view_from_the_side_is_told_from_a_frontal_one(virtual: list[np.ndarray]) -> None:
    from tumorboard.phantom.chest import draw_chest_patient, take

    assert not any(look_at(picture).is_lateral for picture in virtual)
    for index in (20, 21):
        patient = draw_chest_patient(5, index, exams=1)
        assert look_at(take(patient, 0, size=128, lateral=True).image).is_lateral


def test_noise_is_no_chest() -> None:
    noise = np.random.default_rng(0).normal(100, 20, (256, 256))
    assert look_at(noise).score < 0.45
    assert look_at(np.full((64, 64), 7)).detail == 0


def test_uniform_borders_are_trimmed() -> None:
    picture = np.zeros((100, 120))
    picture[10:90, 15:110] = np.random.default_rng(0).normal(100, 20, (80, 95))
    assert trim_borders(picture) == (slice(10, 90), slice(15, 110))


def test_resizing_keeps_the_mean_of_areas() -> None:
    picture = np.arange(64.0).reshape(8, 8)
    assert np.allclose(resized(picture, (1, 1), box=(2, 2, 6, 6)), picture[2:6, 2:6].mean(), rtol=0.02)


def test_lungs_are_split_where_they_touch() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:35, 5:25] = mask[5:35, 32:55] = True
    right, left = split_lungs(mask)
    assert (box_of(right), box_of(left)) == ((5, 5, 25, 35), (32, 5, 55, 35))
    mask[18:20, 25:32] = True  # joined by a bridge
    right, left = split_lungs(mask)
    assert not (right & left).any()
    assert ((right | left) == mask).all()
    assert abs(box_of(right)[2] - 28) <= 4  # type: ignore[index]


def test_real_pictures_that_are_turned_are_found_and_no_others(real_data: Path) -> None:
    found = {}
    for path in sorted((real_data / "cxr/nih/images").glob("*.png")):
        look = look_at(read_radiograph(path, unit=Unit.GREY8).array[:, :, 0].T)
        found[path.stem] = look.margin >= 0.05
        assert not look.is_lateral, path.stem
    assert {name for name, turned in found.items() if turned} == set(TURNED) & set(found)
