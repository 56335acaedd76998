"""Slices, batches, losses, curves, anatomy and flags, each by itself (trap 10; trap 3 for the direction of z)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from bodypart_bodies import body, z_of

from tumorboard.core.bodypart import NOT_ORDERED, REGIONS, REVERSED, WRONG_SPACING
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.bodypart.anatomy import Anatomy, fit_anatomy, fit_ends
from tumorboard.tasks.bodypart.answer import answer
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.curve import DepthCurve, smoothed
from tumorboard.tasks.bodypart.evaluate import rank_correlation, true_regions
from tumorboard.tasks.bodypart.flags import check_order
from tumorboard.tasks.bodypart.loss import distance_loss, mm_loss, order_loss
from tumorboard.tasks.bodypart.planted import FAULTS, planted
from tumorboard.tasks.bodypart.sampling import SliceSampler, equidistant
from tumorboard.tasks.bodypart.slices import body_slices, require_positions

CONFIG = BodyPartConfig(edge=32, margin=4, pixel_mm=12.0, volumes=2, slices=4)


# ---- slices ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stored", ["LPS", "LPI", "RSA", "SPL", "IAR"])
def test_same_slices_whatever_the_storage(stored: str) -> None:
    volume = body()
    first, second = (body_slices(v, CONFIG, where="x") for v in (volume, volume.reorient(stored)))
    assert np.array_equal(first.hu, second.hu)
    assert np.allclose(first.z_mm, second.z_mm) and np.allclose(first.box_mm, second.box_mm)


def test_head_comes_first_by_the_affine() -> None:
    slices = body_slices(body(), CONFIG, where="x")
    assert np.allclose(slices.z_mm[[0, -1]], [z_of(5.0), z_of(555.0)])
    bone = slices.hu.reshape(len(slices), -1).max(axis=1)
    assert bone[-1] > bone[0] + 300  # brighter towards the feet
    upside = Volume(body().array[:, :, ::-1].copy(), body().affine, Unit.HU)
    turned = body_slices(upside, CONFIG, where="x")
    assert np.array_equal(turned.z_mm, slices.z_mm) and np.array_equal(turned.hu, slices.hu[::-1])


def test_rows_run_to_the_back_and_columns_to_the_left() -> None:
    volume = body(length_mm=60)
    array = volume.array.copy()
    array[30:32, 22, :] = 1500  # x > 0: the patient's right (RAS grows to the right)
    slices = body_slices(Volume(array, volume.affine, Unit.HU), CONFIG, where="x")
    row, column = np.unravel_index(int(slices.hu[2].argmax()), slices.hu[2].shape)
    assert column < 19.5  # the right side of the patient is on the left
    array = volume.array.copy()
    array[21:23, 29:31, :] = 1500  # y > 0: front
    slices = body_slices(Volume(array, volume.affine, Unit.HU), CONFIG, where="x")
    row, column = np.unravel_index(int(slices.hu[2].argmax()), slices.hu[2].shape)
    assert row < 19.5


def test_the_body_alone_is_kept() -> None:
    volume = body()
    slices = body_slices(volume, CONFIG, where="x")
    widths = np.abs(slices.box_mm[:, 1] - slices.box_mm[:, 0])
    half = 80 + 60 * (np.arange(56) + 0.5) * 10 / 560
    assert np.abs(widths - 2 * half).max() < 24 + 1e-6  # two pixels of 12 mm: the couch, 300 mm wide, is gone
    whole = body_slices(volume, BodyPartConfig(**{**CONFIG.model_dump(), "body_mask": False}), where="x")
    assert (whole.hu > -300).sum() > (slices.hu > -300).sum()


def test_padding_outside_and_beyond_the_scale_is_air() -> None:
    volume = body(length_mm=80)
    array = volume.array.copy()
    array[:3] = -3024
    slices = body_slices(Volume(array, volume.affine, Unit.HU), CONFIG, where="x")
    assert slices.hu.min() == -1000


def test_averages_over_pixels_are_those_of_hand() -> None:
    """Four voxels of 6 mm in each pixel of 12 mm."""
    array = np.full((32, 32, 4), 40.0, np.float32)
    array[15, 16, :] = 440.0
    volume = Volume(array, np.diag([6.0, 6.0, 5.0, 1.0]), Unit.HU)
    slices = body_slices(volume, CONFIG, where="x")
    inside = slices.hu[slices.hu > -900]
    assert inside.max() == round((3 * 40 + 440) / 4) and set(np.unique(inside).tolist()) == {40, 140}


def test_slices_close_together_are_thinned_and_empty_ones_left_out() -> None:
    fine = body(length_mm=100, step_mm=1.0)
    slices = body_slices(fine, CONFIG, where="x")
    assert len(slices) == 50 and np.allclose(np.diff(slices.z_mm), -2.0)
    array = fine.array.copy()
    array[:, :, -10:] = -1000
    assert body_slices(Volume(array, fine.affine, Unit.HU), CONFIG, where="x").z_mm[0] < z_of(10.0)


def test_what_cannot_be_prepared_is_refused_by_code() -> None:
    volume = body(length_mm=60)
    nothing = Volume(np.full((8, 8, 5), -1000, np.int16), np.eye(4), Unit.HU)
    broken = volume.array.astype(np.float32)
    broken[3, 3, 1] = np.nan
    for wrong, code in (
        (nothing, "BDP103"),
        (Volume(broken, volume.affine, Unit.HU), "BDP103"),
        (Volume(volume.array, volume.affine, Unit.UNKNOWN), "UNT101"),
    ):
        with pytest.raises(TumorboardError) as error:
            body_slices(wrong, CONFIG, where="x")
        assert error.value.code.id == code


@pytest.mark.parametrize(
    ("z_mm", "words"),
    [
        ([10.0, 5.0, 5.0, 0.0], "at one place"),  # constant z, an interval of 0
        ([7.0, 7.0, 7.0], "at one place"),
        ([10.0, math.nan, 0.0], "no numbers"),
        ([0.0, 5.0, 10.0], "do not fall"),  # a negative interval
        ([10.0, 5.0, 8.0], "do not fall"),
    ],
)
def test_impossible_positions_are_refused(z_mm: list[float], words: str) -> None:
    with pytest.raises(TumorboardError, match=words) as error:
        require_positions(np.array(z_mm), where="x")
    assert error.value.code.id == "BDP102"
    assert require_positions(np.array([3.0, 1.0, -4.0]), where="x").tolist() == [3.0, 1.0, -4.0]


# ---- batches ---------------------------------------------------------------------------------------------------------
def test_equal_steps_reach_both_ends() -> None:
    z = -np.arange(29) * 5.0
    draws = [equidistant(z, 8, np.random.default_rng(seed)) for seed in range(200)]
    assert all(len(set(np.diff(index))) == 1 and len(index) == 8 for index in draws)
    assert min(index[0] for index in draws) == 0 and max(index[-1] for index in draws) == 28
    assert {int(np.diff(index)[0]) for index in draws} == {1, 2, 3, 4}  # 28 // 7 at most


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_volumes_shorter_than_the_batch_give_all_they_have(count: int) -> None:
    index = equidistant(-np.arange(count) * 5.0, 8, np.random.default_rng(0))
    assert index.tolist() == list(range(count))


def test_a_batch_of_long_and_short_volumes() -> None:
    long, short = (body_slices(body(length_mm=n), CONFIG, where="x") for n in (300, 20))
    sampler = SliceSampler([(long.hu, long.z_mm), (short.hu, short.z_mm)], CONFIG)
    batch = sampler(np.random.default_rng(1))
    again = sampler(np.random.default_rng(1))
    assert sorted(np.bincount(batch.volume).tolist()) == [2, 4]
    assert batch.images.shape == (6, 1, 32, 32) and torch.equal(batch.images, again.images)
    assert float(batch.images.min()) >= -1 and float(batch.images.max()) <= 1
    scores = torch.arange(6.0)
    for loss in (order_loss(scores, batch.volume), distance_loss(scores, batch.volume)):
        assert math.isfinite(float(loss))
    pair = np.zeros(2, int)
    assert float(distance_loss(torch.tensor([0.0, 3.0]), pair)) == 0  # two slices have an order and no distance


# ---- losses ----------------------------------------------------------------------------------------------------------
def test_order_loss_by_hand_and_by_softmax() -> None:
    scores, volume = torch.tensor([0.0, 1.0, 5.0, 4.0]), np.array([0, 0, 1, 1])
    by_hand = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(1.0))) / 2  # 1 -> 5 are two volumes
    assert float(order_loss(scores, volume)) == pytest.approx(by_hand, abs=1e-6)
    # The released code's softmax over (d, -d) is a cross-entropy; steepness 2 is the same.
    d = torch.tensor([1.0, -1.0])
    softmax = torch.nn.functional.cross_entropy(torch.stack([d, -d], dim=1), torch.zeros(2, dtype=torch.long))
    assert float(order_loss(scores, volume, steepness=2.0)) == pytest.approx(float(softmax), abs=1e-6)


def test_order_loss_grows_when_scores_fall_towards_the_feet() -> None:
    volume = np.zeros(4, int)
    rising = torch.arange(4.0)
    assert float(order_loss(rising, volume)) < math.log(2) < float(order_loss(-rising, volume))


def test_distance_loss_by_hand() -> None:
    volume = np.zeros(4, int)
    assert float(distance_loss(torch.tensor([2.0, 4.5, 7.0, 9.5]), volume)) == 0  # any straight line
    # second differences 0.5 and -3: smooth-L1 0.125 and 2.5
    assert float(distance_loss(torch.tensor([0.0, 1.0, 2.5, 1.0]), volume)) == pytest.approx((0.125 + 2.5) / 2)
    apart = np.array([0, 0, 1, 1])
    assert float(distance_loss(torch.tensor([0.0, 1.0, 9.0, 2.0]), apart)) == 0


def test_mm_loss_knows_the_spacing() -> None:
    z, volume = np.array([100.0, 50.0, 40.0]), np.zeros(3, int)
    scores = torch.tensor([7.0, 7.5, 7.6], dtype=torch.float64)
    assert float(mm_loss(scores, volume, z, score_mm=100.0)) == pytest.approx(0, abs=1e-12)
    # equal steps of 0.3 are right by order and wrong by distance: errors -0.2 and 0.2
    equal = torch.tensor([0.0, 0.3, 0.6], dtype=torch.float64)
    assert float(mm_loss(equal, volume, z, score_mm=100.0)) == pytest.approx(0.5 * 0.2**2)


def test_scores_are_free_up_to_a_shift() -> None:
    """Identifiability: a constant added to all scores changes no loss; normalisation takes it (and the scale) out."""
    random = np.random.default_rng(0)
    scores, volume = torch.from_numpy(random.normal(size=12)), np.repeat([0, 1, 2], 4)
    z = np.tile(-np.arange(4) * 10.0, 3)
    for loss in (order_loss, distance_loss, lambda s, v: mm_loss(s, v, z, score_mm=100.0)):
        assert float(loss(scores + 5, volume)) == pytest.approx(float(loss(scores, volume)))
    raw = [np.sort(random.normal(size=40)) for _ in range(3)]
    for scale, shift in ((1.0, 0.0), (7.5, -3.0)):
        ends = fit_ends([scale * one + shift for one in raw])
        anatomy = Anatomy(ends, {}, tuple(np.linspace(0, 500, 26)))
        normal = anatomy.normalised(scale * raw[0] + shift)
        if scale == 1.0:
            first = normal
    assert np.allclose(first, normal)


# ---- curves ----------------------------------------------------------------------------------------------------------
def test_smoothing_keeps_straight_lines_and_their_ends() -> None:
    z = 50 - np.cumsum(np.random.default_rng(0).uniform(1, 9, 60))
    line = 0.2 - 0.003 * z
    assert np.allclose(smoothed(z, line, sigma_mm=10.0), line)
    noisy = line + np.random.default_rng(1).normal(0, 0.02, 60)
    assert np.std(smoothed(z, noisy, sigma_mm=10.0) - line) < 0.6 * np.std(noisy - line)
    assert np.array_equal(smoothed(z, noisy, sigma_mm=0.0), noisy)
    assert np.allclose(smoothed(z[:2], noisy[:2], sigma_mm=10.0), noisy[:2])


def test_places_on_a_curve() -> None:
    curve = DepthCurve(np.array([30.0, 20.0, 10.0, 0.0]), np.array([0.1, 0.3, 0.3, 0.5]))
    assert curve.score_at([30, 25, 5, -40]).tolist() == pytest.approx([0.1, 0.2, 0.4, 0.5])
    assert curve.z_at(0.2) == pytest.approx(25) and curve.z_at(0.4) == pytest.approx(5)
    assert curve.z_at(0.3) == pytest.approx(15)  # a level stretch: its middle
    assert curve.z_at(0.1) == 30 and curve.z_at(0.5) == 0
    assert curve.z_at(0.05) is None and curve.z_at(0.6) is None
    flat = DepthCurve(np.array([3.0, 2.0, 1.0]), np.full(3, 0.4))
    assert flat.z_at(0.4) is None and rank_correlation(flat) is None


# ---- anatomy and flags -----------------------------------------------------------------------------------------------
def line(start: float = 0.1, *, per_mm: float = 1 / 500, count: int = 60, step_mm: float = 5.0) -> DepthCurve:
    z = -np.arange(count) * step_mm
    return DepthCurve(z, start - z * per_mm)


ORDINARY = fit_anatomy((0.0, 1.0), [line(0.0, count=101)] * 3, [{}] * 3)


def test_millimetres_of_ordinary_volumes() -> None:
    assert ORDINARY.expected_mm([0.0, 0.5, 1.0]) == pytest.approx([0, 250, 500], abs=0.5)
    assert ORDINARY.expected_mm([-0.1, 1.2]) == pytest.approx([-50, 600], abs=0.5)
    spoilt = fit_anatomy((0.0, 1.0), [line(0.0, count=101)] * 4 + [line(0.0, per_mm=1 / 1000, count=201)], [{}] * 5)
    assert spoilt.expected_mm(0.7) == pytest.approx(350, abs=0.5)  # the median shrugs one wrong spacing off


@pytest.mark.parametrize(("factor", "flagged"), [(1.0, False), (1.27, False), (1.29, True), (1 / 1.27, False),
                                                 (1 / 1.29, True), (2.0, True), (0.5, True)])  # fmt: skip
def test_spacing_is_judged_within_the_tolerance(factor: float, flagged: bool) -> None:
    sound = line()
    found = check_order(DepthCurve(sound.z_mm * factor, sound.score), ORDINARY, tolerance=0.28)
    assert found.flags == ((WRONG_SPACING,) if flagged else ())
    assert found.spacing_ratio == pytest.approx(1 / factor, rel=0.01)


def test_reversed_constant_and_shuffled_volumes() -> None:
    sound = line()
    back = DepthCurve(sound.z_mm, sound.score[::-1])
    assert check_order(back, ORDINARY, tolerance=0.28).flags == (REVERSED,)
    both = DepthCurve(sound.z_mm * 2, sound.score[::-1])
    assert check_order(both, ORDINARY, tolerance=0.28).flags == (REVERSED, WRONG_SPACING)
    mixed = DepthCurve(sound.z_mm, np.random.default_rng(0).permutation(sound.score))
    assert check_order(mixed, ORDINARY, tolerance=0.28).flags == (NOT_ORDERED,)
    flat = DepthCurve(sound.z_mm, np.full(60, 0.5))
    judged = check_order(flat, ORDINARY, tolerance=0.28)
    assert judged.flags == () and judged.order is None and judged.spacing_ratio is None


def test_too_little_is_not_judged() -> None:
    few = check_order(line(count=5), ORDINARY, tolerance=0.28)
    assert few.spacing_ratio is None and few.flags == ()
    short = line(count=8, step_mm=5.0)  # 35 mm: an order, no spacing
    found = check_order(DepthCurve(short.z_mm * 3, short.score), ORDINARY, tolerance=0.28)
    assert found.flags == () and found.order == pytest.approx(1) and found.spacing_ratio is None


def test_scores_beyond_the_training_volumes_are_not_judged() -> None:
    """Legs below the training volumes score 1, slice after slice: no wrong spacing."""
    sound = line(0.5, count=120)
    curve = DepthCurve(sound.z_mm, np.minimum(sound.score, 1.0))
    assert check_order(curve, ORDINARY, tolerance=0.28).flags == ()


def test_answers_do_not_depend_on_the_line_that_raw_scores_are_free_by() -> None:
    """The affine ambiguity ends at the normalisation: other raw scales, same regions, landmarks and flags."""
    raw = [np.linspace(-3 + 0.1 * n, 4 + 0.1 * n, 101) for n in range(3)]
    z, marks = -np.arange(101) * 5.0, {"top of lung": -100.0, "upper liver edge": -200.0, "iliac crest": -350.0}
    answers = []
    for scale, shift in ((1.0, 0.0), (0.01, 9.0), (250.0, -1e4)):
        ends = fit_ends([scale * one + shift for one in raw])
        curves = [DepthCurve(z, Anatomy(ends, {}, (0.0,) * 26).normalised(scale * one + shift)) for one in raw]
        answers.append(answer(curves[0], fit_anatomy(ends, curves, [marks] * 3), tolerance=0.28))
    for one, other in itertools.pairwise(answers):
        assert one.regions == other.regions and one.check.flags == other.check.flags
        assert one.landmarks == pytest.approx(other.landmarks)
    assert answers[0].regions is not None and set(answers[0].regions) == set(REGIONS)


def test_planted_faults_are_what_they_say() -> None:
    slices = body_slices(body(length_mm=100), CONFIG, where="x")
    for name, (backwards, factor, _) in FAULTS.items():
        spoilt = planted(slices, name)
        assert np.allclose(spoilt.z_mm, slices.z_mm * factor)
        assert np.array_equal(spoilt.hu, slices.hu[::-1] if backwards else slices.hu)


# ---- truth -----------------------------------------------------------------------------------------------------------
def test_true_regions_of_partial_volumes() -> None:
    z = np.array([50.0, 30.0, 10.0, -10.0, -30.0])
    whole = {"top of lung": 40.0, "carina": 25.0, "upper liver edge": 20.0, "iliac crest": -20.0}
    assert true_regions(z, whole).tolist() == [0, 1, 2, 2, 3]
    chest = {"carina": 25.0, "upper liver edge": 20.0}  # begins below the lung's top, ends above the crest
    assert true_regions(z, chest).tolist() == [1, 1, 2, 2, 2]
    gap = {"carina": 25.0, "iliac crest": -20.0}  # the liver's edge between two known landmarks is not told
    assert true_regions(z, gap).tolist() == [1, 1, -1, -1, 3]
    assert true_regions(z, {}).tolist() == [-1] * 5
