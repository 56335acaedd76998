"""Lesion counts by hand: the cases in which rules disagree (trap 4)."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.labelmaps import compare
from tumorboard.metrics.lesions import LesionRules, find_lesions, match_lesions


def draw(*boxes: tuple[int, int], value: int = 1) -> np.ndarray:
    """Bars along the first axis."""
    mask = np.zeros((60, 4, 4), np.uint8)
    for start, stop in boxes:
        mask[start:stop, 1, 1] = value
    return mask


def count(reference: np.ndarray, prediction: np.ndarray, **options) -> tuple[int, int, int]:
    rules = LesionRules(**options)
    pair = compare(reference, prediction, spacing_mm=(1, 1, 1), labels={1: "GTVn"})
    counts = match_lesions(find_lesions(pair, [1], connectivity=rules.connectivity)[1], rules)
    return counts.tp, counts.fp, counts.fn


def test_empty_sides() -> None:
    nothing, one = draw(), draw((2, 6))
    assert count(nothing, nothing) == (0, 0, 0)
    assert count(one, nothing) == (0, 0, 1)
    assert count(nothing, one) == (0, 1, 0)
    for matching in ("optimal", "merged"):
        assert count(nothing, nothing, matching=matching) == (0, 0, 0)
        assert count(one, nothing, matching=matching) == (0, 0, 1)
        assert count(nothing, one, matching=matching) == (0, 1, 0)
    pair = compare(nothing, nothing, spacing_mm=(1, 1, 1), labels={1: "GTVn"})
    counts = match_lesions(find_lesions(pair, [1])[1], LesionRules())
    assert counts.f1 is counts.precision is counts.recall is None


def test_iou_of_exactly_30_percent() -> None:
    """3 of 10 voxels: a hit for >=, none for >, although 0.3 is not a binary number."""
    for scale in (1, 3):
        reference, prediction = draw((0, 10 * scale)), draw((0, 3 * scale))
        assert count(reference, prediction, strict=True) == (0, 1, 1)
        assert count(reference, prediction, strict=False) == (1, 0, 0)
    assert count(draw((0, 50)), draw((0, 16))) == (1, 0, 0)  # 0.32
    assert count(draw((0, 50)), draw((0, 14)), strict=False) == (0, 1, 1)  # 0.28


def test_one_prediction_covers_two_nodes() -> None:
    reference, prediction = draw((2, 6), (8, 12)), draw((2, 12))  # IoU 0.4 with each
    assert count(reference, prediction) == (1, 0, 1)
    assert count(reference, prediction, matching="optimal") == (1, 0, 1)
    assert count(reference, prediction, matching="merged") == (1, 0, 0)  # 8 of 10 voxels


def test_two_predictions_on_one_node() -> None:
    reference, prediction = draw((2, 12)), draw((2, 6), (8, 12))
    assert count(reference, prediction) == (1, 1, 0)
    assert count(reference, prediction, matching="merged") == (1, 0, 0)


def test_greedy_takes_the_best_pair_where_optimal_takes_more_pairs() -> None:
    """A = [0, 20), B = [21, 41); P = [8, 32) touches both, Q = [0, 7) touches A.

    IoU(A, P) = 12/32 = 0.375, IoU(A, Q) = 7/20 = 0.35, IoU(B, P) = 11/33 = 0.333. Greedy pairs A with P and
    leaves B and Q alone; the optimal rule pairs A with Q and B with P.
    """
    reference, prediction = draw((0, 20), (21, 41)), draw((8, 32), (0, 7))
    assert count(reference, prediction) == (1, 1, 1)
    assert count(reference, prediction, matching="optimal") == (2, 0, 0)


def test_merged_groups_that_fail_count_every_member() -> None:
    """One voxel shared by a large node and two predictions' bridge: the group fails, nobody hits."""
    reference, prediction = draw((0, 20), (30, 40)), draw((19, 31))
    assert count(reference, prediction, matching="merged") == (0, 1, 2)


