"""A table file as columns of published text; nothing is interpreted here."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.spreadsheet import plain_cell
from tumorboard.datasets.table import codes
from tumorboard.datasets.table.schema import ROW_NUMBER, File, Filter, Schema
from tumorboard.datasets.tablefile import MAX_TABLE_BYTES, workbook, worksheet_rows

__all__ = ["Cells", "read_cells", "read_joined"]

_MAX_BYTES = 4 * MAX_TABLE_BYTES
"""Of a text table, which may hold thousands of radiomics or genomics columns."""
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


class Cells:
    """Columns of text by heading (blanks at its ends removed; `published` has them), all of one length, and the
    ids of the rows."""

    def __init__(self, path: Path, columns: dict[str, list[str]], published: dict[str, str]) -> None:
        self.path = path
        self.columns = columns
        self.published = published
        self.ids: list[str] = []

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def require(self, name: str, where: str) -> list[str]:
        """The cells of a column; TAB103 when there is none of that name."""
        if name not in self.columns:
            close = [have for have in self.columns if have.lower() == name.lower()]
            raise TumorboardError(
                codes.TABLE_COLUMN,
                f"{where}, column {name!r}",
                found="no such heading",
                expected=f"{close[0]!r}?" if close else f"one of {list(self.columns)[:8]} ...",
            )
        return self.columns[name]

    def keep(self, rows: Sequence[int]) -> None:
        """Only these rows, in this order."""
        self.columns = {name: [cells[i] for i in rows] for name, cells in self.columns.items()}
        self.ids = [self.ids[i] for i in rows] if self.ids else []


def read_joined(schema: Schema, path: Path, *, base: Path) -> Cells:
    """The first file and all that `join` names, matched on their ids; patients of later files that the first
    does not have are added with empty cells. TAB105 for headings that occur twice."""
    cells = read_cells(path, schema)
    for joined in schema.join:
        other = read_cells(base / joined.file, joined)
        position = {patient: row for row, patient in enumerate(cells.ids)}
        new = [patient for patient in other.ids if patient not in position]
        cells.ids += new
        for column in cells.columns.values():
            column += [""] * len(new)
        theirs = {patient: row for row, patient in enumerate(other.ids)}
        keys = {joined.id} if isinstance(joined.id, str) else set(joined.id)
        for name, column in other.columns.items():
            if name in keys:
                continue
            target = joined.prefix + name
            if target in cells.columns:
                raise TumorboardError(
                    codes.TABLE_CLASH, base / joined.file, found=f"{target!r} again", expected="another heading"
                )
            cells.columns[target] = [column[theirs[p]] if p in theirs else "" for p in cells.ids]
            cells.published[target] = other.published[name]
    return cells


def read_cells(path: Path, spec: File) -> Cells:
    """One file, filtered, with ids. TAB101 unreadable, TAB103 unknown column, TAB104 ids missing or doubled."""
    rows = _xlsx_rows(path, spec.sheet) if path.suffix.lower() == ".xlsx" else _text_rows(path, spec)
    if len(rows) < spec.header_rows:
        raise TumorboardError(codes.TABLE_FILE, path, found="no heading", expected=f"{spec.header_rows} heading rows")
    headings = _headings(rows[: spec.header_rows], path)
    body = rows[spec.header_rows :]
    for number, row in enumerate(body):
        if len(row) != len(headings):
            raise TumorboardError(
                codes.TABLE_FILE,
                f"{path}, row {number + spec.header_rows + 1}",
                found=f"{len(row)} cells",
                expected=f"{len(headings)} as in the heading",
            )
    columns = {name.strip(): [row[i] for row in body] for i, name in enumerate(headings)}
    cells = Cells(path, columns, {name.strip(): name for name in headings})
    _filter(cells, spec.filters, path)
    cells.ids = _ids(cells, spec, path)
    return cells


def _text_rows(path: Path, spec: File) -> list[list[str]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise OSError(f"{path.stat().st_size:,} bytes, more than {_MAX_BYTES:,}")
        with path.open(encoding=spec.encoding, newline="") as file:
            delimiter = spec.delimiter or _DELIMITERS.get(path.suffix.lower()) or ","
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            return [[plain_cell(cell) for cell in row] for row in reader if row]
    except (OSError, UnicodeDecodeError, LookupError, csv.Error) as error:
        raise TumorboardError(codes.TABLE_FILE, path, found=str(error), expected="a delimited text table") from error


def _xlsx_rows(path: Path, sheet: str | None) -> list[list[str]]:
    try:
        with workbook(path) as book:
            found = _sheet_of(book, path, sheet)
            rows = [[_text(cell) for cell in row] for row in worksheet_rows(path, found)]
    except TumorboardError as error:
        raise TumorboardError(codes.TABLE_FILE, path, found=error.found, expected=error.expected) from error
    rows = [row for row in rows if any(row)]
    width = max((i + 1 for row in rows[:1] for i, cell in enumerate(row) if cell), default=0)
    return [row[:width] + [""] * (width - len(row)) for row in rows]


def _sheet_of(book: Any, path: Path, sheet: str | None) -> Any:
    if not book.sheetnames or (sheet is not None and sheet not in book.sheetnames):
        expected = "a sheet" if sheet is None else f"a sheet {sheet!r}"
        raise TumorboardError(codes.TABLE_FILE, path, found=f"sheets {book.sheetnames}", expected=expected)
    return book[sheet if sheet is not None else book.sheetnames[0]]


def _text(cell: Any) -> str:
    """A spreadsheet cell as a CSV would hold it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(sep=" ")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _headings(rows: Sequence[Sequence[str]], path: Path) -> list[str]:
    """One name per column; several heading rows are joined by a dot, placeholders such as # left out."""
    names = []
    for parts in zip(*rows, strict=len({len(row) for row in rows}) == 1):
        if len(parts) == 1:
            names.append(parts[0])
        else:
            names.append(".".join(part.strip() for part in parts if part.strip() not in ("", "#")))
    empty = [i + 1 for i, name in enumerate(names) if not name.strip()]
    for position in empty:  # an unnamed index column, as data frames write it
        names[position - 1] = f"column {position}"
    stripped = [name.strip() for name in names]
    doubled = sorted({name for name in stripped if stripped.count(name) > 1})
    if doubled:
        raise TumorboardError(codes.TABLE_CLASH, path, found=f"headings {doubled[:5]} twice", expected="once each")
    return names


