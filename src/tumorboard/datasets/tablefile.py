"""CSV and XLSX files as rows of cells, exactly as published: no type is guessed here."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.spreadsheet import plain_cell, safe_cell

__all__ = [
    "MAX_TABLE_BYTES",
    "Sheet",
    "heading",
    "read_sheet",
    "sheet_names",
    "workbook",
    "worksheet_rows",
    "write_csv",
    "write_xlsx",
]

MAX_TABLE_BYTES = 64 * 2**20
"""A table of patients is small; a larger file is not one."""
MAX_CELLS = 5_000_000
"""Cells of a worksheet, empty ones among others counted: minutes of reading, and no table of patients."""
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Sheet:
    """One table as published. `rows` are keyed by normalised heading (`heading`); `numbers` are the row
    numbers a person sees in the file, the heading row being 1."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    numbers: tuple[int, ...]

    def has(self, *names: str) -> bool:
        """Whether all these columns exist, by normalised heading."""
        return {heading(name) for name in names} <= {heading(column) for column in self.columns}

    def where(self, index: int) -> str:
        """Name of file and row, for messages."""
        return f"{self.path.name}, row {self.numbers[index]}"

    def require(self, *names: str) -> None:
        """LAY103 unless all these columns exist."""
        missing = [name for name in names if not self.has(name)]
        if missing:
            raise _form(self.path, f"columns {list(self.columns)[:20]}", f"also {missing}")


def heading(text: str) -> str:
    """A column heading without differences that do not matter: case, blanks at the ends, ``_``, ``-``, blank."""
    return re.sub(r"[\s_\-]+", " ", text.strip()).strip().casefold()


def read_sheet(path: Path, *, sheet: str | None = None) -> Sheet:
    """The table in a CSV (comma, semicolon or tab, UTF-8 with or without byte order mark) or XLSX file.

    Cells keep their published form: text from CSV; text, numbers, truth values or dates from XLSX; None where
    empty; an apostrophe that keeps a spreadsheet from running a cell is taken off. `sheet` names the worksheet
    (default: the only one). LAY103 when the file is no such table: another encoding, no clear separator, doubled
    headings, rows longer than the heading, or larger than 64 MiB.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise _form(path, f"{path.stat().st_size} bytes", f"at most {MAX_TABLE_BYTES}")
        lines = _xlsx_lines(path, sheet) if path.suffix.lower() == ".xlsx" else _csv_lines(path)
    except OSError as error:
        raise _form(path, f"{type(error).__name__}: {error.strerror}", "a readable file") from error
    return _sheet(path, lines)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a UTF-8 comma-separated table with Unix line ends; no cell can become a formula (`spreadsheet.safe_cell`,
    undone by `read_sheet`)."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([safe_cell(column) for column in columns])
        writer.writerows([safe_cell(cell) for cell in row] for row in rows)


def write_xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Write a workbook, a list of rows per worksheet; same rows, same bytes."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(list(row))
        for cell in (cell for row in page.iter_rows() for cell in row if cell.data_type == "f"):
            cell.data_type = "s"  # text that begins with "=" stays text
    buffer = io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2000-01-01T00:00:00Z", source.read(name))
            target.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data)


def _form(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.TABLE_FORM, path, found=found, expected=expected)


def _csv_lines(path: Path) -> list[tuple[int, list[Any]]]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _form(path, f"byte 0x{data[error.start]:02x} at {error.start}", "UTF-8 text") from error
    separator = _separator(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[tuple[int, list[Any]]] = []
    try:
        while True:
            start = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return lines
            lines.append((start, [plain_cell(cell) if cell.strip() else None for cell in cells]))
    except csv.Error as error:
        raise _form(path, f"{error} near line {reader.line_num}", "well-formed CSV") from error


def _separator(path: Path, text: str) -> str:
    """The separator that splits the heading row into most columns; LAY103 when two do so equally."""
    counts = {}
    for separator in _SEPARATORS:
        try:
            counts[separator] = len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), []))
        except csv.Error as error:
            raise _form(path, str(error), "a heading row") from error
    best = max(counts.values())
    winners = [separator for separator, count in counts.items() if count == best]
    if best > 1 and len(winners) > 1:
        raise _form(path, f"a heading row that {winners} split equally", "one separator")
    return winners[0]


@contextmanager
def workbook(path: Path) -> Iterator[Any]:
    """The workbook, opened for reading alone; LAY103 when it is none or unpacks to more than a table can be."""
    import openpyxl

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 4 * MAX_TABLE_BYTES:
            raise _form(path, f"{unpacked} bytes when unpacked", f"at most {4 * MAX_TABLE_BYTES}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notices about cell styles, which carry no values
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                yield book
            finally:
                book.close()
    except (TumorboardError, MemoryError):
        raise
    except Exception as error:  # openpyxl believes every entry: its faults are of every type there is
        raise _form(path, f"{type(error).__name__}: {error}"[:200], "an XLSX workbook") from error


def sheet_names(path: Path) -> list[str]:
    """Names of the worksheets of a workbook. LAY103 when it is none."""
    with workbook(path) as book:
        return list(book.sheetnames)


def _xlsx_lines(path: Path, sheet: str | None) -> list[tuple[int, list[Any]]]:
    with workbook(path) as book:
        page = _worksheet(path, book, sheet)
        return [
            (number, [None if _blank(cell) else cell for cell in row])
            for number, row in enumerate(worksheet_rows(path, page), 1)
        ]


def worksheet_rows(path: Path, page: Any) -> Iterator[tuple[Any, ...]]:
    """The cells of a worksheet, row by row. LAY103 for more than `MAX_CELLS`."""
    cells = 0
    for row in page.iter_rows(values_only=True):
        cells += len(row) + 1
        if cells > MAX_CELLS:
            raise _form(path, f"more than {MAX_CELLS:,} cells", "a table of patients")
        yield row


def _worksheet(path: Path, book: Any, sheet: str | None) -> Any:
    names = {name.strip().casefold(): name for name in book.sheetnames}
    if sheet is None:
        if len(names) != 1:
            raise _form(path, f"worksheets {book.sheetnames}", "one worksheet, or the name of one")
        return book.worksheets[0]
    if sheet.strip().casefold() not in names:
        raise _form(path, f"worksheets {book.sheetnames}", f"a worksheet {sheet!r}")
    return book[names[sheet.strip().casefold()]]


def _blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _sheet(path: Path, lines: list[tuple[int, list[Any]]]) -> Sheet:
    filled = [(number, cells) for number, cells in lines if any(cell is not None for cell in cells)]
    if not filled:
        raise _form(path, "no rows", "a heading row")
    head = filled[0][1]
    while head and head[-1] is None:
        head.pop()
    columns = tuple("" if cell is None else str(cell).strip() for cell in head)
    keys = [heading(column) for column in columns]
    doubled = sorted({key for key in keys if key and keys.count(key) > 1})
    if doubled:
        raise _form(path, f"more than one column {doubled}", "one column of each heading")
    rows, numbers = [], []
    for number, cells in filled[1:]:
        if any(cell is not None for cell in cells[len(keys) :]):
            raise _form(path, f"row {number} with {len(cells)} cells", f"at most {len(keys)}, as in the heading")
        padded = [*cells, *[None] * (len(keys) - len(cells))]
        rows.append({key: cell for key, cell in zip(keys, padded, strict=False) if key})
        numbers.append(number)
    return Sheet(path, tuple(column for column in columns if column), tuple(rows), tuple(numbers))
