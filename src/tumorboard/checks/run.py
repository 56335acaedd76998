"""Run every rule on a cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, rules
from tumorboard.core.cohort import Cohort

__all__ = ["SEVERITIES", "counts", "run_checks"]

SEVERITIES = ("error", "warning", "info")


def run_checks(
    cohort: Cohort,
    *,
    map: Callable[..., Iterable[Any]] = map,
    voxels: bool = True,
    against: Sequence[Cohort] = (),
) -> list[CheckFinding]:
    """All findings about `cohort`, errors first.

    Parameters
    ----------
    map : how images are gone through (a pool's map makes it parallel); results in order.
    voxels : whether images are read; without, only tables and headers speak.
    against : other cohorts that may hold the same patients, or another version of the same follow-up.
    """
    statistics = {}
    if voxels and cohort.images.num_rows and cohort.loader is not None:
        from tumorboard.checks.image_statistics import cohort_statistics

        statistics = cohort_statistics(cohort, map=map)
    case = Case(cohort, statistics, tuple(against))
    found = [finding for rule in rules() for finding in rule.find(case)]
    order = {severity: i for i, severity in enumerate(SEVERITIES)}
    return sorted(found, key=lambda finding: (order[finding.severity], finding.code))


def counts(findings: Iterable[CheckFinding]) -> dict[str, int]:
    """How many findings of each severity."""
    tally = Counter(finding.severity for finding in findings)
    return {severity: tally[severity] for severity in SEVERITIES}
