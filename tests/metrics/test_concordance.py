"""C-index: sign, ties, missing scores, no admissible pair; agreement with lifelines and scikit-survival (trap 6)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.concordance import EARLIER, LATER, concordance


def test_three_patients_by_hand() -> None:
    event, time = [True, True, False], [100, 200, 300]
    assert concordance(event, time, [3, 2, 1]).value == 1.0
    assert concordance(event, time, [1, 2, 3]).value == 0.0
    assert concordance(event, time, [100, 200, 300], higher_means=LATER).value == 1.0
    half = concordance(event, time, [2, 2, 1])
    assert (half.concordant, half.discordant, half.tied, half.pairs, half.value) == (2, 0, 1, 3, 2.5 / 3)


def test_equal_times() -> None:
    """Event and censoring on one day: the event came first. Two events on one day: not comparable."""
    assert concordance([True, False], [100, 100], [2, 1]).value == 1.0
    assert concordance([True, False], [100, 100], [1, 2]).value == 0.0
    assert concordance([True, True], [100, 100], [1, 2]).pairs == 0


@pytest.mark.parametrize(
    ("event", "time"), [([], []), ([True], [5]), ([False, False], [5, 6]), ([True, False], [6, 5])]
)
def test_no_admissible_pair_is_undefined_not_one_half(event: list[bool], time: list[float]) -> None:
    found = concordance(event, time, [1.0] * len(event))
    assert found.value is None
    assert found.pairs == 0


def test_missing_scores() -> None:
    event, time, score = [True, True, False], [100, 200, 300], [3.0, np.nan, 1.0]
    with pytest.raises(TumorboardError) as error:
        concordance(event, time, score)
    assert error.value.code.id == "MET105"
    omitted = concordance(event, time, score, missing="omit")
    assert (omitted.value, omitted.pairs, omitted.n, omitted.missing) == (1.0, 1, 2, 1)
    tied = concordance(event, time, score, missing="tie")  # pairs 1-2 and 2-3 give one half each
    assert (tied.value, tied.pairs, tied.tied, tied.n) == (2 / 3, 3, 2, 3)
    nobody = concordance(event, time, [np.nan] * 3, missing="tie")
    assert nobody.value == 0.5


@pytest.mark.parametrize(
    ("arguments", "options", "code"),
    [
        (([True], [1.0, 2.0], [1.0]), {}, "MET106"),
        (([True], [np.nan], [1.0]), {}, "MET105"),
        (([True], [1.0], [1.0]), {"higher_means": "risk"}, "MET107"),
        (([True], [1.0], [1.0]), {"missing": "zero"}, "MET107"),
    ],
)
def test_refusals(arguments: tuple, options: dict, code: str) -> None:
    with pytest.raises(TumorboardError) as error:
        concordance(*arguments, **options)
    assert error.value.code.id == code


def test_equals_lifelines_and_scikit_survival_on_random_data_with_ties() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines.utils import concordance_index

        censored = pytest.importorskip("sksurv.metrics").concordance_index_censored
    rng = np.random.default_rng(0)
    for n in (5, 20, 300, 300, 300):
        time = rng.integers(1, max(3, n // 2), n).astype(float)
        event = rng.random(n) < 0.5
        score = np.round(rng.normal(size=n) - time / n, 1)
        ours = concordance(event, time, score)
        if not ours.pairs:
            continue
        assert ours.value == pytest.approx(concordance_index(time, -score, event), abs=1e-12)
        value, concordant, discordant, tied, _ = censored(event, time, score)
        assert ours.value == pytest.approx(value, abs=1e-12)
        assert (ours.concordant, ours.discordant, ours.tied) == (concordant, discordant, tied)
        assert concordance(event, time, -score, higher_means=LATER).value == ours.value
        assert concordance(event, time, score, higher_means=EARLIER).value == ours.value


def test_the_order_of_patients_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    time, event, score = rng.integers(1, 30, 80).astype(float), rng.random(80) < 0.4, rng.integers(0, 9, 80)
    first = concordance(event, time, score)
    shuffled = rng.permutation(80)
    assert concordance(event[shuffled], time[shuffled], score[shuffled]) == first
