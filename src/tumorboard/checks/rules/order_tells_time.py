"""Patient ids, or the order of the rows, that tell the time to the event."""

import re
from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.checks.rules.time_given_away import TELLING, telling
from tumorboard.core.errors import define

CODE = define(
    "OUT212",
    "Patient ids or row order that tell the time to the event",
    why="Folds cut from such a list hold patients of one fate each, and whatever sees the id or the order knows the "
    "outcome.",
    fix="shuffle with a seed before splitting, keep ids out of models, and ask the source how patients were numbered",
)
EXAMPLE = "a table sorted by survival time, numbered from the first row on"


def find(case: Case) -> Iterator[CheckFinding]:
    numbers = [re.findall(r"\d+", patient) for patient in case.ids]
    orders = {
        "the order of the rows": np.arange(len(case), dtype=float),
        "the number in patient_id": np.array([float(found[-1][:15]) if found else np.nan for found in numbers]),
    }
    for timed in (one for one in case.timed if one.declared):
        known = np.isfinite(timed.time) & np.isfinite(timed.event)
        reached = {name: telling(order, timed.event, timed.time, known=known) for name, order in orders.items()}
        told = [f"{name} (concordance {value:.3f})" for name, value in reached.items() if value >= TELLING]
        if told:
            yield finding(
                CODE,
                "warning",
                f"outcomes.{timed.name}",
                found=f"time told by {', and by '.join(told)}",
                expected="patients numbered and listed without regard to their outcome",
            )
