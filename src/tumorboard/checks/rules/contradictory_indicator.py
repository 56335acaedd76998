"""A yes/no column whose content is the opposite of its name."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case, Indicator
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.core.naming import endpoint_of, words

CODE = define(
    "OUT206",
    "An event column that says the opposite of its name",
    why="Read by its name, every event becomes a censoring and every censoring an event; the model learns to be wrong.",
    fix="state in the schema which values mean that the event happened (`events`), and say so in a `note`",
)
EXAMPLE = '"Overall Survival Censor" that is 1 for the dead and 0 for the living'
MIN_EACH = 5
MIN_DIFFERENCE = 0.3
EARLIER = 0.2
"""Concordance of the value with follow-up time beyond which the sooner group must be the one with the event."""


def find(case: Case) -> Iterator[CheckFinding]:
    deaths = list(_deaths(case))
    for indicator in case.indicators:
        if indicator.by_levels:
            continue
        evidence = _by_deaths(indicator, deaths) or _by_time(case, indicator)
        if evidence:
            means = "censored" if indicator.polarity == "censored" else "the event"
            yield finding(
                CODE,
                "warning",
                f"patients.{indicator.name}",
                found=evidence,
                expected=f"1 to mean {means}, as the name says",
            )
    for timed in (t for t in case.timed if t.declared and t.endpoint == "OS"):
        evidence = _by_deaths(Indicator(timed.name, timed.event, "event", by_levels=False), deaths)
        if evidence:
            yield finding(
                CODE,
                "error",
                f"outcomes.{timed.name}",
                found=evidence,
                expected="an event to mean that the patient died",
            )


def _deaths(case: Case) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """What says by itself who died: levels such as Dead and Alive; dates of death; causes of death."""
    for indicator in case.indicators:
        if indicator.by_levels and endpoint_of(indicator.name) in ("OS", None):
            yield indicator.name, indicator.value
    for name, column in case.variables.items():
        if {"death", "died"} & set(words(name)) and (column.is_date or "date" in words(name)):
            yield f"{name} (given or not)", column.known.astype(float)


def _by_deaths(indicator: Indicator, deaths: list[tuple[str, NDArray[np.float64]]]) -> str | None:
    for name, died in deaths:
        both = np.isfinite(indicator.value) & np.isfinite(died)
        ones, zeros = both & (indicator.value == 1), both & (indicator.value == 0)
        if name == indicator.name or min(ones.sum(), zeros.sum()) < MIN_EACH or np.ptp(died[both]) == 0:
            continue
        difference = float(died[ones].mean() - died[zeros].mean())
        difference = -difference if indicator.polarity == "event" else difference
        if difference > MIN_DIFFERENCE:
            return (
                f"{died[ones].mean():.0%} deaths by {name!r} among the {int(ones.sum())} patients with 1 and "
                f"{died[zeros].mean():.0%} among the {int(zeros.sum())} with 0"
            )
        return None  # this reference speaks for the name
    return None


def _by_time(case: Case, indicator: Indicator) -> str | None:
    """Events come before the end of follow-up: whoever has 1 in an event column is followed for less time."""
    mine = endpoint_of(indicator.name)
    for timed in case.timed:
        if timed.declared or mine is None or timed.endpoint != mine:
            continue
        ones = timed.time[(indicator.value == 1) & np.isfinite(timed.time)]
        zeros = timed.time[(indicator.value == 0) & np.isfinite(timed.time)]
        if min(len(ones), len(zeros)) < 2 * MIN_EACH:
            continue
        later = float(np.mean(ones[:, None] > zeros[None]) + 0.5 * np.mean(ones[:, None] == zeros[None]))
        wrong = later > 1 - EARLIER if indicator.polarity == "event" else later < EARLIER
        if wrong:
            return (
                f"a median {timed.name!r} of {np.median(ones):.4g} with 1 and of {np.median(zeros):.4g} with 0 "
                f"(1 is later in {later:.0%} of the pairs)"
            )
    return None
