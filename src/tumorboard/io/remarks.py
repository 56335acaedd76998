"""What a reader noticed about a file, short of or including a reason to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tumorboard.core.errors import Code, TumorboardError

__all__ = ["Remark", "Severity", "raise_errors"]

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One named fact about a file. `error`: the reader refuses the file; otherwise it is read as `found` says."""

    code: Code
    severity: Severity
    where: str
    found: str
    expected: str
    fix: str

    @classmethod
    def of(
        cls, code: Code, where: str | Path, *, severity: Severity, found: str, expected: str, fix: str | None = None
    ) -> Remark:
        return cls(code, severity, str(where), found, expected, fix or code.fix)

    @classmethod
    def from_error(cls, error: TumorboardError) -> Remark:
        return cls(error.code, "error", error.where, error.found, error.expected, error.fix)

    def as_error(self) -> TumorboardError:
        return TumorboardError(self.code, self.where, found=self.found, expected=self.expected, fix=self.fix)

    def __str__(self) -> str:
        return str(self.as_error())


def raise_errors(remarks: list[Remark]) -> None:
    """The first remark of severity `error`, raised."""
    for remark in remarks:
        if remark.severity == "error":
            raise remark.as_error()
