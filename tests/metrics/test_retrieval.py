"""Lists of similar lesions: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.registry import METRICS
from tumorboard.metrics.retrieval import (
    average_precisions,
    cluster_scores,
    contingency,
    mean_over_patients,
    mutual_information,
    precisions,
    purity,
    size_and_location_errors,
)


def test_precision_by_hand() -> None:
    hits = [["liver", "lung", "liver"], ["bone", "bone", None]]
    assert precisions(["liver", "bone"], hits, k=1).tolist() == [1.0, 1.0]
    assert precisions(["liver", "bone"], hits, k=3) == pytest.approx([2 / 3, 2 / 3])
    assert precisions(["lung", "liver"], hits, k=1).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("unknown", ["-1", "", "lesion", None, -1])
def test_an_unknown_type_is_neither_a_query_nor_a_class(unknown: object) -> None:
    """Trap 6."""
    with pytest.raises(TumorboardError, match="MET105"):
        precisions(np.array(["liver", unknown], object), [["liver"], ["liver"]], k=1)
    with pytest.raises(TumorboardError, match="MET105"):
        cluster_scores(np.array(["liver", unknown], object), [[0.0], [1.0]], ["a", "b"], seed=0)


def test_average_precision_is_scikit_learns() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    relevant = rng.random((20, 50)) < 0.2
    relevant[3] = False
    found = average_precisions(relevant)
    assert np.isnan(found[3])
    for row in (0, 7, 19):
        expected = average_precision_score(relevant[row], -np.arange(50))
        assert found[row] == pytest.approx(expected)
    assert average_precisions([[True, False, True]])[0] == pytest.approx((1 + 2 / 3) / 2)


def test_errors_of_location_and_size() -> None:
    queries = [[0.5, 10.0], [0.1, np.nan]]
    hits = [[[0.4, 12.0], [0.8, np.nan]], [[0.1, 3.0], [np.nan, 4.0]]]
    found = size_and_location_errors(queries, hits, k=2)
    assert found[0] == pytest.approx([0.2, 2.0])
    assert found[1][0] == pytest.approx(0.0) and np.isnan(found[1][1])
    assert size_and_location_errors(queries, hits, k=1)[0] == pytest.approx([0.1, 2.0])


def test_intervals_resample_patients_not_lesions() -> None:
    """Ten lesions of one patient are one patient."""
    values, one_each = [1.0] * 10 + [0.0] * 10, mean_over_patients([1.0] * 10 + [0.0] * 10, range(20), seed=0)
    two = mean_over_patients(values, ["a"] * 10 + ["b"] * 10, seed=0)
    assert one_each.value == two.value == 0.5
    assert (two.low, two.high) == (0.0, 1.0)
    assert one_each.high is not None and one_each.high < 0.8
    assert mean_over_patients([1.0, np.nan, 0.0], ["a", "b", "c"], seed=0).value == 0.5


def test_clusters_against_scikit_learn() -> None:
    from sklearn.metrics import normalized_mutual_info_score

    rng = np.random.default_rng(1)
    types, clusters = rng.integers(0, 4, 200), rng.integers(0, 5, 200)
    clusters[:120] = types[:120]
    table = contingency(types, clusters)
    assert table.sum() == 200
    assert mutual_information(table) == pytest.approx(normalized_mutual_info_score(types, clusters))
    assert purity([[3, 0], [1, 4]]) == pytest.approx(7 / 8)  # Manning et al.: the commonest of each cluster
    assert mutual_information([[5]]) == 1.0 and mutual_information(np.zeros((2, 2))) is None


def test_clusters_that_match_the_types() -> None:
    rng = np.random.default_rng(0)
    types = np.repeat(["liver", "lung", "bone"], 20)
    vectors = np.eye(3)[np.repeat([0, 1, 2], 20)] + 0.01 * rng.normal(size=(60, 3))
    found = cluster_scores(types, vectors, np.arange(60) // 2, seed=0, resamples=100)
    assert found.clusters == 3
    assert found.purity == (1.0, 1.0, 1.0) and found.nmi.value == pytest.approx(1.0)


def test_the_names_are_registered() -> None:
    for name in ("precision@1", "precision@9", "mean_average_precision", "size_error_mm", "purity", "nmi"):
        assert name in METRICS
