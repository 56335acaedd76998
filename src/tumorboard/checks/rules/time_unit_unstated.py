"""Times without a unit."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.core.naming import DAYS_PER

CODE = define(
    "OUT209",
    "A time whose unit is stated nowhere",
    why="Years read as months are plausible and wrong; only the source knows.",
    fix="state the unit in the schema of the table",
)
EXAMPLE = 'a column "Length FU" with values from 0.1 to 15'


def find(case: Case) -> Iterator[CheckFinding]:
    for timed in case.timed:
        if timed.declared or timed.unit is not None or np.isfinite(timed.time).sum() < 5:
            continue
        late = float(np.nanpercentile(timed.time, 95))
        fits = [u for u, days in DAYS_PER.items() if 0.5 <= late * days / DAYS_PER["years"] <= 25]
        yield finding(
            CODE,
            "info",
            f"patients.{timed.name}",
            found=f"values up to {np.nanmax(timed.time):g} and no unit",
            expected=f"a stated unit; a follow-up of half a year to 25 years would be {' or '.join(fits) or 'none'}",
        )
