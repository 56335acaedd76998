"""A follow-up that is known only for those who had the event."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case, Timed
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "OUT205",
    "A time that is known only for patients with the event",
    why="Without the censored patients everybody seems to die early; any survival estimate from it is biased.",
    fix="do not use it as an endpoint; build the time from last contact for the others, or use another endpoint",
)
EXAMPLE = "overall survival filled in for the 73 dead and empty for the 96 alive"
MIN_PATIENTS = 8


def find(case: Case) -> Iterator[CheckFinding]:
    for timed in case.timed:
        known = np.isfinite(timed.time)
        if known.sum() < MIN_PATIENTS:
            continue
        if timed.declared:
            yield from _declared(case, timed, known)
            continue
        by = [(i.name, _as_event(i.value, i.polarity, by_levels=i.by_levels)) for i in case.indicators]
        by = [(name, event) for name, event in by if _only_events(known, event)]
        if by:
            name, event = max(by, key=lambda one: float(known[one[1] == 1].mean() - known[one[1] == 0].mean()))
            yield finding(
                CODE,
                "warning",
                f"patients.{timed.name}",
                found=f"a time for {int((known & (event == 1)).sum())} of {int((event == 1).sum())} patients with an "
                f"event by {name!r}, and for {int((known & (event == 0)).sum())} of {int((event == 0).sum())} without",
                expected="a time for all, censored where nothing happened",
            )


def _declared(case: Case, timed: Timed, known: np.ndarray) -> Iterator[CheckFinding]:
    events = int((timed.event == 1).sum())
    if events >= 0.95 * known.sum() and known.sum() <= 0.9 * len(case):
        yield finding(
            CODE,
            "warning",
            f"outcomes.{timed.name}",
            found=f"{events} events and {int(known.sum()) - events} censored; {len(case) - int(known.sum())} patients "
            "without a usable time",
            expected="censored patients with their follow-up",
        )


def _as_event(value: np.ndarray, polarity: str | None, *, by_levels: bool) -> np.ndarray:
    return 1 - value if polarity == "censored" and not by_levels else value


def _only_events(known: np.ndarray, event: np.ndarray) -> bool:
    yes, no = event == 1, event == 0
    if yes.sum() < MIN_PATIENTS or no.sum() < MIN_PATIENTS:
        return False
    return bool(known[yes].mean() >= 0.6 and known[no].mean() <= 0.05)
