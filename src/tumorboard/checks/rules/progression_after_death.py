"""Progression-free time longer than overall survival."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case, Timed
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "OUT203",
    "Progression-free time longer than overall survival",
    why="Death ends progression-free survival, so it cannot be the longer one; one of the times or units is wrong.",
    fix="correct the rows from the source; check that both times count from the same day in the same unit",
)
EXAMPLE = "progression after 14.2 months in a patient who died after 11.0"
MANY = 0.25
"""Part of the patients beyond which not single rows but the two definitions are at odds."""
_FREE = {"PFS", "RFS", "DFS", "EFS"}


def find(case: Case) -> Iterator[CheckFinding]:
    overall = [timed for timed in case.timed if timed.endpoint == "OS"]
    for free in case.timed:
        partners = [os for os in overall if os.declared == free.declared and _comparable(os, free)]
        if free.endpoint in _FREE and partners:  # of several follow-up times the one that counts from the same day
            yield from _compare(case, free, min(partners, key=lambda os: int(_longer(free, os).sum())))


def _comparable(a: Timed, b: Timed) -> bool:
    return (a.unit is None) == (b.unit is None)


def _longer(free: Timed, overall: Timed) -> NDArray[np.bool_]:
    slack = np.maximum(0.01 * overall.days, 5.0 if overall.unit else 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(free.days > overall.days + slack)


def _compare(case: Case, free: Timed, overall: Timed) -> Iterator[CheckFinding]:
    longer = _longer(free, overall)
    both = int((np.isfinite(free.days) & np.isfinite(overall.days)).sum())
    if longer.sum() > MANY * both:
        shift = float(np.median(free.days[longer] - overall.days[longer]))
        yield finding(
            CODE,
            "warning",
            f"outcomes {free.name}, {overall.name}",
            found=f"{int(longer.sum())} of {both} patients whose {free.name} is longer than their {overall.name}, by a "
            f"median of {shift:.0f} days",
            expected="both times from the same day in the same unit",
        )
        return
    for dead in (True, False):
        wrong = np.flatnonzero(longer & ((overall.event == 1) == dead))
        if len(wrong):
            yield finding(
                CODE,
                "error" if dead and np.mean(free.event[wrong] == 1) > 0.5 else "warning",
                f"outcomes {free.name}, {overall.name}: {named(case.ids[wrong])}",
                found=f"{len(wrong)} of {both} patients whose {free.name} is longer than their {overall.name}"
                + (" although they died" if dead else ""),
                expected=f"{free.name} at most as long as {overall.name}",
            )
