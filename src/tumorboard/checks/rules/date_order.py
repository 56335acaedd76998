"""Dates of one patient in an impossible order."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case, Column
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define
from tumorboard.core.naming import words

CODE = define(
    "TAB210",
    "Dates of one patient in an impossible order",
    why="A recurrence on or before the first day of treatment has a time of zero or less, which survival methods drop; "
    "a death before the last contact is a mistake in one of the two.",
    fix="correct the dates from the source; persistent disease is no recurrence with a date",
)
EXAMPLE = "a recurrence dated at the start of radiotherapy; a last follow-up after the death"
_BIRTH, _DIAGNOSIS, _START, _EVENT, _LAST, _DEATH = range(6)
_STRICT = {(_START, _EVENT)}
"""Pairs in which even the same day makes a time of zero."""


def find(case: Case) -> Iterator[CheckFinding]:
    dated = [
        (stage, name, c) for name, c in case.variables.items() if c.is_date and (stage := _stage(name)) is not None
    ]
    for stage, name, column in dated:
        for later, other, second in dated:
            if (
                stage < later
                and not (later == _LAST and stage == _EVENT)
                and not (stage == _DIAGNOSIS and later == _START)
            ):
                yield from _compare(case, (stage, name, column), (later, other, second))


def _stage(name: str) -> int | None:
    said = set(words(name))
    if {"birth", "dob"} & said:
        return _BIRTH
    if "death" in said or "died" in said:
        return _DEATH
    if {"start", "begin", "started"} & said and not {"imaging", "image", "scan"} & said:
        return _START
    if {"recurrence", "relapse", "local", "regional", "distant", "progression", "metastasis"} & said and not {
        "imaging",
        "modality",
    } & said:
        return _EVENT
    if "last" in said and {"fu", "followup", "contact", "alive", "seen", "known"} & said:
        return _LAST
    return _DIAGNOSIS if "diagnosis" in said or "diagnose" in said else None


def _compare(case: Case, first: tuple[int, str, Column], second: tuple[int, str, Column]) -> Iterator[CheckFinding]:
    (stage, name, before), (later, other, after) = first, second
    gap = after.values - before.values
    strict = (stage, later) in _STRICT
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(before.known & after.known & ((gap <= 0) if strict else (gap < 0)))
    both = int((before.known & after.known).sum())
    if len(wrong) and len(wrong) < 0.5 * both:
        yield finding(
            CODE,
            "warning",
            f"patients.{other}: {named(case.ids[wrong])}",
            found=f"{len(wrong)} of {both} patients with {other!r} {'on or ' if strict else ''}before {name!r}",
            expected=f"{other!r} after {name!r}",
        )
