"""Outcomes that could not be used, and why."""

import re
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "OUT202",
    "Outcomes that cannot be used",
    why="Patients without a usable time or event leave the analysis; who they are is rarely by chance.",
    fix="complete the cells from the source, or report how many patients were left out and why",
)
EXAMPLE = 'a status of death without a date; an event column with the value "NE"'


def find(case: Case) -> Iterator[CheckFinding]:
    kinds: dict[tuple[str, str], list[str]] = {}
    for row in case.unusable_outcomes:
        problem = row["problem"] or "neither survival nor class"
        if case.is_early(row) or "not among" in problem:
            continue
        kinds.setdefault((row["endpoint"], re.sub(r"'[^']*'", "...", problem)), []).append(row["patient_id"])
    for (endpoint, problem), patients in kinds.items():
        yield finding(
            CODE,
            "warning",
            f"outcomes.{endpoint}: {named(patients)}",
            found=f"{len(patients)} patients: {problem}",
            expected="an event and a time, or a class",
        )
