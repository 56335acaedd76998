"""FROC: a hand-worked example, a brute-force oracle, and the traps of public scorers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.detection import (
    Boxes,
    DetectionRules,
    compare_detectors,
    froc,
    froc_curve,
    match_boxes,
    pair_overlaps,
)

TWO = DetectionRules(dimensions=2)


def boxes(rows: list[tuple[int, list[float], float]]) -> Boxes:
    d = len(rows[0][1]) // 2 if rows else 2
    return Boxes.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], dimensions=d)


def random_case(seed: int, *, d: int, images: int = 6, ties: bool) -> tuple[Boxes, Boxes]:
    random = np.random.default_rng(seed)

    def draw(n: int) -> np.ndarray[Any, Any]:
        low = random.integers(0, 8, (n, d))
        return np.hstack([low, low + random.integers(1, 7, (n, d))]).astype(float)

    n, m = int(random.integers(1, 9)), int(random.integers(0, 40))
    score = random.integers(0, 6, m) / 5 if ties else random.random(m)
    return (
        Boxes.of(random.integers(0, images, n), draw(n), dimensions=d),
        Boxes.of(random.integers(0, images, m), draw(m), score, dimensions=d),
    )


def overlap_by_hand(t: np.ndarray[Any, Any], p: np.ndarray[Any, Any], rules: DetectionRules) -> float:
    d, extra = rules.dimensions, int(rules.inclusive)
    shared = size_t = size_p = 1.0
    for axis in range(d):
        shared *= max(0.0, min(t[d + axis], p[d + axis]) - max(t[axis], p[axis]) + extra)
        size_t *= t[d + axis] - t[axis] + extra
        size_p *= p[d + axis] - p[axis] + extra
    return shared / (size_t + size_p - shared if rules.overlap == "iou" else size_p)


def oracle(truth: Boxes, guess: Boxes, images: int, rules: DetectionRules) -> dict[float, tuple[float, float]]:
    """Threshold -> (sensitivity, false per image), worked out afresh at every threshold with plain loops."""
    assert guess.score is not None
    points = {}
    for threshold in sorted(set(guess.score.tolist()), reverse=True):
        found, false = set(), 0
        for image, box, score in zip(guess.image, guess.box, guess.score, strict=True):
            if score < threshold:
                continue
            on = {
                i: overlap_by_hand(truth.box[i], box, rules) for i in range(len(truth.box)) if truth.image[i] == image
            }
            on = {i: v for i, v in on.items() if (v > rules.threshold if rules.strict else v >= rules.threshold)}
            false += not on
            if on and not rules.several:
                on = {max(on, key=lambda i: (on[i], -i)): 1.0}
            found |= set(on)
        points[threshold] = (len(found) / len(truth.box), false / images)
    return points


def test_hand_worked_example() -> None:
    # Two images with lesions A, B (image 0) and C (image 1), a third image without any.
    truth = Boxes.of([0, 0, 1], [[0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 4, 4]], dimensions=2)
    guess = boxes(
        [
            (0, [0, 0, 10, 10], 0.9),  # A
            (2, [0, 0, 5, 5], 0.8),  # false
            (0, [1, 0, 10, 10], 0.7),  # A once more: neither right nor false
            (1, [0, 0, 4, 3], 0.6),  # C
            (1, [50, 50, 60, 60], 0.6),  # false, of the same score
            (0, [25, 20, 35, 30], 0.5),  # overlaps B by 50 of 150: false
        ]
    )
    matched = match_boxes(truth, guess, patients=[0, 0, 1], rules=TWO)
    curve = froc_curve(matched)
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.8, 0.6, 0.5]
    assert curve.sensitivity.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert curve.fp_per_image.tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    result = froc(matched, rules=TWO, rates=(0, 0.5, 0.7, 1, 2), seed=0)
    assert [s.value for s in result.sensitivity] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert result.reached == (True, True, True, True, False)
    assert result.mean.value == pytest.approx((2 / 3 + 3 * 2 / 3) / 5)
    assert (result.lesions, result.images, result.patients, result.boxes) == (3, 3, 2, 6)


def test_linear_joins_points_of_one_score() -> None:
    truth = Boxes.of([0], [[0, 0, 4, 4]], dimensions=2)
    guess = boxes([(0, [0, 0, 4, 4], 0.5), (0, [9, 9, 12, 12], 0.5)])
    matched = match_boxes(truth, guess, patients=[0], rules=TWO)
    for between, value in (("step", 0.0), ("linear", 0.25)):
        rules = DetectionRules(dimensions=2, between=between)
        assert froc(matched, rules=rules, rates=(0.25,), seed=0).sensitivity[0].value == value


def test_beyond_the_curve_nothing_is_extrapolated() -> None:
    truth = Boxes.of([0, 0], [[0, 0, 4, 4], [8, 8, 12, 12]], dimensions=2)
    guess = boxes([(0, [30, 30, 34, 34], 0.9), (0, [0, 0, 4, 4], 0.5)])  # rises steeply at its end
    matched = match_boxes(truth, guess, patients=[0], rules=TWO)
    last = froc(matched, rules=TWO, rates=(1, 16), seed=0)
    assert [s.value for s in last.sensitivity] == [0.5, 0.5] and last.reached == (True, False)
    strict = froc(matched, rules=DetectionRules(dimensions=2, beyond="undefined"), rates=(1, 16), seed=0)
    assert [s.value for s in strict.sensitivity] == [0.5, None] and strict.mean.value is None


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("d", [2, 3])
def test_equals_brute_force(seed: int, d: int) -> None:
    rules = DetectionRules(
        dimensions=d,
        overlap=("iou", "iobb")[seed % 2],
        threshold=(0.1, 0.3, 0.5)[seed % 3],
        strict=seed % 5 == 0,
        inclusive=seed % 4 < 2,
        several=seed % 7 > 1,
    )
    truth, guess = random_case(seed, d=d, ties=seed % 2 == 0)
    points = oracle(truth, guess, 6, rules)
    curve = froc_curve(match_boxes(truth, guess, patients=np.arange(6), rules=rules))
    for threshold, (sensitivity, false) in points.items():
        at = int(np.flatnonzero(curve.threshold >= threshold)[-1])  # a score that changes nothing has no point
        assert (curve.sensitivity[at], curve.fp_per_image[at]) == pytest.approx((sensitivity, false))
    whole = pair_overlaps(truth.box, guess.box, rules=rules)
    by_hand = [[overlap_by_hand(t, p, rules) for p in guess.box] for t in truth.box]
    assert whole == pytest.approx(np.array(by_hand).reshape(whole.shape))


@pytest.mark.parametrize("seed", range(10))
def test_order_of_rows_never_matters(seed: int) -> None:
    truth, guess = random_case(seed, d=2, ties=True)
    assert guess.score is not None
    random = np.random.default_rng(seed)
    t, p = random.permutation(len(truth.box)), random.permutation(len(guess.box))
    turned = Boxes(truth.image[t], truth.box[t]), Boxes(guess.image[p], guess.box[p], guess.score[p])
    one, two = (froc_curve(match_boxes(*pair, patients=np.arange(6), rules=TWO)) for pair in ((truth, guess), turned))
    for name in ("threshold", "sensitivity", "fp_per_image"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_one_box_on_two_lesions() -> None:
    truth = Boxes.of([0, 0], [[0, 0, 10, 10], [0, 1, 10, 10]], dimensions=2)
    guess = boxes([(0, [0, 0, 10, 10], 1.0)])
    for several, found in ((True, 2), (False, 1)):
        rules = DetectionRules(dimensions=2, several=several)
        matched = match_boxes(truth, guess, patients=[0], rules=rules)
        assert np.isfinite(matched.found_at).sum() == found and not matched.false.any()


def test_inclusive_pixels_decide_at_the_edge() -> None:
    # 4 x 4 against 4 x 2 pixels: 8 of 16 when counted as pixels, 3 of 9 as lengths.
    truth, guess = Boxes.of([0], [[0, 0, 3, 3]], dimensions=2), boxes([(0, [0, 0, 3, 1], 1.0)])
    for inclusive, found in ((True, True), (False, False)):
        rules = DetectionRules(dimensions=2, inclusive=inclusive)
        matched = match_boxes(truth, guess, patients=[0], rules=rules)
        assert np.isfinite(matched.found_at[0]) == found
    exactly = DetectionRules(dimensions=2, inclusive=True, strict=True)
    assert match_boxes(truth, guess, patients=[0], rules=exactly).false[0]


def test_iobb_forgives_a_small_box_and_punishes_a_large_one() -> None:
    rules = DetectionRules(overlap="iobb", threshold=0.3)
    truth = Boxes.of([0, 1], [[0, 0, 0, 10, 10, 10]] * 2)
    guess = Boxes.of([0, 1], [[4, 4, 4, 6, 6, 6], [0, 0, 0, 20, 20, 20]], [1.0, 1.0])
    matched = match_boxes(truth, guess, patients=[0, 1], rules=rules)
    assert matched.false.tolist() == [False, True]  # 8 of 8; 1000 of 8000


def test_nothing_predicted_nothing_there() -> None:
    none = Boxes.of([], [], [], dimensions=2)
    truth = Boxes.of([0], [[0, 0, 4, 4]], dimensions=2)
    silent = froc(match_boxes(truth, none, patients=[0, 1], rules=TWO), rules=TWO, seed=0)
    assert [s.value for s in silent.sensitivity] == [0.0] * 6 and not any(silent.reached)
    healthy = match_boxes(none, boxes([(0, [0, 0, 4, 4], 0.5)]), patients=[0, 1], rules=TWO)
    result = froc(healthy, rules=TWO, seed=0)
    assert result.mean.value is None and result.reached[0]  # one false box in two images
    assert np.isnan(froc_curve(healthy).sensitivity).all() and froc_curve(healthy).fp_per_image.tolist() == [0, 0.5]


def test_intervals_resample_patients_not_boxes() -> None:
    # Ten lesions of one patient found, one of nine other patients each missed: as lesions 10/19, and very unsure.
    truth = Boxes.of([0] * 10 + list(range(1, 10)), [[0, k, 4, k + 0.9] for k in range(19)], dimensions=2)
    guess = boxes([(0, [0, k, 4, k + 0.9], 1.0) for k in range(10)])
    matched = match_boxes(truth, guess, patients=np.arange(10), rules=TWO)
    mean = froc(matched, rules=TWO, seed=1).mean
    assert mean.value == pytest.approx(10 / 19)
    assert mean.low == 0 and mean.high is not None and mean.high > 0.75
    assert froc(matched, rules=TWO, seed=1) == froc(matched, rules=TWO, seed=1)


def test_resampled_values_equal_whole_ones_of_copied_patients() -> None:
    from tumorboard.metrics.detection import _at_rates

    truth, guess = random_case(3, d=2, ties=True)
    assert guess.score is not None
    patients = np.array([0, 0, 1, 1, 2, 2])
    matched = match_boxes(truth, guess, patients=patients, rules=TWO)
    weighted = _at_rates(matched, np.array([[2.0, 0.0, 1.0]]), (0.5, 1, 4), TWO)[0]
    kept_t = np.concatenate(
        [truth.image[truth.image < 2], truth.image[truth.image < 2] + 10, truth.image[truth.image > 3]]
    )
    rows_t = np.concatenate([np.flatnonzero(truth.image < 2)] * 2 + [np.flatnonzero(truth.image > 3)])
    rows_p = np.concatenate([np.flatnonzero(guess.image < 2)] * 2 + [np.flatnonzero(guess.image > 3)])
    first = int((guess.image < 2).sum())
    kept_p = guess.image[rows_p].copy()
    kept_p[first : 2 * first] += 10
    number = {0: 0, 1: 1, 10: 2, 11: 3, 4: 4, 5: 5}
    copied = match_boxes(
        Boxes(np.array([number[int(i)] for i in kept_t]), truth.box[rows_t]),
        Boxes(np.array([number[int(i)] for i in kept_p], int), guess.box[rows_p], guess.score[rows_p]),
        patients=[0, 0, 1, 1, 2, 2],
        rules=TWO,
    )
    again = [s.value for s in froc(copied, rules=TWO, rates=(0.5, 1, 4), seed=0).sensitivity]
    assert weighted.tolist() == pytest.approx(again)


def test_two_detectors_on_the_same_patients() -> None:
    truth = Boxes.of(np.arange(20), [[0, 0, 4, 4]] * 20, dimensions=2)
    good = boxes([(k, [0, 0, 4, 4], 0.9) for k in range(15)])
    poor = boxes([(k, [0, 0, 4, 4], 0.9) for k in range(5)])
    a, b = (match_boxes(truth, guess, patients=np.arange(20), rules=TWO) for guess in (good, poor))
    found = compare_detectors(a, b, rules=TWO, seed=0)
    assert found.mean == pytest.approx(0.5) and found.n == 20
    assert found.low is not None and 0.2 < found.low < 0.4 and found.share_positive == 1.0
    assert found.p_value is not None and found.p_value < 0.01
    same = compare_detectors(a, a, rules=TWO, seed=0)
    assert (same.mean, same.share_positive, same.p_value) == (0.0, 0.5, 1.0)
    fewer = match_boxes(Boxes.of([0], [[0, 0, 4, 4]], dimensions=2), good, patients=np.arange(20), rules=TWO)
    with pytest.raises(TumorboardError, match="MET106"):
        compare_detectors(a, fewer, rules=TWO, seed=0)


@pytest.mark.parametrize(
    ("truth", "guess"),
    [
        ([0, 0, 4, 4], [4, 0, 0, 4]),  # corners exchanged
        ([0, 0, 4, 4], [0, 0, 4, float("nan")]),
        ([0, 0, 0, 4], [0, 0, 4, 4]),  # no area, pixels not inclusive
    ],
)
def test_boxes_that_are_none_are_refused(truth: list[float], guess: list[float]) -> None:
    with pytest.raises(TumorboardError, match="MET131"):
        match_boxes(Boxes.of([0], [truth], dimensions=2), boxes([(0, guess, 0.5)]), patients=[0], rules=TWO)


def test_scores_and_images_must_exist() -> None:
    truth = Boxes.of([0], [[0, 0, 4, 4]], dimensions=2)
    for guess in (
        Boxes.of([0], [[0, 0, 4, 4]], dimensions=2),
        boxes([(0, [0, 0, 4, 4], float("nan"))]),
        boxes([(7, [0, 0, 4, 4], 0.5)]),
    ):
        with pytest.raises(TumorboardError, match="MET131"):
            match_boxes(truth, guess, patients=[0], rules=TWO)


@pytest.mark.parametrize(
    "wrong", [{"dimensions": 4}, {"overlap": "dice"}, {"threshold": 0}, {"fp_rates": (2.0, 1.0)}, {"beyond": "guess"}]
)
def test_unknown_rules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TumorboardError, match="MET107"):
        DetectionRules(**wrong)
