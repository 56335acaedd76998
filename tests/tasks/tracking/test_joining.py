"""Lesion graph and assignment: by hand, on random graphs, and trap 8 (series, rows, studies are not time)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tumorboard.tasks.tracking.assignment import assigned_sequences, merge_series
from tumorboard.tasks.tracking.edges import Edges
from tumorboard.tasks.tracking.graph import graph_sequences, kept_edges


def edges_of(points: list[float], exams: str, *, series: str = "", types: str = "") -> Edges:
    """Lesions on a line, one letter of `exams`, `series` and `types` each."""
    x = np.array(points, float)
    kinds = np.array(list(types or "a" * len(x)))
    names = [f"{exam}{one}" for exam, one in zip(exams, series or "1" * len(x), strict=True)]
    return Edges(
        np.abs(x[:, None] - x), kinds[:, None] != kinds, np.array(list(exams), dtype=np.str_), np.array(names, np.str_)
    )


def together(sequences: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(sequences == one).tolist()) for one in set(sequences.tolist())}


def test_graph_by_hand() -> None:
    """0 and 1 (exam a) both near 2 (exam b): the nearer edge alone stays. 3 is of another type, 4 too far."""
    edges = edges_of([0, 3, 4, 4.5, 30], "aabcc", types="xxxyx")
    kept = kept_edges(edges, threshold=10)
    assert {(i, j) for i, j in np.argwhere(kept).tolist() if i < j} == {(1, 2)}
    assert together(graph_sequences(edges, threshold=10)) == {frozenset({1, 2}), *map(frozenset, ([0], [3], [4]))}
    assert graph_sequences(edges_of([], ""), threshold=10).shape == (0,)


def test_the_graph_chains_two_lesions_of_one_exam_and_the_assignment_does_not() -> None:
    """Lesions 0 and 1 of exam a, at 0 and 10 mm, meet in the graph through 4.2 mm (exam b) and 8 mm (exam c)."""
    edges = edges_of([0.0, 10.0, 4.2, 8.0], "aabc")
    chained = graph_sequences(edges, threshold=5)
    assert chained[0] == chained[1]  # 0-2 (4.2), 2-3 (3.8), 3-1 (2): one component
    assigned = assigned_sequences(edges, threshold=5, differs=0)
    assert together(assigned) == {frozenset({1, 2, 3}), frozenset({0})}


def test_every_sequence_has_one_lesion_per_exam_whatever_the_order_of_rows() -> None:
    random = np.random.default_rng(1)
    for _ in range(40):
        points = random.uniform(0, 40, 9).round(3)
        exams = np.array(list("aaabbbccd"))
        edges = edges_of(points.tolist(), "".join(exams))
        found = together(assigned_sequences(edges, threshold=12, differs=0))
        for lesions in found:
            assert len({exams[i] for i in lesions}) == len(lesions)
        order = random.permutation(9)
        again = together(assigned_sequences(edges.part(order), threshold=12, differs=0))
        assert {frozenset(order[i] for i in lesions) for lesions in again} == found
        graph = together(graph_sequences(edges, threshold=12))
        again = together(graph_sequences(edges.part(order), threshold=12))
        assert {frozenset(order[i] for i in lesions) for lesions in again} == graph


def test_two_exams_are_assigned_as_well_as_can_be() -> None:
    """With two exams the sum of (threshold - weight) is that of the best of all assignments."""
    random = np.random.default_rng(2)
    for _ in range(30):
        one, two = random.uniform(0, 30, 3), random.uniform(0, 30, 3)
        edges = edges_of([*one, *two], "aaabbb")
        found = assigned_sequences(edges, threshold=10, differs=0)
        gain = 10 - np.abs(one[:, None] - two)
        mine = sum(gain[i, j] for i in range(3) for j in range(3) if found[i] == found[3 + j])
        best = max(sum(max(gain[i, j], 0.0) for i, j in enumerate(order)) for order in itertools.permutations(range(3)))
        assert mine == pytest.approx(best)


def test_two_series_of_one_exam_are_one_time_point() -> None:
    """Lesion 0 and its second mark 1 (series 2 of exam a), lesion 2 of series 1: two time points, not three."""
    edges = edges_of([0, 1, 20, 2, 21], "aaabb", series="12111")
    assert merge_series(edges.weights, edges, threshold=10) == [[0, 1], [2], [3], [4]]
    assert together(assigned_sequences(edges, threshold=10, differs=0)) == {frozenset({0, 1, 3}), frozenset({2, 4})}
    alike = edges_of([0, 0.5], "aa", series="11")  # one series: two lesions, however near
    assert together(assigned_sequences(alike, threshold=10, differs=0)) == {frozenset({0}), frozenset({1})}


def test_types_that_differ_cost_and_places_that_are_not_known_join_nothing() -> None:
    edges = edges_of([0, 5], "ab", types="xy")
    assert len(together(assigned_sequences(edges, threshold=10, differs=4))) == 1
    assert len(together(assigned_sequences(edges, threshold=10, differs=6))) == 2
    lost = Edges(np.full((2, 2), np.inf), np.zeros((2, 2), bool), edges.exams, edges.series)
    assert len(together(assigned_sequences(lost, threshold=10, differs=0))) == 2
    assert len(together(graph_sequences(lost, threshold=10))) == 2
