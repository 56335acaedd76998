"""A baseline variable that tells the time to the event."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import AS_PUBLISHED, Case, Column
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define
from tumorboard.core.naming import is_date, is_duration
from tumorboard.metrics.concordance import concordance

CODE = define(
    "OUT211",
    "A variable that tells the time to the event",
    why="What orders the patients by their fate was recorded with it or after it: number of cycles given, date of the "
    "last visit, the follow-up itself. A model with it is perfect here and useless before treatment.",
    fix="take the variable out of `covariates`, or define it as of day zero",
)
EXAMPLE = "weeks on treatment among the variables for progression-free survival"
TELLING = 0.9
"""Concordance of one variable with the time that no honest baseline variable reaches; the best in public tables of
head-and-neck and lung cancer stay below 0.75."""
FEWEST = 25


def find(case: Case) -> Iterator[CheckFinding]:
    baseline = [c for n, c in case.variables.items() if c.variable.baseline and not n.endswith(AS_PUBLISHED)]
    for timed in (one for one in case.timed if one.declared):
        known = np.isfinite(timed.time) & np.isfinite(timed.event)
        told = []
        for column in baseline:
            reached = telling(column_values(column), timed.event, timed.time, known=known & column.known)
            if reached >= TELLING:
                told.append(f"{column.name} (concordance {reached:.3f})")
        if told:
            yield finding(
                CODE,
                "error",
                f"outcomes.{timed.name}",
                found=listed(told),
                expected=f"baseline variables, each with a concordance below {TELLING:g}",
            )
    late = [c.name for c in baseline if c.is_date or is_date(c.name) or is_duration(c.name)]
    if late:
        yield finding(
            CODE,
            "warning",
            "patients",
            found=f"among the variables to predict from: {listed(late)}, dates, or named like dates and durations",
            expected="what was known on day zero",
        )


def column_values(column: Column) -> NDArray[np.float64]:
    """Numbers as they are; levels as whole numbers in the order of the text; NaN where missing."""
    if not column.is_text:
        return column.values.astype(float)
    known = column.known
    values = np.full(len(column.values), np.nan)
    values[known] = np.unique(column.values[known].astype(str), return_inverse=True)[1]
    return values


def telling(
    values: NDArray[np.float64], event: NDArray[np.float64], time: NDArray[np.float64], *, known: NDArray[np.bool_]
) -> float:
    """Concordance of one variable with the time to the event, in whichever direction is the stronger; 0.5 where there
    are fewer than 25 patients or 10 events to judge by."""
    use = known & np.isfinite(values)
    if use.sum() < FEWEST or event[use].sum() < 10 or len(np.unique(values[use])) < 5:
        return 0.5
    value = concordance(event[use].astype(bool), time[use], values[use]).value
    return 0.5 if value is None else max(value, 1 - value)
