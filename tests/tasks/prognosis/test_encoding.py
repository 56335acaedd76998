"""Clinical encoding: one meaning per cell whatever its source, fitted on training rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.prognosis.encoding import ClinicalEncoder

AGE = Variable("age", Kind.NUMERIC, missing=("na",))
HPV = Variable("hpv", Kind.CATEGORICAL, missing=("", "NA"))


def fitted() -> ClinicalEncoder:
    rows = [{"age": 40 + i, "hpv": i % 2} for i in range(20)] + [{"age": None, "hpv": None}] * 5
    return ClinicalEncoder.fit(rows, [AGE, HPV])


@pytest.mark.parametrize("one", [1, 1.0, "1", "1.0", " 1 ", True, np.int64(1), np.float32(1)])
def test_one_is_one_from_csv_xlsx_and_json(one: object) -> None:
    encoder = fitted()
    assert encoder.names == ["age", "hpv = (missing)", "hpv = 0", "hpv = 1"]
    assert encoder.transform([{"age": 50, "hpv": one}])[0, 1:].tolist() == [0, 0, 1]


@pytest.mark.parametrize("nothing", [{}, {"hpv": None}, {"hpv": ""}, {"hpv": "NA"}, {"hpv": float("nan")}])
def test_absent_null_and_empty_are_one_state(nothing: dict[str, object]) -> None:
    assert fitted().transform([{"age": 50, **nothing}])[0, 1:].tolist() == [1, 0, 0]


def test_missing_numbers_take_the_training_median_and_unseen_levels_no_column() -> None:
    encoder = fitted()
    x = encoder.transform([{"age": None, "hpv": 7}, {"age": "na", "hpv": 0}, {"age": 49.5, "hpv": 0}])
    assert x[0, 0] == x[1, 0] == x[2, 0]
    assert x[0, 1:].tolist() == [0, 0, 0]


def test_text_in_a_numeric_variable_is_a_coded_error() -> None:
    with pytest.raises(TumorboardError, match="PRG101"):
        fitted().transform([{"age": "about fifty", "hpv": 1}])


def test_rare_levels_are_pooled_and_constants_left_out() -> None:
    rows = [{"site": "larynx"}] * 10 + [{"site": "nose"}, {"site": "lip"}]
    encoder = ClinicalEncoder.fit(rows, [Variable("site", Kind.CATEGORICAL), Variable("empty", Kind.NUMERIC)])
    assert encoder.names == ["site = larynx", "site = (rare)"] and encoder.unused == ("empty",)
    assert encoder.transform([{"site": "lip"}]).tolist() == [[0, 1]]
