"""What happened in a run, one JSON object per line, readable while it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["RunLog", "read_log"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class RunLog:
    """Appends to a JSONL file; every line is flushed, so a killed run loses nothing that it had said.

    `clock` gives the time stamp (UTC, ISO 8601). Without a path, lines go nowhere.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], str] = _now) -> None:
        self._path, self._clock = path, clock
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _end_last_line(path)

    def write(self, event: str, **fields: Any) -> None:
        """One line: time, event and fields. Numbers that are not finite are written as null."""
        if self._path is None:
            return
        record = {"time": self._clock(), "event": event, **{name: _finite(value) for name, value in fields.items()}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False, default=str) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a line that a kill cut short is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def _end_last_line(path: Path) -> None:
    if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
