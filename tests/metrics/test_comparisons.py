"""Corrected resampled t and Holm, against closed forms and published examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.comparisons import against_reference, corrected_resampled_t, holm


def test_without_overlap_of_training_it_would_be_the_plain_t_test() -> None:
    d = np.array([0.01, 0.03, -0.005, 0.02, 0.015])
    plain = ttest_1samp(d, 0.0)
    # sqrt((1/k + r) / (1/k)) is the factor between the two statistics: 1.5 for five folds (r = 1/4).
    found = corrected_resampled_t(d, test_share=0.25)
    assert found.t == pytest.approx(plain.statistic / 1.5)
    assert found.mean == pytest.approx(0.014) and found.p_value is not None and found.p_value > plain.pvalue
    low, high = plain.confidence_interval()
    assert found.high is not None and found.low is not None
    assert found.high - found.low == pytest.approx(1.5 * (high - low))


def test_equal_folds_and_one_fold_have_no_test() -> None:
    assert corrected_resampled_t([0.01, 0.01], test_share=0.25).p_value is None
    assert corrected_resampled_t([0.01], test_share=0.25).low is None
    with pytest.raises(TumorboardError, match="MET105"):
        corrected_resampled_t([0.1, np.nan], test_share=0.25)
    with pytest.raises(TumorboardError, match="MET107"):
        corrected_resampled_t([0.1, 0.2], test_share=0)


def test_holm_steps_down() -> None:
    # By hand: sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
    with pytest.raises(TumorboardError, match="MET105"):
        holm([1.2])


def test_models_against_a_reference_over_folds() -> None:
    base = [0.60, 0.62, 0.58, 0.61, 0.59]
    gains = {"better": [0.03, 0.05, 0.04, 0.06, 0.02], "noisy": [0.05, -0.04, 0.02, -0.03, 0.01]}
    by_fold = {name: np.add(base, gain).tolist() for name, gain in gains.items()}
    found = against_reference(
        {**by_fold, "reference": base, "same": base, "broken": [np.nan, *base[1:]]},
        reference="reference",
        test_share=0.25,
    )
    # By hand: mean .04, variance .00025, error sqrt(.00025 (1/5 + 1/4)) = .0106066, t = 3.7712, 4 degrees of freedom,
    # p = .01962 (t table: 3.747 is .02); two comparisons are defined, so that one counts twice.
    assert found["better"] == pytest.approx(2 * 0.01962, abs=2e-4)
    assert found["noisy"] == pytest.approx(corrected_resampled_t(gains["noisy"], test_share=0.25).p_value)
    assert found["same"] is None and found["broken"] is None and "reference" not in found