def _filter(cells: Cells, filters: Iterable[Filter], path: Path) -> None:
    for rule in filters:
        column = cells.require(rule.column, f"{path}, filters")
        if rule.keep is not None:
            cells.keep([i for i, cell in enumerate(column) if cell in rule.keep])
        else:
            cells.keep([i for i, cell in enumerate(column) if cell not in (rule.drop or [])])


def _ids(cells: Cells, spec: File, path: Path) -> list[str]:
    if spec.id == ROW_NUMBER:
        width = len(str(len(cells)))
        return [f"{i + 1:0{width}d}" for i in range(len(cells))]
    columns = [spec.id] if isinstance(spec.id, str) else spec.id
    parts = [cells.require(name, f"{path}, id") for name in columns]
    ids = ["-".join(part.strip() for part in row) for row in zip(*parts, strict=True)]
    empty = [i + 1 for i, row in enumerate(zip(*parts, strict=True)) if not all(part.strip() for part in row)]
    if empty:
        raise TumorboardError(
            codes.TABLE_ID, f"{path}, id {columns}", found=f"no id in data row {empty[:5]}", expected="an id each"
        )
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = sorted({i for i in ids if i in seen or seen.add(i)})
        raise TumorboardError(
            codes.TABLE_ID, f"{path}, id {columns}", found=f"{len(twice)} ids twice: {twice[:5]}", expected="once each"
        )
    return ids
