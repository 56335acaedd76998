"""Cells that do not read as the kind of their column."""

from collections.abc import Iterator

from tumorboard.checks.case import AS_PUBLISHED, Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "TAB201",
    "Cells that do not read as their column's kind",
    why='A number written as text (">50") becomes an empty cell; whether it is missing or large is a decision.',
    fix="decide what such cells mean (`missing`, `levels`, another `kind`) in the schema of the table",
)
EXAMPLE = 'pack-years of ">50" and "<5" in a column of numbers'


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.columns.items():
        if name.endswith(AS_PUBLISHED) and column.is_text:
            values = [f"{text!r} ({n})" for text, n in column.counts.most_common()]
            yield finding(
                CODE,
                "warning",
                f"patients.{name.removesuffix(AS_PUBLISHED)}",
                found=f"{sum(column.counts.values())} cells kept as published: {listed(values, most=8)}",
                expected=f"{column.variable.note.rsplit(' ', 1)[-1] or 'readable'} values",
            )
