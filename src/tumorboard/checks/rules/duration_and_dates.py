"""Durations that contradict the dates they are made of."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from tumorboard.checks.case import Case, Timed
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define
from tumorboard.core.naming import DAYS_PER

CODE = define(
    "TAB211",
    "A follow-up time that contradicts the dates beside it",
    why="One of the two has a mistake, or the time counts from another day than thought; both shift survival curves.",
    fix="find out from which day the time counts, and correct the rows that differ",
)
EXAMPLE = "a length of follow-up two years longer than last contact minus start"
FAR_DAYS = 110.0
"""A third of a year: beyond what other days of start (diagnosis, first visit) explain."""
CLOSE_DAYS = 60.0


def find(case: Case) -> Iterator[CheckFinding]:
    dates = {name: column for name, column in case.variables.items() if column.is_date}
    if len(dates) < 2:
        return
    for timed in (t for t in case.timed if not t.declared):
        best: tuple[float, str, str, np.ndarray, str] | None = None
        for start, end in permutations(dates, 2):
            span = dates[end].values - dates[start].values
            for unit in [timed.unit] if timed.unit else DAYS_PER:
                gap = timed.time * DAYS_PER[unit] - span
                known = np.isfinite(gap)
                if known.sum() < max(10, 0.5 * np.isfinite(timed.time).sum()) or np.nanmedian(span) <= 0:
                    continue
                spread = float(np.percentile(np.abs(gap[known] - np.median(gap[known])), 75))
                if spread < CLOSE_DAYS and spread < 0.2 * np.nanmedian(span) and (best is None or spread < best[0]):
                    best = (spread, start, end, gap, unit)
        if best is not None:
            yield from _report(case, timed, *best[1:])


def _report(case: Case, timed: Timed, start: str, end: str, gap: np.ndarray, unit: str) -> Iterator[CheckFinding]:
    shift = float(np.nanmedian(gap))
    with np.errstate(invalid="ignore"):
        far = np.flatnonzero(np.abs(gap - shift) > FAR_DAYS)
    if len(far):
        yield finding(
            CODE,
            "warning",
            f"patients.{timed.name}: {named(case.ids[far])}",
            found=f"{len(far)} of {int(np.isfinite(gap).sum())} patients whose {timed.name!r} differs from {end!r} - "
            f"{start!r} by more than {FAR_DAYS:g} days (beyond the usual {shift:.0f})",
            expected=f"the same span in {unit}",
        )
    if abs(shift) > 7:
        yield finding(
            CODE,
            "info",
            f"patients.{timed.name}",
            found=f"a median of {shift:.0f} days more than {end!r} - {start!r}",
            expected="a time that counts from a day in the table; it seems to count from another",
        )
    if timed.unit is None:
        yield finding(
            CODE,
            "info",
            f"patients.{timed.name}",
            found=f"no unit in the name; {end!r} - {start!r} says {unit}",
            expected="the unit stated",
        )
