"""HPV-positive where HPV-positive tumours are rare."""

import math
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.core.naming import words

CODE = define(
    "TAB215",
    "More HPV-positive tumours than the site can have",
    why="Outside the oropharynx p16 is positive in under a fifth; a majority there means swapped or mis-coded labels.",
    fix="do not use this HPV column as truth; ask the source which code is positive",
)
EXAMPLE = "60 % HPV-positive among cancers of the oral cavity"
HIGHEST = 0.25
"""Above every share to be expected: HPV-attributable fractions are about 4 % in oral cavity and larynx (Castellsague
et al., J Natl Cancer Inst 2016, 108:djv403), p16 positivity alone somewhat higher."""
MIN_PATIENTS = 15
_SITES = {
    "oral cavity": r"oral cavity|oral tongue|\bmouth|\bgum|gingiv|\bc0[2346]\b",
    "hypopharynx": r"hypophar|pyriform|\bc1[23]\b",
    "larynx": r"laryn|glott|\bc32\b",
}


def find(case: Case) -> Iterator[CheckFinding]:
    sites = {name: s for name, c in case.variables.items() if c.is_text and (s := _sites(c.values)) is not None}
    if not sites:
        return
    name = max(sites, key=lambda one: sum(site is not None for site in sites[one]))
    for label, positive in _hpv(case):
        wrong = []
        for place in _SITES:
            mine = (sites[name] == place) & np.isfinite(positive)
            n, k = int(mine.sum()), int(np.nansum(positive[mine]))
            if n >= MIN_PATIENTS and _lower(k, n) > HIGHEST:
                wrong.append(f"{k} of {n} cancers of the {place} positive")
        if wrong:
            yield finding(
                CODE,
                "warning",
                f"{label}, by patients.{name}",
                found=", ".join(wrong),
                expected=f"at most {HIGHEST:.0%}",
            )


def _hpv(case: Case) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for endpoint, values in case.class_endpoints.items():
        if {"hpv", "p16"} & set(words(endpoint)):
            yield f"outcomes.{endpoint}", np.array([_positive(v) for v in values])
    for name, column in case.variables.items():
        if not {"hpv", "p16"} & set(words(name)) or column.is_date:
            continue
        if column.is_number:
            if set(column.counts) <= {0.0, 1.0}:
                yield f"patients.{name}", np.where(column.known, column.values, np.nan)
        else:
            meant = column.variable.levels
            yield f"patients.{name}", np.array([_positive(meant.get(v, v) if v else None) for v in column.values])


def _positive(value: str | None) -> float:
    text = (value or "").strip().lower()
    if re.search(r"pos|^true$|^1(\.0)?$|^yes$|\+$", text):
        return 1.0
    return 0.0 if re.search(r"neg|^false$|^0(\.0)?$|^no$|-$", text) else math.nan


def _sites(values: NDArray[np.object_]) -> NDArray[np.object_] | None:
    """Site of each patient, where at least a third of the values name one."""
    found = np.full(len(values), None, dtype=object)
    memory: dict[str, str | None] = {}
    for i, value in enumerate(values):
        if value is None:
            continue
        if value not in memory:
            text = value.lower()
            memory[value] = None if "oroph" in text else next(
                (site for site, pattern in _SITES.items() if re.search(pattern, text)), None
            )  # fmt: skip
        found[i] = memory[value]
    named = sum(site is not None for site in found)
    return found if named >= MIN_PATIENTS and len(memory) <= 80 else None


def _lower(k: int, n: int, z: float = 1.96) -> float:
    """Lower end of Wilson's 95 % interval of a share."""
    share = k / n
    centre = share + z * z / (2 * n)
    return (centre - z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)
