"""A column of booleans whose dictionary says True and False holds no unknown code."""

from __future__ import annotations

from tumorboard.checks import run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.variables import Kind, Variable


def test_booleans_are_known_codes_and_other_numbers_are_not() -> None:
    smokes = Variable("smokes", Kind.BOOLEAN, levels={"False": "never", "True": "smokes"})
    patients = {"patient_id": [f"P{i}" for i in range(6)], "smokes": [True, False, True, None, False, True]}
    cohort = Cohort.build("six", dictionary=[smokes], patients=patients)
    assert [f for f in run_checks(cohort) if f.code == "TAB205"] == []
    numbers = Cohort.build("six", dictionary=[smokes], patients={**patients, "smokes": [1.0, 0.0, 9.0, None, 0.0, 1.0]})
    assert [f.code for f in run_checks(numbers) if f.severity == "error"] == ["TAB205"]
