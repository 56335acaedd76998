"""Outcomes whose time is zero or less."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "OUT201",
    "An outcome at or before time zero",
    why="Survival methods drop or mis-order such patients silently; they are often those with persistent disease.",
    fix="decide and write down: another day zero, half a day, or excluded; the published cells are in `outcomes.raw`",
)
EXAMPLE = "persistent disease dated at the start of radiotherapy: a recurrence after 0 days"


def find(case: Case) -> Iterator[CheckFinding]:
    early: dict[tuple[str, bool], list[str]] = {}
    for row in case.unusable_outcomes:
        if case.is_early(row):
            event = "of follow-up" not in row["problem"]
            early.setdefault((row["endpoint"], event), []).append(row["patient_id"])
    for (endpoint, event), patients in early.items():
        yield finding(
            CODE,
            "error" if event else "warning",
            f"outcomes.{endpoint}: {named(patients)}",
            found=f"{len(patients)} patients with {'an event' if event else 'a follow-up'} at a time of zero or less",
            expected="a time above 0 days",
        )
    for timed in case.timed:
        if timed.declared:
            continue
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(timed.time <= 0)
        if len(wrong):
            negative = int((timed.time[wrong] < 0).sum())
            events = int(np.nansum(timed.event[wrong]))
            yield finding(
                CODE,
                "error" if negative else "warning",
                f"patients.{timed.name}: {named(case.ids[wrong])}",
                found=f"{len(wrong)} patients with a time of zero ({len(wrong) - negative}) or less ({negative})"
                + (f", {events} of them with an event" if events else ""),
                expected="a time above 0",
            )
