"""Times of one centre in another unit than those of the others."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case, Timed
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define
from tumorboard.core.naming import DAYS_PER

CODE = define(
    "OUT204",
    "Times of one centre or cohort in another unit than the others'",
    why="Days among months make thirtyfold survivors of a whole centre; every model learns the centre.",
    fix="state the unit per centre: import the parts with their own schemas, or convert before",
)
EXAMPLE = "a median survival of 402 in one cohort and of 11 to 14 in the others"
MIN_PATIENTS = 3
FEW = 8
"""Patients below which the times of two centres must not meet at all."""
USUAL_DAYS = (90.0, 7300.0)
"""Medians of follow-up that need no explanation: three months to twenty years."""
CLEAR = 15.0
"""Ratio of medians that no difference between centres explains."""


def _factors(stated: str | None) -> dict[str, float]:
    """Ratios of two units of time; of the stated unit to another, where one is stated."""
    return {
        f"{long} written as {short}": DAYS_PER[long] / DAYS_PER[short]
        for long in DAYS_PER
        for short in DAYS_PER
        if DAYS_PER[long] / DAYS_PER[short] > 6 and (stated is None or stated in (long, short))
    }


def find(case: Case) -> Iterator[CheckFinding]:
    for group_name, groups in case.groups.items():
        for timed in case.timed:
            yield from _compare(case, timed, groups, group_name)


def _compare(case: Case, timed: Timed, groups: NDArray[np.object_], group_name: str) -> Iterator[CheckFinding]:
    with np.errstate(invalid="ignore"):
        usable = timed.time > 0
    names = [name for name in dict.fromkeys(groups.tolist()) if name is not None]
    times = {name: timed.time[(groups == name) & usable] for name in names}
    times = {name: values for name, values in times.items() if len(values) >= MIN_PATIENTS}
    if len(times) < 2:
        return
    medians = {name: float(np.median(values)) for name, values in times.items()}
    for name, mine in times.items():
        rest = np.concatenate([values for other, values in times.items() if other != name])
        usual = float(np.median([medians[other] for other in times if other != name]))
        ratio = medians[name] / usual
        if len(times) == 2 and not _to_blame(medians[name], usual, timed.unit):
            continue
        wide = max(ratio, 1 / ratio)
        factors = _factors(timed.unit)
        kind = min(factors, key=lambda label: abs(np.log(wide / factors[label])))
        if (
            wide < (CLEAR if len(mine) < FEW else 6)
            or not _apart(mine, rest, wide)
            or abs(np.log(wide / factors[kind])) > np.log(2.2)
        ):
            continue
        yield finding(
            CODE,
            "error" if wide > CLEAR else "warning",
            f"{'outcomes' if timed.declared else 'patients'}.{timed.name}, {group_name} {name}: "
            f"{named(case.ids[(groups == name) & usable])}",
            found=f"a median of {medians[name]:.4g} in {name} ({len(mine)} patients) and of {usual:.4g} elsewhere, a "
            f"factor of {wide:.3g}, as if {kind}",
            expected="one unit of time",
        )


def _apart(mine: NDArray[np.float64], rest: NDArray[np.float64], wide: float) -> bool:
    """Whether the two sets of times hardly meet: quartiles for a thirtyfold difference, deciles for less, since
    centres may differ severalfold in follow-up."""
    margin = 0 if min(len(mine), len(rest)) < FEW else 25 if wide > CLEAR else 10
    low, high = (mine, rest) if np.median(mine) < np.median(rest) else (rest, mine)
    return bool(np.percentile(low, 100 - margin) < np.percentile(high, margin))


def _to_blame(mine: float, other: float, unit: str | None) -> bool:
    """Of two groups: the one whose median is no usual follow-up in the stated unit, else the larger one."""
    days = DAYS_PER.get(unit or "", 1.0)
    odd, other_odd = (not USUAL_DAYS[0] <= median * days <= USUAL_DAYS[1] for median in (mine, other))
    return odd if odd != other_odd else mine > other
