"""Ages nobody has."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed, named
from tumorboard.core.errors import define
from tumorboard.core.naming import DAYS_PER, is_age, stated_time_unit

CODE = define(
    "TAB208",
    "Ages that nobody has",
    why="A negative or very high age is a typing mistake or a two-digit year; it has leverage on every model with age.",
    fix="correct the age from the source, or leave it empty",
)
EXAMPLE = "an age of 182, or -3"
OLDEST_YEARS = 115.0


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        if not column.is_number or not (is_age(name) or name == "age_years"):
            continue
        unit = stated_time_unit(name) or column.variable.unit or "years"
        years = column.values * DAYS_PER.get(unit, DAYS_PER["years"]) / DAYS_PER["years"]
        if column.has_typical_value and np.median(years[column.known]) > OLDEST_YEARS:
            continue  # the whole column is in another unit: that is TAB207's to say
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(column.known & ((years < 0) | (years > OLDEST_YEARS) | ~np.isfinite(years)))
        if len(wrong):
            values = [f"{column.values[i]:g} ({case.ids[i]})" for i in wrong]
            yield finding(
                CODE,
                "error",
                f"patients.{name}: {named(case.ids[wrong])}",
                found=f"ages of {listed(values, most=6)}",
                expected=f"0 to {OLDEST_YEARS:g} years",
            )
