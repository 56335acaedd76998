"""Overlap and distance of boxes: by hand, and by counting pixels."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.metrics.boxes import box_iou, centre_distance, patient_means, score_location


def test_overlap_by_hand() -> None:
    assert box_iou([0, 0, 2, 2], [1, 1, 3, 3]) == pytest.approx(1 / 7)
    assert box_iou([0, 0, 2, 2], [0, 0, 2, 2]) == 1
    assert box_iou([0, 0, 2, 2], [2, 0, 4, 2]) == 0  # edges that touch share nothing
    assert box_iou([0, 0, 2, 2], [np.nan] * 4) == 0
    assert box_iou([0, 0, 0, 2], [0, 0, 0, 2]) == 0  # no area


def test_overlap_is_that_of_the_pixels() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        corners = random.integers(0, 12, (2, 2, 2))
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1)
        one, two = (np.zeros((14, 14), bool) for _ in range(2))
        for grid, (x1, y1, x2, y2) in zip((one, two), boxes, strict=True):
            grid[y1:y2, x1:x2] = True
        assert box_iou(*boxes) == pytest.approx((one & two).sum() / (one | two).sum())


def test_centres_by_hand() -> None:
    assert centre_distance([0, 0, 2, 2], [3, 4, 5, 6]) == 5


def test_patients_count_once_and_missing_boxes_count_zero() -> None:
    truth = np.tile([0.0, 0.0, 10.0, 10.0], (4, 1))
    found = truth.copy()
    found[1] = np.nan
    found[3] += [3, 4, 3, 4]
    score = score_location(["a", "a", "b", "c"], truth, found, thorax_px=[50.0] * 4, seed=0)
    shifted = 42 / (200 - 42)
    assert score.iou.value == pytest.approx((0.5 + 1 + shifted) / 3)
    assert score.distance_px.value == pytest.approx((0 + 0 + 5) / 3)
    assert score.distance_share.value == pytest.approx((0 + 0 + 0.1) / 3)
    assert (score.patients, score.found) == (3, 3)
    assert score.iou.low <= score.iou.value <= score.iou.high  # type: ignore[operator]


def test_a_location_that_was_never_found_has_overlap_zero_and_no_distance() -> None:
    truth = np.tile([0.0, 0.0, 10.0, 10.0], (2, 1))
    score = score_location(["a", "b"], truth, np.full((2, 4), np.nan), thorax_px=[50.0, 50.0], seed=0)
    assert score.iou.value == 0
    assert score.distance_px.value is None
    assert score.found == 0


def test_means_leave_out_what_is_no_number() -> None:
    means = patient_means(["a", "a", "b"], [1.0, np.nan, np.nan])
    assert means["a"] == 1
    assert np.isnan(means["b"])
