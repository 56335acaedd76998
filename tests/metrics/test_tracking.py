"""Centres and joins: by hand, at the edges of the published rules, and against another implementation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.tracking import (
    PairCounts,
    centre_hits,
    pair_counts,
    score_centres,
    sequence_agreement,
    sweep_pairs,
    target_radius_mm,
)


def test_radius_is_of_pixels_and_the_spacing_along_x() -> None:
    """Trap 4: 30 px at 0.5 mm are a radius of 7.5 mm, not 15 mm; the larger diameter counts, whichever comes first."""
    assert target_radius_mm([[30, 10], [8, 20]], [0.5, 0.8]).tolist() == [7.5, 8.0]


def test_ten_mm_is_the_smaller_of_radius_and_ten_and_includes_its_edge() -> None:
    errors = [[6, 8, 0], [6, 8, 0.001], [0, 3, 4], [0, 0, 5.0001], [np.nan] * 3]
    near, inside = centre_hits(errors, [12, 12, 5, 5, 12])
    # 10 <= 10; 10.0000001 > 10; 5 <= 5; 5.0001 > 5; no prediction
    assert near.tolist() == [True, False, True, False, False]
    # 10 < 12; < 12; 5 is not < 5; no; no
    assert inside.tolist() == [True, True, False, False, False]


def test_score_by_hand() -> None:
    """Errors 3, 4, 0 mm -> 5; 0, 0, 10 mm -> 10; radii 0.5 x 20/2 = 5 and 1 x 24/2 = 12."""
    score = score_centres(
        [[16, 8, 2], [5, 5, 4]],
        [[10, 0, 2], [5, 5, 2]],
        spacing_mm=[[0.5, 0.5, 5], [1, 1, 5]],
        diameters_px=[[20, 10], [24, 24]],
    )
    assert (score.cpm_10mm, score.cpm_radius, score.n) == (1.0, 0.5, 2)  # 5 <= 5 and 10 <= 10; 5 is not < 5
    assert score.error_mm == 7.5
    assert score.error_sd_mm == 2.5
    assert score.axes_mm == (1.5, 2.0, 5.0)


def test_without_a_prediction_a_lesion_is_missed_and_no_mean_is_made_up() -> None:
    nan = [np.nan] * 3
    score = score_centres([[0, 0, 0], nan], np.zeros((2, 3)), spacing_mm=np.ones((2, 3)), diameters_px=[[9, 9]] * 2)
    assert (score.cpm_10mm, score.error_mm, score.axes_mm) == (0.5, None, None)
    assert score_centres([], [], spacing_mm=[], diameters_px=np.zeros((0, 2))).cpm_10mm is None


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TumorboardError, match="MET106"):
        score_centres([[0, 0, 0]], np.zeros((2, 3)), spacing_mm=np.ones((2, 3)), diameters_px=[[9, 9]] * 2)
    with pytest.raises(TumorboardError, match="MET104"):
        score_centres([[0, 0, 0]], [[0, 0, 0]], spacing_mm=[[1, 0, 1]], diameters_px=[[9, 9]])
    with pytest.raises(TumorboardError, match="MET106"):
        pair_counts([1, 2], [1])
    with pytest.raises(TumorboardError, match="MET106"):
        sequence_agreement([1, 2], [1])


def test_pairs_by_hand() -> None:
    # truth {0, 1, 2}, {3, 4}; said {0, 1}, {2, 3}, {4}: true pairs 4, one found, one wrong
    counts = pair_counts([1, 1, 1, 2, 2], ["a", "a", "b", "b", "c"])
    assert counts == PairCounts(1, 1, 3)
    assert counts.precision == 0.5
    assert counts.recall == 0.25
    assert counts.f1 == pytest.approx(2 / 6)
    assert counts + PairCounts(1, 0, 0, 2) == PairCounts(2, 1, 3, 2)
    empty = pair_counts([1, 2], [1, 2])
    assert (empty.precision, empty.recall, empty.f1) == (None, None, None)


def test_a_truth_with_gaps_judges_only_what_it_contradicts() -> None:
    """Lesions 0-1 are linked at exams 1, 2; lesions 2-3 at exams 3, 4; lesion 4 at exam 2 has a partner 5 at exam 1."""
    truth, exams = [0, 0, 1, 1, 2, 2], [1, 2, 3, 4, 2, 1]
    chained = pair_counts(truth, [0, 0, 0, 0, 2, 2], exams=exams)
    assert chained == PairCounts(3, 0, 0, 4)  # 0 and 1 with 2 and 3: no one speaks of exams 1-2 against 3-4
    crossed = pair_counts(truth, [0, 1, 2, 2, 0, 1], exams=exams)
    assert crossed == PairCounts(1, 2, 2, 0)  # 0 with 4: its partner at exam 2 is 1; 1 with 5: its own is 0
    assert pair_counts([0, 1], [0, 0], exams=[1, 1]) == PairCounts(0, 1, 0)  # two lesions of one exam


def test_pairs_are_those_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        truth, said = random.integers(0, 4, (2, 9))
        pairs = list(itertools.combinations(range(9), 2))
        same = {p for p in pairs if truth[p[0]] == truth[p[1]]}
        joined = {p for p in pairs if said[p[0]] == said[p[1]]}
        assert pair_counts(truth, said) == PairCounts(len(same & joined), len(joined - same), len(same - joined))


def test_sweep_by_hand() -> None:
    counts = sweep_pairs([1, 2, 3, 4], [True, False, True, False], [0.5, 2, 4])
    assert counts == [PairCounts(0, 0, 2), PairCounts(1, 1, 1), PairCounts(2, 2, 0)]


def test_sequences_by_hand() -> None:
    """Truth a a a b b b, said 1 1 2 2 3 3: purity (2 + 1 + 2) / 6; the Rand index by its formula from pair counts."""
    found = sequence_agreement(list("aaabbb"), [1, 1, 2, 2, 3, 3])
    assert found["track_purity"] == pytest.approx(5 / 6)
    # pairs in both 2, in truth 6, in said 3, of 15: (2 - 18/15) / ((6 + 3) / 2 - 18/15)
    assert found["track_ari"] == pytest.approx((2 - 1.2) / (4.5 - 1.2))
    entropy_truth, entropy_said = np.log(2), np.log(3)
    joint = -(2 * (1 / 3) * np.log(1 / 3) + 2 * (1 / 6) * np.log(1 / 6))
    information = entropy_truth + entropy_said - joint
    assert found["track_nmi"] == pytest.approx(information / ((entropy_truth + entropy_said) / 2))
    assert sequence_agreement([1, 2], [1, 2])["track_ari"] == 1
    assert sequence_agreement([], [])["track_purity"] is None
