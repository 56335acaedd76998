"""Patients of whom next to nothing is known."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define
from tumorboard.core.naming import means_missing

CODE = define(
    "PAT203",
    "Rows of patients that are almost empty",
    why="Imputation fills such a row with the averages of the others and counts an invented patient.",
    fix="leave the patient out, or find the missing row in the source",
)
EXAMPLE = "one row in which every clinical column is NA beside an id"
MIN_COLUMNS = 5
MISSING = 0.5
"""Part of the usually known columns that is missing."""


def find(case: Case) -> Iterator[CheckFinding]:
    columns = [column for name, column in case.variables.items() if name != "centre" and len(column.counts) > 1]
    if len(columns) < MIN_COLUMNS or len(case) < 5:
        return
    known = np.column_stack(
        [
            column.known & ~np.array([means_missing(v or "") for v in column.values], bool)
            if column.is_text
            else column.known
            for column in columns
        ]
    )
    usual = known.mean(axis=0) >= 0.9
    if usual.sum() < MIN_COLUMNS:
        return
    missing = 1 - known[:, usual].mean(axis=1)
    empty = np.flatnonzero(missing >= MISSING)
    if 0 < len(empty) <= 0.05 * len(case) + 1:
        yield finding(
            CODE,
            "warning",
            f"patients: {named(case.ids[empty])}",
            found=f"{len(empty)} rows without most of the {int(usual.sum())} values that the other patients have",
            expected="a row with the values of a patient",
        )
