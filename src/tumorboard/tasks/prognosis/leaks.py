"""What must not be predicted from: variables that tell the time, found before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumorboard.checks.rules.time_given_away import TELLING, telling
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical.encoding import MISSING, as_level, as_number

__all__ = ["telling_variables"]

_WHO = 0.98
"""Balanced accuracy for the event that no honest baseline variable reaches."""


def telling_variables(
    rows: Sequence[Mapping[str, Any]], outcome: Survival, variables: Sequence[Variable]
) -> dict[str, str]:
    """Variable -> how it tells the time to the event, for those whose own concordance is 0.9 or more (check OUT211).

    `rows` in the order of `outcome`. Levels are taken in the order of their mean time, which flatters a column of many
    levels: levels of fewer than ten patients count as missing. A variable whose levels tell nearly without error who
    had the event at all is named too.
    """
    found = {}
    event = outcome.event.astype(float)
    for variable in variables:
        cells = [row.get(variable.name) for row in rows]
        if variable.kind is Kind.NUMERIC:
            values = np.array([as_number(cell, variable) for cell in cells], float)
        else:
            values = _by_mean_time([as_level(cell, variable) for cell in cells], outcome.time_days)
        who = _tells_who(cells, variable, outcome.event)
        if who:
            found[variable.name] = f"tells who had {outcome.endpoint} ({who})"
            continue
        reached = telling(values, event, outcome.time_days, known=np.isfinite(values))
        if reached >= TELLING:
            found[variable.name] = f"tells the time of {outcome.endpoint} (concordance {reached:.3f})"
    return found


def _tells_who(cells: Sequence[Any], variable: Variable, event: np.ndarray[Any, Any]) -> str:
    """In words, when the levels (missing is one) recognise nearly every patient with and without the event."""
    named = np.array([as_level(cell, variable) for cell in cells], dtype=object)
    if min(event.sum(), (~event).sum()) < 10 or not 2 <= len(set(named)) <= 12:
        return ""
    hits = np.zeros(2)
    for level in set(named):
        inside = np.array([(event[named == level]).sum(), (~event[named == level]).sum()], float)
        side = int(np.argmax(inside / [event.sum(), (~event).sum()]))
        hits[side] += inside[side]
    reached = float((hits / [event.sum(), (~event).sum()]).mean())
    return f"balanced accuracy {reached:.3f}" if reached >= _WHO else ""


def _by_mean_time(levels: Sequence[str], time: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    named = np.array(levels, dtype=object)
    values = np.full(len(named), np.nan)
    for level in set(levels) - {MISSING}:
        mine = named == level
        if mine.sum() >= 10:
            values[mine] = time[mine].mean()
    return values
