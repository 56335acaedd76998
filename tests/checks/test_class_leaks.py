"""Features and orders that tell a class."""

from __future__ import annotations

from tables import clean_columns, cohort_of

from tumorboard.checks import run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable


def with_status(columns: dict, truth: list[str], *more: Variable) -> Cohort:
    cohort = cohort_of(columns, variables=more)
    rows = [{"patient_id": p, "endpoint": "HPV", "run_id": EXPERT, "class_value": v}
            for p, v in zip(columns["patient_id"], truth, strict=True)]  # fmt: skip
    return cohort.with_rows(outcomes=rows)


def found(cohort: Cohort, code: str) -> list[str]:
    return [finding.message for finding in run_checks(cohort) if finding.code == code]


def status(columns: dict, *, every: int = 3) -> list[str]:
    """A class that no column knows: by the third digit of a sum that nothing else uses."""
    return ["positive" if (7 * i * i + i) % every == 0 else "negative" for i in range(len(columns["patient_id"]))]


def test_levels_that_almost_tell_the_class() -> None:
    columns = clean_columns()
    truth = status(columns)
    assert found(with_status(columns, truth), "OUT207") == []
    proxy = ["late" if value == "positive" else "early" for value in truth]
    proxy[1] = "late" if proxy[1] == "early" else "early"  # one in 240 the other way: no level is pure
    other = proxy.index("late", 5)
    proxy[other] = "early"
    (said,) = found(with_status(columns | {"course": proxy}, truth, Variable("course", Kind.CATEGORICAL)), "OUT207")
    assert "course: its levels tell the classes" in said
    weak = ["late" if (value == "positive") != (i % 8 == 0) else "early" for i, value in enumerate(truth)]
    assert found(with_status(columns | {"course": weak}, truth), "OUT207") == [], "right in seven of eight: no leak"


def test_the_order_of_rows_and_ids_that_tell_the_class() -> None:
    columns = clean_columns()
    truth = status(columns)
    assert found(with_status(columns, truth), "OUT210") == []
    (said,) = found(with_status(columns, sorted(truth)), "OUT210")
    assert "the order of the rows (AUC 1.000)" in said and "the number in patient_id" in said
    named = [f"{'POS' if v == 'positive' else 'NEG'}-{i:03d}" for i, v in enumerate(truth)]
    (said,) = found(with_status(columns | {"patient_id": named}, truth), "OUT210")
    assert "letters in patient_id" in said
