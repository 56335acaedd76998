"""A value that one centre has for everybody."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "TAB214",
    "A measurement that is the same for everybody of one centre",
    why="A value filled in for a whole centre is no measurement: it tells the centre, and through it the outcome.",
    fix="set the value to missing for that centre",
)
EXAMPLE = "the same albumin for all 309 patients of one cohort, different values everywhere else"
MIN_PATIENTS = 15
MIN_LEVELS = 15


def find(case: Case) -> Iterator[CheckFinding]:
    for group_name, groups in case.groups.items():
        names = [name for name in dict.fromkeys(groups.tolist()) if name is not None]
        for name, column in case.variables.items():
            if not column.is_number or len(column.counts) < MIN_LEVELS or name == group_name:
                continue
            constant = {}
            for group in names:
                mine = column.values[(groups == group) & column.known]
                if len(mine) >= MIN_PATIENTS and np.ptp(mine) == 0:
                    constant[group] = (mine[0], len(mine))
            if constant and len(constant) < len(names):
                shown = [f"{value:g} for all {n} of {group}" for group, (value, n) in constant.items()]
                yield finding(
                    CODE,
                    "warning",
                    f"patients.{name}, by {group_name}",
                    found=listed(shown),
                    expected="values that differ between patients, as elsewhere",
                )
