"""Every correction, in the order made: one SQLite file beside the cohort that is only ever added to.

Written with a write-ahead log and flushed before the answer goes out, so that a correction that was acknowledged is
there after a power cut, and two readers (or two servers) may write at once (docs/adr/0141). Nothing in it is ever
changed or deleted: taking something back is one more entry.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorboard.board import codes
from tumorboard.core.errors import TumorboardError

__all__ = ["FILE", "KINDS", "Entry", "Journal", "last_words", "run_of"]

FILE = "corrections.sqlite"
"""In the cohort's folder."""

KINDS = ("accept", "reject", "edit", "mask", "undo")
"""What a reader may say of a target; `mask` replaces the mask of one exam, `undo` takes the reader's last word back."""

_MADE = """
CREATE TABLE IF NOT EXISTS entries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  nonce TEXT NOT NULL UNIQUE,
  author TEXT NOT NULL,
  made TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  exam_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  payload TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON entries
  BEGIN SELECT RAISE(ABORT, 'corrections are never changed'); END;
CREATE TRIGGER IF NOT EXISTS no_loss BEFORE DELETE ON entries
  BEGIN SELECT RAISE(ABORT, 'corrections are never deleted'); END;
"""


@dataclass(frozen=True)
class Entry:
    """One thing a reader said. `run_id`: the run that was corrected; `target`: which part of it (see `fold`);
    `made`: ISO 8601 in UTC; `nonce`: chosen by the sender, so that sending twice is saying once."""

    nonce: str
    author: str
    made: str
    patient_id: str
    exam_id: str
    run_id: str
    kind: str
    target: str
    payload: Mapping[str, Any]
    number: int = 0


class Journal:
    """The corrections of one cohort."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def add(self, entry: Entry) -> int:
        """Write an entry and return its number; the number it has already when the same nonce came before.

        BRD111 when the file cannot be written.
        """
        row = (
            entry.nonce,
            entry.author,
            entry.made,
            entry.patient_id,
            entry.exam_id,
            entry.run_id,
            entry.kind,
            entry.target,
            json.dumps(entry.payload, sort_keys=True, allow_nan=False),
        )
        try:
            with self._open() as connection, connection:
                connection.execute(
                    "INSERT OR IGNORE INTO entries (nonce, author, made, patient_id, exam_id, run_id, kind, target,"
                    " payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                found = connection.execute("SELECT number FROM entries WHERE nonce = ?", (entry.nonce,)).fetchone()
        except sqlite3.Error as error:
            raise TumorboardError(
                codes.JOURNAL_UNWRITABLE, self.path, found=str(error), expected="a file that can be written"
            ) from error
        return int(found[0])

    def entries(self, *, author: str | None = None, patient_id: str | None = None) -> list[Entry]:
        """Entries in the order made. BRD112 when the file is no journal."""
        if not self.path.is_file():
            return []
        wanted = {"author": author, "patient_id": patient_id}
        given = {name: value for name, value in wanted.items() if value is not None}
        condition = "".join(f" AND {name} = ?" for name in given)
        try:
            with self._open() as connection:
                rows = connection.execute(
                    "SELECT nonce, author, made, patient_id, exam_id, run_id, kind, target, payload, number"
                    f" FROM entries WHERE 1{condition} ORDER BY number",
                    tuple(given.values()),
                ).fetchall()
            return [Entry(*row[:8], json.loads(row[8]), row[9]) for row in rows]
        except (sqlite3.Error, ValueError) as error:
            raise TumorboardError(
                codes.JOURNAL_DAMAGED, self.path, found=str(error), expected="a journal of corrections"
            ) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_MADE)
            yield connection


def run_of(author: str) -> str:
    """The run that holds an author's corrections."""
    return f"reader {author}"


def last_words(entries: Sequence[Entry]) -> dict[tuple[str, str, str], Entry]:
    """(exam, run, target) -> the entry that holds: the last one, or none where it was taken back."""
    words: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        key = (entry.exam_id, entry.run_id, entry.target)
        if entry.kind == "undo":
            words.pop(key, None)
        else:
            words[key] = entry
    return words
