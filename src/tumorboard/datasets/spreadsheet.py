"""CSV files that people open in a spreadsheet: no cell can become a formula there."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["CsvTable", "plain_cell", "safe_cell"]

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(, ?[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)*")
"""A number, or several with commas between them, as windows of grey values are published."""


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs: text that begins like a formula gets an apostrophe in front (after OWASP's
    advice on CSV injection); numbers stay numbers, None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, str) and ((value.startswith(_RISKY) and not _NUMBER.fullmatch(value)) or _quoted(value)):
        return "'" + value
    return value


def plain_cell(text: str) -> str:
    """The text that `safe_cell` was given."""
    return text[1:] if text.startswith("'") and (text[1:].startswith(_RISKY) or _quoted(text[1:])) else text


def _quoted(text: str) -> bool:
    """Whether a text already looks like a protected one, so that the way back is one to one."""
    return text.startswith("'") and text.lstrip("'").startswith(_RISKY)


class CsvTable:
    """A UTF-8 CSV under way, row by row, cells made safe."""

    def __init__(self, path: Path, columns: Sequence[str], *, delimiter: str = ",") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", newline="")
        self._columns = tuple(columns)
        self._writer = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
        self._writer.writerow(self._columns)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one row; columns it lacks are empty."""
        self._writer.writerow([safe_cell(row.get(column)) for column in self._columns])

    def close(self) -> None:
        self._file.close()
