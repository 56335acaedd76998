"""Places by relative locations: what a lesion marked in the exam tells about its neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.tasks.tracking.bodyframe import BODY_MM, Anchors, Place, place_in_exam

NONE = Anchors(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.str_), np.zeros(0, np.str_))


def test_without_anchors_the_usual_place() -> None:
    place = place_in_exam(NONE, [0.5, 0.5, 0.5], exam="a", series="a1")
    assert place.mean_mm == pytest.approx((0.5 * 355 - 174, 0.5 * 290 - 146, 0.5 * 1125 - 403))
    assert place.sd_mm[2] > 80  # where a scan begins is not known
    assert place.sd_mm[0] < 16


def test_a_lesion_marked_in_the_series_moves_the_whole_frame() -> None:
    """An anchor 40 mm lower than usual: a neighbour is expected 40 mm lower too, and surer; in another patient's exam
    (no anchor) nothing changes."""
    usual = place_in_exam(NONE, [0.5, 0.5, 0.5], exam="a", series="a1")
    moved = Anchors(
        np.array([[0.5, 0.5, 0.5]]),
        np.array([usual.mean_mm]) + np.array([0, 0, 40.0]),
        np.array(["a"]),
        np.array(["a1"]),
    )
    near = place_in_exam(moved, [0.5, 0.5, 0.51], exam="a", series="a1")
    assert near.mean_mm[2] - usual.mean_mm[2] == pytest.approx(40 + 0.01 * BODY_MM[2], abs=1.5)
    assert near.sd_mm[2] < 15
    other = place_in_exam(moved, [0.5, 0.5, 0.51], exam="b", series="b1")
    assert other.sd_mm[2] > 60


def test_within_is_the_mean_of_a_cut_normal() -> None:
    """A standard normal cut at 0 has the mean sqrt(2 / pi); the mean stays between the ends however far off."""
    place = Place((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert place.within(2, 0, 50) == pytest.approx(np.sqrt(2 / np.pi))
    assert place.within(2, 200, 210) == pytest.approx(200, abs=0.1)
    assert place.within(2, 3, 3) == 3
