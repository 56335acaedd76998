"""N stages that depend on the HPV status.

In the 7th edition of TNM the clinical N stage is the same for every cancer of the oropharynx. From the 8th on, p16
decides which definition applies (Amin et al., AJCC Cancer Staging Manual, 8th ed., 2017, chapters 10 and 11): the same
neck is N2b or N1. N0 means no node in either, so presence of nodes is what an HPV model may be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tumorboard.core.naming import words
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical.encoding import as_level

__all__ = ["depends_on_hpv", "editions_in", "harmonised", "nodes_present", "present_nodes"]

Record = Mapping[str, Any]
PRESENCE = "N0 or nodes"
_FEWEST = 5
_N = {"n", "cn", "pn"}
_GROUPS = {"stage", "overall", "ajcc", "tnm", "uicc", "group", "clinical", "patient", "tumor"}


def editions_in(rows: Sequence[Record]) -> dict[str, int]:
    """TNM edition -> patients, from the column that names it; empty when there is none."""
    counts: dict[str, int] = {}
    for name in rows[0] if rows else ():
        said = set(words(name))
        if {"tnm", "ajcc", "uicc"} & said and {"edition", "version", "ed"} & said:
            for row in rows:
                if (number := re.search(r"\d+", str(row[name] if row[name] is not None else ""))) is not None:
                    counts[number.group()] = counts.get(number.group(), 0) + 1
            break
    return counts


def depends_on_hpv(rows: Sequence[Record], variables: Sequence[Variable]) -> bool:
    """Whether some of these stages are of the 8th edition or a later one: by the column of the edition, or because an N
    stage has both N2 (p16-positive) and N2a to N2c (p16-negative) in `_FEWEST` patients or more each."""
    if any(int(edition) >= 8 for edition in editions_in(rows)):
        return True
    for variable in variables:
        levels = [as_level(row.get(variable.name), variable) for row in rows] if _is_n(variable) else []
        plain = sum(re.fullmatch(r"[cpy]*N?2", level, re.IGNORECASE) is not None for level in levels)
        lettered = sum(re.fullmatch(r"[cpy]*N?2[abc]", level, re.IGNORECASE) is not None for level in levels)
        if min(plain, lettered) >= _FEWEST:
            return True
    return False


def _is_n(variable: Variable) -> bool:
    said = set(words(variable.name))
    return bool(_N & said) and said <= _N | _GROUPS | {"clin", "path", "pathological", "c", "p", "1"}


def _is_group(variable: Variable) -> bool:
    said = set(words(variable.name))
    return "stage" in said and said <= _GROUPS


def nodes_present(cell: Any, variable: Variable) -> str | None:
    """``N0``, ``N+``, or None where not known (empty, NX, text without a figure). Codes by their stated meaning."""
    found = re.search(r"-?\d", as_level(cell, variable))
    if found is None or found.group().startswith("-"):
        return None
    return "N0" if found.group() == "0" else "N+"


def harmonised(
    variables: Sequence[Variable], *, how: str
) -> tuple[list[Variable], dict[str, Variable], list[str]]:
    """Variables of an HPV model with N stages by ``presence``, ``drop`` or ``as-published``; those whose cells become N0
    or nodes (as published, for `present_nodes`); and what was done, in words.

    Stage groups (I to IV), which contain the N stage, are left out with ``presence`` and ``drop``. Only called where
    stages depend on HPV.
    """
    notes: list[str] = []
    kept: list[Variable] = []
    changed: dict[str, Variable] = {}
    for variable in variables:
        if not (_is_n(variable) or _is_group(variable)):
            kept.append(variable)
        elif how == "as-published":
            kept.append(variable)
            notes.append(f"{variable.name!r} is a stage that depends on HPV from TNM 8 on: scores with it are a leak")
        elif how == "drop" or _is_group(variable):
            notes.append(f"{variable.name!r} left out: the stage depends on HPV from TNM 8 on")
        else:
            changed[variable.name] = variable
            kept.append(replace(variable, kind=Kind.CATEGORICAL, levels={}, note=PRESENCE))
            notes.append(f"{variable.name!r} taken as N0 or nodes: the stage depends on HPV from TNM 8 on")
    return kept, changed, notes


def present_nodes(rows: Sequence[Record], stages: Mapping[str, Variable]) -> list[dict[str, Any]]:
    """Rows with the N stages (name -> variable as published) as N0 or nodes; the same in training and afterwards."""
    return [{**row, **{n: nodes_present(row.get(n), v) for n, v in stages.items()}} for row in rows]
