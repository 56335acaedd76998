"""The published tables, row by row: comma separated `.csv`, TAB separated `.txt`, UTF-8 with or without byte order
mark."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.imagenome import codes

__all__ = ["read_rows", "write_rows"]


def read_rows(path: Path, *required: str) -> Iterator[dict[str, str]]:
    """The rows of a table as text by column, one at a time; a column without heading is called ``index``.

    Errors: CIG118 a column of `required` is missing; LAY103 another encoding, or a row longer than the heading.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix == ".txt" else ",", strict=True)
            heading = [name.strip() or "index" for name in next(reader, [])]
            missing = [name for name in required if name not in heading]
            if missing or len(set(heading)) != len(heading):
                raise TumorboardError(
                    codes.GOLD_TABLE, path, found=f"columns {heading[:20]}", expected=f"also {missing or 'each once'}"
                )
            for cells in reader:
                if len(cells) > len(heading):
                    raise _form(path, f"line {reader.line_num} with {len(cells)} cells", f"{len(heading)}")
                if cells:
                    yield dict(zip(heading, [*cells, *[""] * (len(heading) - len(cells))], strict=True))
    except UnicodeDecodeError as error:
        raise _form(path, f"a byte that is not UTF-8 ({error.reason})", "UTF-8 text") from error
    except csv.Error as error:
        raise _form(path, f"{error}", "a well-formed table") from error
    except OSError as error:
        raise _form(path, f"{type(error).__name__}: {error.strerror}", "a readable file") from error


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a table, TAB separated for `.txt`, else comma separated; a column ``index`` has no heading. Number of
    rows."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".txt" else ",", lineterminator="\n")
        writer.writerow(["" if column == "index" else column for column in columns])
        for row in rows:
            writer.writerow(["" if row.get(column) is None else row[column] for column in columns])
            count += 1
    return count


def _form(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(layout_codes.TABLE_FORM, path, found=found, expected=expected)
