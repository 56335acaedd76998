"""ULS23's score, worked by hand."""

from __future__ import annotations

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.official.uls23 import sape, uls23_scores, uls23_values


def test_sape_has_no_factor_two() -> None:
    assert sape([30.0, 10.0, 0.0], [10.0, 0.0, 0.0]).tolist() == [0.5, 1.0, 0.0]


def test_score_by_hand() -> None:
    found = uls23_values([0.75, 0.0], long_mm=([30, 20], [10, 0]), short_mm=([10, 10], [10, 0]), consistency=[0.5, 1.0])
    # 0.8 * 0.75 + 0.05 * 0.5 + 0.05 * 1 + 0.1 * 0.5; an empty prediction keeps its consistency alone
    assert found.tolist() == pytest.approx([0.725, 0.1])


def test_lesions_and_patients_are_two_means() -> None:
    result = uls23_scores(["a", "a", "b"], [1.0, 0.5, 0.25], seed=0, axes="pixel centres")
    by_patient, by_lesion = result.scores
    assert (by_patient["value"], by_patient["n"]) == (0.5, 2)
    assert by_lesion["value"] == pytest.approx(1.75 / 3) and by_lesion["low"] is None
    assert result.rules["axes"] == "pixel centres"


def test_lengths_and_numbers() -> None:
    with pytest.raises(TumorboardError, match="MET106"):
        uls23_values([0.5], long_mm=([1, 2], [1, 2]), short_mm=([1, 2], [1, 2]), consistency=[1, 1])
    with pytest.raises(TumorboardError, match="MET105"):
        uls23_values([float("nan")], long_mm=([1], [1]), short_mm=([1], [1]), consistency=[1])
