"""What a check says, and the list of rules.

A rule is a module of `checks/rules/` with three names: `CODE` (its page: what, why, fix), `EXAMPLE` (one line) and
`find(case)`, which yields findings. Severities: *error*, the data contradict themselves or would be analysed
wrongly; *warning*, they very likely mislead; *info*, worth knowing and often right.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from tumorboard.core.errors import Code

if TYPE_CHECKING:
    from tumorboard.checks.case import Case

__all__ = ["CheckFinding", "Rule", "Severity", "finding", "listed", "named", "rules"]

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing that is remarkable about a cohort. `where` names tables, columns, patients or images."""

    code: str
    severity: Severity
    where: str
    message: str
    fix: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """One rule as found in its file."""

    name: str
    code: Code
    example: str
    find: Callable[[Case], Iterator[CheckFinding]]


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by code."""
    package = importlib.import_module("tumorboard.checks.rules")
    found = []
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        found.append(Rule(module_info.name, module.CODE, module.EXAMPLE, module.find))
    return tuple(sorted(found, key=lambda rule: rule.code.id))


def finding(
    code: Code, severity: Severity, where: str, *, found: str, expected: str, fix: str | None = None
) -> CheckFinding:
    """A finding in the house's one form."""
    return CheckFinding(code.id, severity, where, f"found {found}, expected {expected}", fix or code.fix)


def listed(names: Iterable[object], *, most: int = 12) -> str:
    """Names in a row; the rest as a number."""
    texts: Sequence[str] = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def named(patients: Iterable[object]) -> str:
    """All patients concerned, for `where`: who reads it may leave them out or mark their pages."""
    return ", ".join(str(patient) for patient in patients)
