"""Patients with the same clinical row under different ids."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import define

CODE = define(
    "PAT202",
    "Patients with equal rows under different ids",
    why="The same patient in two cohorts, centres or rows is counted twice, and straddles any split between them.",
    fix="keep one of each pair, and never treat the two sources as independent",
)
EXAMPLE = "a public cohort that is repeated, row by row, inside a later collection with new ids"
MIN_VALUES = 4
"""Continuous values that must be known and equal."""
MIN_LEVELS = 15
"""Different values a column must have to tell patients apart."""
CHANCE = 1e-3
"""Largest expected number of chance pairs among all pairs of patients that still counts as evidence."""


def find(case: Case) -> Iterator[CheckFinding]:
    within = _pairs(_continuous(case), None)
    yield from _report(within, case.ids, case.ids, f"{case.cohort.name}: patients")
    for other in case.against:
        twin = Case(other)
        mine, theirs = _continuous(case), _continuous(twin)
        shared = [name for name in mine if name in theirs]
        pairs = _pairs({name: mine[name] for name in shared}, {name: theirs[name] for name in shared})
        pairs = [(a, b, n) for a, b, n in pairs if case.ids[a] != twin.ids[b]]
        yield from _report(pairs, case.ids, twin.ids, f"{case.cohort.name} and {_named(other)}: patients")
        yield from _same_ids(case, other)


def _named(cohort: Cohort) -> str:
    return cohort.name


def _continuous(case: Case) -> dict[str, NDArray[np.float64]]:
    """Numbers, dates and declared times whose values tell patients apart; keyed so that two cohorts can be compared."""
    found = {}
    times = {timed.name for timed in case.timed}
    for timed in case.timed:
        if np.isfinite(timed.time).sum() > 9 and timed.unit is not None:
            key = f"time {timed.endpoint or timed.name}"
            found.setdefault(key, np.round(timed.days / 5))  # 5 days: months with one decimal
    for name, column in case.variables.items():
        if name not in times and not column.is_text and len(column.counts) > MIN_LEVELS:
            found.setdefault(name.strip().lower(), column.values)
    return found


def _pairs(
    mine: dict[str, NDArray[np.float64]], theirs: dict[str, NDArray[np.float64]] | None
) -> list[tuple[int, int, int]]:
    """(row, other row, equal values) of patients whose known continuous values are all equal and so many and so
    rare that chance does not explain it. Candidates are found by the pair of the rarest columns."""
    if len(mine) < MIN_VALUES:
        return []
    names = list(mine)
    left = np.column_stack([mine[name] for name in names])
    right = left if theirs is None else np.column_stack([theirs[name] for name in names])
    share = {}
    for j in range(len(names)):
        values = left[np.isfinite(left[:, j]), j]
        counts = np.unique(values, return_counts=True)[1] / max(len(values), 1)
        share[j] = float((counts**2).sum())  # chance that two patients agree
    rare = sorted(share, key=lambda j: share[j])[:6]
    candidates: set[tuple[int, int]] = set()
    for a in range(len(rare)):
        for b in range(a + 1, len(rare)):
            candidates |= _equal_in(left[:, [rare[a], rare[b]]], right[:, [rare[a], rare[b]]], same=theirs is None)
    if not candidates:
        return []
    pairs = np.array(sorted(candidates))
    mine_of, theirs_of = left[pairs[:, 0]], right[pairs[:, 1]]
    both = np.isfinite(mine_of) & np.isfinite(theirs_of)
    with np.errstate(invalid="ignore"):
        equal = both & (np.abs(mine_of - theirs_of) <= 1e-9 + 1e-6 * np.abs(theirs_of))
    count = equal.sum(axis=1)
    found, weak = [], []
    for k in np.flatnonzero((count >= MIN_VALUES) & (count >= 0.9 * both.sum(axis=1))):
        row, other = int(pairs[k, 0]), int(pairs[k, 1])
        distinct = {
            float(left[row, j]): j for j in np.flatnonzero(equal[k])
        }  # times to several endpoints are one value
        chance = float(np.prod([share[j] for j in distinct.values()])) * len(left) * len(right)
        if len(distinct) >= MIN_VALUES:
            (found if chance < CHANCE else weak).append((row, other, len(distinct), chance))
    # Pairs that chance could explain one by one, but not in such numbers.
    weak = [pair for pair in weak if pair[3] < 1]
    if weak and len(weak) >= 20 * max(0.25, *(pair[3] for pair in weak)):
        found = sorted(found + weak)
    return [(row, other, values) for row, other, values, _ in found]


def _equal_in(left: NDArray[np.float64], right: NDArray[np.float64], *, same: bool) -> set[tuple[int, int]]:
    rows: dict[tuple[float, float], list[int]] = {}
    for i, key in _keys(left):
        rows.setdefault(key, []).append(i)
    found = set()
    for j, key in _keys(right):
        twins = rows.get(key, ())
        if len(twins) > 50:  # a common value tells nobody apart
            continue
        found |= {(i, j) for i in twins if not same or i < j}
    return found


def _keys(pairs: NDArray[np.float64]) -> Iterator[tuple[int, tuple[float, float]]]:
    known = np.flatnonzero(np.isfinite(pairs).all(axis=1))
    yield from zip(known.tolist(), map(tuple, np.round(pairs[known], 6).tolist()), strict=True)


def _report(
    pairs: Sequence[tuple[int, int, int]], ids: NDArray[np.object_], others: NDArray[np.object_], where: str
) -> Iterator[CheckFinding]:
    if not pairs:
        return
    shown = [f"{ids[a]} = {others[b]}" for a, b, _ in pairs]
    often = Counter(row for a, b, _ in pairs for row in ((a, 0), (b, 1 if ids is not others else 0)))
    filled = max(often.values()) > 2
    fewest = min(n for _, _, n in pairs)
    yield finding(
        CODE,
        "warning",
        f"{where} {named(shown)}",
        found=f"{len(pairs)} pairs of patients that agree in every continuous value that both have ({fewest} or more)"
        + ("; one pattern occurs so often that it may be filled in, not measured" if filled else ""),
        expected="different patients to differ",
    )


def _same_ids(case: Case, other: Cohort) -> Iterator[CheckFinding]:
    both = sorted(set(case.cohort.patient_ids) & set(other.patient_ids))
    if both and not all(patient.isdigit() for patient in both):
        yield finding(
            CODE,
            "warning",
            f"{case.cohort.name} and {other.name}: patients {named(both)}",
            found=f"{len(both)} ids that both cohorts have",
            expected="independent cohorts to have different patients",
        )