@pytest.mark.parametrize(("step", "joined_by"), [((0, 0, 1), (6, 18, 26)), ((0, 1, 1), (18, 26)), ((1, 1, 1), (26,))])
def test_touching_by_face_edge_and_corner(step: tuple[int, int, int], joined_by: tuple[int, ...]) -> None:
    reference = np.zeros((6, 6, 6), np.uint8)
    reference[2, 2, 2] = 1
    reference[tuple(2 + s for s in step)] = 1
    for connectivity in (6, 18, 26):
        lesions = 1 if connectivity in joined_by else 2
        assert count(reference, reference, connectivity=connectivity) == (lesions, 0, 0)


def test_conglomerate_nodes_are_one_lesion() -> None:
    """Two nodes that touch are one component; a prediction of one half alone is IoU 0.5 with it."""
    reference, prediction = draw((2, 6), (6, 10)), draw((2, 6))
    assert count(reference, prediction) == (1, 0, 0)
    assert count(reference, prediction, iou=0.5) == (0, 1, 1)


def test_small_components_may_be_taken_away_by_side() -> None:
    reference, prediction = draw((0, 1), (10, 20)), draw((10, 20), (30, 31), (40, 42))
    assert count(reference, prediction) == (1, 2, 1)
    assert count(reference, prediction, minimum_voxels=2) == (1, 1, 0)
    assert count(reference, prediction, minimum_voxels=3) == (1, 0, 0)
    assert count(reference, prediction, minimum_voxels=3, minimum_side="prediction") == (1, 0, 1)
    assert count(reference, prediction, minimum_voxels=3, minimum_side="reference") == (1, 2, 0)


def test_components_of_different_labels_do_not_join_or_match() -> None:
    reference, prediction = draw((0, 5)) + draw((5, 10), value=2), draw((0, 10), value=2)
    pair = compare(reference, prediction, spacing_mm=(1, 1, 1), labels={1: "GTVp", 2: "GTVn"})
    found = find_lesions(pair, [1, 2])
    assert found[1].reference_voxels.tolist() == [5]
    assert found[1].prediction_voxels.tolist() == []
    assert found[1].missed_voxels() == 5
    assert found[2].overlap.tolist() == [5]
    assert found[2].invented_voxels() == 0


def test_counts_equal_a_plain_reading_on_random_maps() -> None:
    """Components by scipy, IoU of all pairs by numpy, greedy in plain Python."""
    from scipy import ndimage

    structures = {6: 1, 18: 2, 26: 3}
    rng = np.random.default_rng(3)
    for trial in range(12):
        reference, prediction = (rng.random((2, 12, 13, 14)) < rng.uniform(0.02, 0.2)).astype(np.uint8)
        prediction |= reference * (rng.random(reference.shape) < 0.8)
        connectivity = (6, 18, 26)[trial % 3]
        around = ndimage.generate_binary_structure(3, structures[connectivity])
        (a, n), (b, m) = (ndimage.label(mask, around) for mask in (reference, prediction))
        pairs = []
        for x in range(1, n + 1):
            for y in set(b[a == x].tolist()) - {0}:
                both, either = ((a == x) & (b == y)).sum(), ((a == x) | (b == y)).sum()
                if both / either > 0.3:
                    pairs.append((-both / either, x, y))
        taken: tuple[set[int], set[int]] = (set(), set())
        for _, x, y in sorted(pairs):
            if x not in taken[0] and y not in taken[1]:
                taken[0].add(x)
                taken[1].add(y)
        hits = len(taken[0])
        assert count(reference, prediction, connectivity=connectivity) == (hits, m - hits, n - hits)


@pytest.mark.parametrize(
    "options",
    [{"connectivity": 8}, {"matching": "hungarian"}, {"iou": 1.5}, {"minimum_side": "left"}],
)
def test_unknown_rules_are_refused(options: dict) -> None:
    with pytest.raises(TumorboardError) as error:
        LesionRules(**options)
    assert error.value.code.id == "MET107"
