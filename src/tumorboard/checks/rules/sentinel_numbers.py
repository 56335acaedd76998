"""Numbers that stand for "not known"."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "TAB203",
    'A number that looks like a code for "not known"',
    why="-1 or 999 entered for missing shifts means and trains a model on who was not asked.",
    fix="list the number under `missing` of the column in the schema, or confirm that it is a value",
)
EXAMPLE = "-1 in a column of stages from 0 to 3; 999 among ages"
_SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0)


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        if not column.is_number or len(column.counts) < 2:
            continue
        hits = [value for value in _SENTINELS if column.counts[value] and _apart(value, column.values[column.known])]
        if hits:
            shown = [f"{value:g} in {column.counts[value]} patients" for value in hits]
            rest = [value for value in column.counts if value not in hits]
            yield finding(
                CODE,
                "warning",
                f"patients.{name}",
                found=listed(shown),
                expected=f"values like the others, {min(rest):g} to {max(rest):g}",
            )


def _apart(value: float, values: np.ndarray) -> bool:
    """Whether `value` stands outside all the others, which alone are of one sign (or far smaller)."""
    rest = values[~np.isin(values, _SENTINELS)]
    if len(rest) == 0:
        return False
    if value < 0:
        return bool(rest.min() >= 0)
    return bool(rest.max() < value / 3 and (rest >= 0).all() and len(np.unique(rest)) < value)
