"""Dates that are none, or cannot be read safely."""

import re
from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed, named
from tumorboard.core.errors import define
from tumorboard.core.naming import is_date

CODE = define(
    "TAB209",
    "Dates that are impossible, ambiguous or spreadsheet numbers",
    why="3/4/05 is a month apart from itself in the other convention; a serial number counts from 1900 or 1904.",
    fix='state `kind = "date"` and `date_format` in the schema; correct the cells that are no dates',
)
EXAMPLE = "31/2/2011; 3/25/2000 in a column of day/month/year; 24563 in a column of dates"
_DAY_1900 = -25567
"""1900-01-01 in days since 1970-01-01."""
_DAY_2100 = 47482


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        if column.is_date:
            days = column.values
            with np.errstate(invalid="ignore"):
                wrong = np.flatnonzero(column.known & ((days < _DAY_1900) | (days > _DAY_2100)))
            if len(wrong):
                shown = [str(np.datetime64(int(days[i]), "D")) for i in wrong]
                where = f"patients.{name}: {named(case.ids[wrong])}"
                yield finding(CODE, "error", where, found=f"dates {listed(shown, most=5)}", expected="1900 to 2100")
        elif is_date(name) and column.is_number:
            values = column.values[column.known]
            if len(values) and np.mean((values > 5_000) & (values < 80_000)) > 0.9:
                low, high = values.min(), values.max()
                yield finding(
                    CODE,
                    "warning",
                    f"patients.{name}",
                    found=f"spreadsheet serial numbers, {low:g} to {high:g}",
                    expected="dates; only differences of such numbers can be used",
                )
        elif column.is_text and (is_date(name) or "dates that read" in column.variable.note):
            yield from _text(name, column.counts, column.variable.note)


def _text(name: str, counts: dict[str, int], note: str) -> Iterator[CheckFinding]:
    if "equally well" in note:
        shown = note.split("equally well as ")[-1].split(":")[0]
        yield finding(
            CODE, "warning", f"patients.{name}", found=f"dates that read as {shown}", expected="one way to read them"
        )
        return
    parts = [(text, re.findall(r"\b(\d{1,2})[/.](\d{1,2})[/.]\d{2,4}\b", text)) for text in counts]
    first = sum(int(a) > 12 for _, found in parts for a, _b in found)
    second = sum(int(b) > 12 for _, found in parts for _a, b in found)
    if first and second:
        mixed = [text for text, found in parts if found][:6]
        yield finding(
            CODE,
            "warning",
            f"patients.{name}",
            found=f"day first in {first} cells and month first in {second}: {listed(mixed)}",
            expected="one order of day and month",
        )
