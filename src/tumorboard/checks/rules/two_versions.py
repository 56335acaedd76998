"""Two versions of the same follow-up."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case, Timed
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "OUT208",
    "Two versions of one follow-up",
    why="An older cut-off has fewer events and shorter times of the same patients; results on the two do not compare, "
    "and mixed rows belong to neither.",
    fix="use the newest version for all patients, and name it in the report",
)
EXAMPLE = "a table with 244 deaths and a later one with 373 among the same 422 patients"
MIN_PATIENTS = 15


def find(case: Case) -> Iterator[CheckFinding]:
    mine = [timed for timed in case.timed if np.isfinite(timed.event).any()]
    for i, one in enumerate(mine):
        for other in mine[i + 1 :]:
            if (one.declared == other.declared and one.event_name != other.event_name) or (
                one.declared and other.declared
            ):
                yield from _compare(case, one, other, case.cohort.name)
    for cohort in case.against:
        twin = Case(cohort)
        position = {patient: i for i, patient in enumerate(twin.ids)}
        rows = np.array([position.get(patient, -1) for patient in case.ids])
        for one in mine:
            for other in twin.timed:
                if other.endpoint != one.endpoint or not np.isfinite(other.event).any():
                    continue
                time = np.where(rows >= 0, other.time[rows], np.nan)
                event = np.where(rows >= 0, other.event[rows], np.nan)
                moved = Timed(other.name, other.endpoint, time, event, other.unit, declared=other.declared)
                yield from _compare(case, one, moved, f"{case.cohort.name} and {cohort.name}")


def _compare(case: Case, one: Timed, other: Timed, where: str) -> Iterator[CheckFinding]:
    both = np.isfinite(one.days) & np.isfinite(other.days) & np.isfinite(one.event) & np.isfinite(other.event)
    if both.sum() < MIN_PATIENTS or (one.unit is None) != (other.unit is None):
        return
    same = both & (np.abs(one.days - other.days) < 0.5) & (one.event == other.event)
    changed = both & ~same
    if not 0.2 * both.sum() <= same.sum() or changed.sum() < max(3, 0.03 * both.sum()):
        return
    older, newer = (one, other) if one.days[changed].sum() <= other.days[changed].sum() else (other, one)
    # A later cut-off only goes on where the older one had stopped: with a censored patient.
    goes_on = (older.event == 0) & (newer.days >= older.days - 0.5)
    if goes_on[changed].mean() < 0.85 or (older.event[same] == 1).sum() < 3:
        return
    gained = int((newer.event[changed] == 1).sum())
    if gained < 0.3 * changed.sum():
        return
    yield finding(
        CODE,
        "warning",
        f"{where}: {older.name}, {newer.name}: patients {named(case.ids[np.flatnonzero(changed)])}",
        found=f"{int(changed.sum())} of {int(both.sum())} patients differ, by a longer time where one version is "
        f"censored; {int(older.event[both].sum())} events in the older, {int(newer.event[both].sum())} in the newer",
        expected="one version of the follow-up",
    )
