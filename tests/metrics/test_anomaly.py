"""Figures of maps against scikit-learn, closed forms and counting by hand (part B of the reference, traps 7 and 9)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.anomaly import (
    ScoreCounts,
    choose_threshold,
    dice_at,
    pooled_ranking,
    rank_voxels,
    slice_score,
)


def voxels(seed: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(600) < 0.15
    score = random.normal(size=600) + truth
    return truth, (np.round(score * 2) / 2 if ties else score).astype(np.float32)


@pytest.mark.parametrize("ties", [False, True])
def test_voxel_figures_are_those_of_scikit_learn(ties: bool) -> None:
    truth, score = voxels(3, ties=ties)
    found = rank_voxels(truth, score)
    assert found.auroc == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert found.auprc == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    assert found.prevalence == truth.mean()


def test_ties_do_not_follow_the_order_of_voxels() -> None:
    """Trap 9: zeros outside a mask are one score; where the tumour stands among them must not matter."""
    score = np.zeros(50)
    score[:5] = 1.0
    truth = np.zeros(50, bool)
    truth[[0, 1, 40, 41]] = True
    first = rank_voxels(truth, score)
    order = np.random.default_rng(0).permutation(50)
    assert rank_voxels(truth[order], score[order]) == first
    # by hand: 2 of 4 found at precision 2/5, the others at precision 4/50
    assert first.auprc == pytest.approx(0.5 * 2 / 5 + 0.5 * 4 / 50)


def test_steps_are_not_a_trapezoid() -> None:
    """Trap 9: one positive in the middle of three; the trapezoid of precision and recall would give another area."""
    assert rank_voxels([False, True, False], [3.0, 2.0, 1.0]).auprc == pytest.approx(0.5)


def test_oracle_dice_is_the_best_of_all_thresholds() -> None:
    truth, score = voxels(5, ties=True)
    found = rank_voxels(truth, score)
    tried = dice_at(truth, score, np.unique(score))
    assert found.oracle_dice == pytest.approx(tried.max())
    assert dice_at(truth, score, found.oracle_threshold)[0] == pytest.approx(found.oracle_dice)
    mask = score >= 1.0
    assert dice_at(truth, score, 1.0)[0] == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def test_dice_of_empty_sides() -> None:
    """Trap 8: both empty is undefined, one empty is 0."""
    none, some = np.zeros(4, bool), np.array([True, False, False, False])
    assert np.isnan(dice_at(none, np.zeros(4), 1.0)[0])
    assert dice_at(some, np.zeros(4), 1.0)[0] == 0.0
    assert dice_at(none, np.ones(4), 1.0)[0] == 0.0


def test_one_class_alone_is_undefined() -> None:
    assert rank_voxels(np.zeros(3, bool), [1, 2, 3]).auroc is None
    assert rank_voxels(np.zeros(3, bool), [1, 2, 3]).auprc is None
    with pytest.raises(TumorboardError) as error:
        rank_voxels([True, False], [1.0, np.nan])
    assert error.value.code.id == "MET105"


def test_pooled_is_not_the_mean_of_patients() -> None:
    """Trap 9: two patients, each ranked without a fault, on scales that do not agree."""
    truth = np.array([True, False, False])
    hot, cold = np.array([30.0, 20.0, 20.0]), np.array([3.0, 2.0, 2.0])
    assert rank_voxels(truth, hot).auprc == rank_voxels(truth, cold).auprc == 1.0
    ((auroc, auprc),) = pooled_ranking([ScoreCounts.of(truth, hot), ScoreCounts.of(truth, cold)])
    assert auprc == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    assert auroc == pytest.approx((4 + 2) / 8)


@pytest.mark.parametrize("ties", [False, True])
def test_pooled_figures_are_nearly_exact(ties: bool) -> None:
    parts = [voxels(seed, ties=ties) for seed in range(4)]
    truth, score = (np.concatenate(each) for each in zip(*parts, strict=True))
    weights = np.array([[1, 1, 1, 1], [2, 0, 0, 0]])
    whole, first = pooled_ranking([ScoreCounts.of(*part) for part in parts], weights)
    exact = rank_voxels(truth, score)
    assert whole[0] == pytest.approx(exact.auroc, abs=2e-3)
    assert whole[1] == pytest.approx(exact.auprc, abs=5e-3)
    assert first[0] == pytest.approx(rank_voxels(*parts[0]).auroc, abs=2e-3)


def test_threshold_is_shared_by_all_patients() -> None:
    """Trap 10: one threshold; each patient's own would give both a Dice of 1."""
    truth = np.array([True] * 5 + [False] * 5)
    low, high = np.where(truth, 2.0, 1.0), np.where(truth, 8.0, 4.0)
    chosen = choose_threshold([(truth, low), (truth, high)])
    assert chosen is not None
    mean = np.mean([dice_at(truth, score, chosen)[0] for score in (low, high)])
    assert mean == pytest.approx((1 + 10 / 15) / 2)  # 2.0: the first right, the second flags everything
    assert choose_threshold([(np.zeros(3, bool), np.ones(3))]) is None


def test_a_slice_score_grows_neither_with_area_nor_with_one_voxel() -> None:
    """Trap 7: the mean over 300 mm2, air never counted, slices that are smaller than that."""
    random = np.random.default_rng(0)
    score = random.normal(size=(40, 40))
    large = np.ones((40, 40), bool)
    small = np.zeros((40, 40), bool)
    small[:20, :20] = True
    options = {"pixel_mm2": 16.0, "area_mm2": 300.0}
    spike = score.copy()
    spike[3, 3] = 100.0
    k = round(300 / 16)
    expected = np.sort(score[small])[-k:].mean()
    assert slice_score(score, small, **options) == pytest.approx(expected)
    found, lonely = slice_score(spike, small, **options), slice_score(score, small, **options)
    assert found is not None and lonely is not None and found - lonely < 100 / k + 1
    assert slice_score(np.where(small, score, 50.0), small, **options) == pytest.approx(expected)
    tiny = np.zeros((40, 40), bool)
    tiny[0, :3] = True
    assert slice_score(score, tiny, **options) == pytest.approx(score[0, :3].mean())
    assert slice_score(score, ~large, **options) is None
