"""Clinical encoding: one meaning per cell whatever its source, fitted on training rows alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical.encoding import ClinicalEncoder

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
    with pytest.raises(TumorboardError, match="VAR101"):
        fitted().transform([{"age": "about fifty", "hpv": 1}])


def test_rare_levels_are_pooled_and_constants_left_out() -> None:
    rows = [{"site": "larynx"}] * 10 + [{"site": "nose"}, {"site": "lip"}]
    encoder = ClinicalEncoder.fit(rows, [Variable("site", Kind.CATEGORICAL), Variable("empty", Kind.NUMERIC)])
    assert encoder.names == ["site = larynx", "site = (rare)"] and encoder.unused == ("empty",)
    assert encoder.transform([{"site": "lip"}]).tolist() == [[0, 1]]


SEX = Variable("sex", Kind.CATEGORICAL, levels={"0": "female", "1": "male"})
STAGE = Variable("stage", Kind.ORDINAL, levels={"0": "pTX", "1": "pT1", "2": "pT2", "3": "pT2a"})


@pytest.mark.parametrize("male", ["male", "M", " m ", "Male", 1, 1.0, "1", "1.0", True])
def test_sex_is_one_column_from_codes_letters_and_words(male: object) -> None:
    encoder = ClinicalEncoder.fit([{"sex": "male"}] * 9 + [{"sex": "female"}] * 9, [SEX])
    assert encoder.names == ["sex = female", "sex = male"]
    assert encoder.transform([{"sex": male}]).tolist() == [[0, 1]]


def test_a_sex_in_codes_nobody_stated_is_refused() -> None:
    # 1/2 in one table, 0/1 in the next: guessing would turn women into men.
    bare = Variable("sex", Kind.CATEGORICAL)
    encoder = ClinicalEncoder.fit([{"sex": "male"}] * 9 + [{"sex": "female"}] * 9, [bare])
    for code in (1, "2", 0.0):
        with pytest.raises(TumorboardError, match="VAR103"):
            encoder.transform([{"sex": code}])


def test_a_scale_is_its_steps_from_codes_and_words() -> None:
    encoder = ClinicalEncoder.fit([{"stage": str(i % 4)} for i in range(20)], [STAGE])
    assert encoder.names == ["stage"]
    x = encoder.transform([{"stage": 2}, {"stage": "2.0"}, {"stage": "pt2"}, {"stage": None}, {"stage": "pTX"}])
    assert x[0] == x[1] == x[2] == 0  # 15 of 20 are assessed: 0, 1 and 2 alike often, so 1 is median and mean
    assert x[3] == x[4] == 0
    assert encoder.transform([{"stage": "1"}]) < 0 < encoder.transform([{"stage": "pT2a"}])
    with pytest.raises(TumorboardError, match="VAR103"):
        encoder.transform([{"stage": "pT5"}])


@pytest.mark.parametrize("wild", ["inf", float("inf"), "nan or so", object()])
def test_what_is_no_finite_number_is_refused(wild: object) -> None:
    with pytest.raises(TumorboardError, match="VAR101"):
        fitted().transform([{"age": wild}])


def test_kept_and_read_back_it_gives_the_same_bits() -> None:
    encoder = fitted()
    back = ClinicalEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    rows = [{"age": 41.7, "hpv": 1}, {"hpv": "NA"}, {"age": "77"}]
    assert back == encoder and back.transform(rows).tobytes() == encoder.transform(rows).tobytes()
    with pytest.raises(TumorboardError, match="VAR104"):
        ClinicalEncoder.from_json({"parts": [{"median": 1}]})
