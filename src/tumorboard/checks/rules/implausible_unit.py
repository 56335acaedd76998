"""Values that do not fit the quantity and unit that a heading names."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tumorboard.checks.case import Case, Column
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.core.naming import DAYS_PER, is_age, is_duration, stated_time_unit, words

CODE = define(
    "TAB207",
    "Values that do not fit the unit that the column's name states",
    why="Joined with another cohort in the stated unit, the values are off by the ratio of the two units.",
    fix="state the true unit in the schema (`unit`), or convert",
)
EXAMPLE = 'a column "Age ... (Days)" with a median of 64'


@dataclass(frozen=True)
class Quantity:
    """Words that name it -> median of any adult cohort, by unit."""

    names: tuple[frozenset[str], ...]
    medians: dict[str, tuple[float, float]]


def _words(*alternatives: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(text.split()) for text in alternatives)


# Generous ranges of cohort medians in adults (Harrison's Principles, appendix of laboratory values, widened twofold).
_QUANTITIES = (
    Quantity(_words("height"), {"cm": (120, 210), "m": (1.2, 2.1), "in": (48, 82)}),
    Quantity(_words("weight", "bw"), {"kg": (35, 130), "lbs": (80, 290), "g": (35e3, 130e3)}),
    Quantity(_words("bmi"), {"": (15, 45), "kg": (15, 45)}),
    Quantity(_words("hgb", "hemoglobin", "haemoglobin", "hb"), {"g dl": (6, 18), "g l": (60, 180), "mmol": (4, 12),
                                                                 "mmolperlitre": (4, 12)}),
    Quantity(_words("albumin"), {"g dl": (1.5, 6), "g l": (15, 60)}),
    Quantity(_words("rt dose", "total dose", "dose gy"), {"gy": (8, 90), "cgy": (800, 9000)}),
)  # fmt: skip
_EITHER = {"hgb", "hemoglobin", "haemoglobin", "hb", "albumin", "height", "weight"}
_DURATION_YEARS = 30.0
_AGE = (2, 105)


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        if not column.is_number or not column.has_typical_value:
            continue
        median = float(np.median(column.values[column.known]))
        if is_age(name):
            yield from _age(name, column, median)
        elif is_duration(name):
            yield from _duration(name, column)
        else:
            yield from _quantity(name, column, median)


def _age(name: str, column: Column, median: float) -> Iterator[CheckFinding]:
    unit = stated_time_unit(name) or column.variable.unit or "years"
    if unit not in DAYS_PER:
        return
    years = median * DAYS_PER[unit] / DAYS_PER["years"]
    if _AGE[0] <= years <= _AGE[1]:
        return
    fits = [u for u, days in DAYS_PER.items() if 15 <= median * days / DAYS_PER["years"] <= _AGE[1]]
    yield _finding(name, median, f"{unit} (would be {years:.3g} years)", fits)


def _duration(name: str, column: Column) -> Iterator[CheckFinding]:
    unit = stated_time_unit(name) or column.variable.unit
    if unit not in DAYS_PER:
        return
    late = float(np.percentile(column.values[column.known], 90))
    years = late * DAYS_PER[unit] / DAYS_PER["years"]
    if years > _DURATION_YEARS:
        fits = [u for u, days in DAYS_PER.items() if 0.25 < late * days / DAYS_PER["years"] < _DURATION_YEARS]
        yield finding(
            CODE,
            "warning",
            f"patients.{name}",
            found=f"a tenth of the follow-up times above {late:g} {unit} ({years:.0f} years)",
            expected=f"a follow-up shorter than a career; the values fit {' or '.join(fits) or 'no unit of time'}",
        )


def _quantity(name: str, column: Column, median: float) -> Iterator[CheckFinding]:
    said = words(f"{name} {column.variable.unit}")
    for quantity in _QUANTITIES:
        if not any(need <= set(said) for need in quantity.names) or len(said) > 6:
            continue
        if {"loss", "change", "index", "group", "surface", "area", "ratio", "mean", "fraction", "fx"} & set(said):
            return
        stated = [unit for unit in quantity.medians if unit and _has(said, unit)]
        if stated:
            low, high = quantity.medians[stated[-1]]
        elif "" in quantity.medians or any(word in _EITHER for word in said):
            low, high = min(r[0] for r in quantity.medians.values()), max(r[1] for r in quantity.medians.values())
        else:
            return
        if not low <= median <= high:
            fits = [unit for unit, (a, b) in quantity.medians.items() if a <= median <= b]
            yield _finding(name, median, stated[-1] if stated else "any unit in use", fits)
        return


def _has(said: list[str], unit: str) -> bool:
    parts = unit.split()
    return any(said[i : i + len(parts)] == parts for i in range(1, len(said) - len(parts) + 1))


def _finding(name: str, median: float, unit: str, fits: list[str]) -> CheckFinding:
    return finding(
        CODE,
        "warning",
        f"patients.{name}",
        found=f"a median of {median:g}, which cannot be {unit}",
        expected=f"values in the stated unit; they fit {' or '.join(u or 'kg/m2' for u in fits) or 'none'}",
    )
