"""Reports from files: one text file, a folder of them, or a table. One at a time, however many there are.

A bad report is handed on as its coded error, so that it does not end the others; a bad file as a whole raises.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.assembly import files_below
from tumorboard.datasets.tablefile import heading
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.reading import Report, report_from

__all__ = ["MAX_REPORT_BYTES", "Source", "empty_report", "is_table", "plain_report", "reports_from"]

MAX_REPORT_BYTES = 2**20
"""A long report has ten thousand characters."""
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

Source = Iterator[Report | TumorboardError]


def reports_from(
    path: Path, *, encoding: str = "", id_column: str = "id", text_columns: Sequence[str] = ("text",)
) -> Source:
    """The reports of a text file (its name is the id), of a folder's ``.txt`` files (path below the folder without
    suffix), or of a table with `id_column` and one or more `text_columns` (several become sections of these names).

    `encoding`: of all bytes; empty: UTF-8, or what a byte order mark says. Handed on as errors: SCG103 (bytes that are
    no text), SCG104 (too large), SCG106 (id twice), SCG113 (no id), SCG108 (row of another length).
    Raised: SCG102 (nothing to read), SCG107 (columns), SCG108 (no CSV), SCG103 for a table.
    """
    if path.is_dir():
        yield from _folder(path, encoding)
    elif not path.is_file():
        raise TumorboardError(codes.NO_TEXTS, path, found="no such file or folder", expected="reports")
    elif is_table(path):
        yield from _unique(_table(path, encoding, id_column, list(text_columns)), path)
    else:
        yield _file(path, path.stem, encoding)


def is_table(path: Path) -> bool:
    """Whether the name is that of a CSV or TSV table, packed or not."""
    return path.name.lower().endswith(_TABLES)


def plain_report(report_id: str, text: str, *, where: str = "") -> Report | TumorboardError:
    """A report, or what is wrong with its text. An empty one is a report: that nothing was said is to be told, not
    refused (`empty_report`)."""
    where = where or report_id
    if "\0" in text:
        found = f"a NUL character at {text.index(chr(0))}"
        return TumorboardError(codes.REPORT_UNREADABLE, where, found=found, expected="text")
    if len(text) > MAX_REPORT_BYTES:
        return _too_large(where, len(text))
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half a character, from bytes that a shell passed on
        found = f"no character at {error.start}"
        return TumorboardError(codes.REPORT_UNREADABLE, where, found=found, expected="text")
    return Report(report_id, text)


def empty_report(report: Report) -> TumorboardError | None:
    """SCG105 for a report without text: a warning, since published cohorts have them."""
    if report.text.strip():
        return None
    return TumorboardError(codes.REPORT_EMPTY, report.exam_id, found="nothing but blanks", expected="a report")


def _folder(folder: Path, encoding: str) -> Source:
    files = [path for path in files_below(folder) if path.suffix.lower() == ".txt"]
    if not files:
        raise TumorboardError(codes.NO_TEXTS, folder, found="no .txt file", expected="one per report")
    for path in files:
        yield _file(path, path.relative_to(folder).with_suffix("").as_posix(), encoding)


def _file(path: Path, report_id: str, encoding: str) -> Report | TumorboardError:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_REPORT_BYTES + 1)
        if len(data) > MAX_REPORT_BYTES:
            return _too_large(str(path), path.stat().st_size)
        return plain_report(report_id, data.decode(encoding or _marked(data)), where=str(path))
    except (UnicodeError, LookupError) as error:
        return _unreadable(str(path), error, encoding)
    except OSError as error:
        found = f"{type(error).__name__}: {error.strerror}"
        return TumorboardError(codes.REPORT_UNREADABLE, path, found=found, expected="a readable file")


def _marked(data: bytes) -> str:
    """The encoding that a byte order mark states, UTF-8 without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")


def _table(path: Path, encoding: str, id_column: str, text_columns: list[str]) -> Source:
    usual = csv.field_size_limit(MAX_REPORT_BYTES + 1)
    try:
        with _opened(path, encoding) as stream:
            first = stream.readline(MAX_REPORT_BYTES)
            separator = _separator(path, first, [id_column, *text_columns])
            lines = csv.reader(_and_the_rest(first, stream), delimiter=separator, strict=True)
            columns = [heading(cell) for cell in next(lines)]
            id_place, *places = (columns.index(heading(name)) for name in (id_column, *text_columns))
            for cells in lines:
                if any(cells):
                    where = f"{path.name}, line {lines.line_num}"
                    yield _row(cells, len(columns), id_place, dict(zip(text_columns, places, strict=True)), where)
    except csv.Error as error:
        raise TumorboardError(codes.TABLE_DAMAGED, path, found=str(error), expected="well-formed CSV") from error
    except (UnicodeError, LookupError) as error:
        raise _unreadable(str(path), error, encoding) from error
    except (OSError, EOFError, zlib.error) as error:
        found = f"{type(error).__name__}: {error}"
        raise TumorboardError(codes.REPORT_UNREADABLE, path, found=found, expected="a readable file") from error
    finally:
        csv.field_size_limit(usual)


def _opened(path: Path, encoding: str) -> IO[str]:
    def raw() -> Any:
        return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")

    with raw() as file:
        mark = file.read(4)
    return io.TextIOWrapper(raw(), encoding=encoding or _marked(mark), newline="")


def _and_the_rest(first: str, stream: IO[str]) -> Iterator[str]:
    """The lines of a stream whose first one was read; a line is at most as long as a report."""
    yield first
    while line := stream.readline(2 * MAX_REPORT_BYTES):
        yield line


def _separator(path: Path, first: str, wanted: Sequence[str]) -> str:
    """The one of comma, semicolon and tab that splits the heading into all the columns wanted."""
    for separator in (",", ";", "\t"):
        try:
            cells = next(csv.reader([first.lstrip("\ufeff")], delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        if {heading(name) for name in wanted} <= {heading(cell) for cell in cells}:
            return separator
    found = first.strip()[:200] or "an empty file"
    raise TumorboardError(codes.TABLE_COLUMNS, path, found=repr(found), expected=f"the columns {', '.join(wanted)}")


def _row(
    cells: Sequence[str], width: int, id_place: int, texts: dict[str, int], where: str
) -> Report | TumorboardError:
    if len(cells) > width:
        found = f"{len(cells)} cells"
        return TumorboardError(codes.TABLE_DAMAGED, where, found=found, expected=f"{width}, as in the heading")
    padded = [*cells, *[""] * (width - len(cells))]
    report_id = padded[id_place].strip()
    if not report_id:
        return TumorboardError(codes.ID_MISSING, where, found="an empty id", expected="a name")
    said = [(name, name, padded[place]) for name, place in texts.items() if padded[place].strip()]
    checked = plain_report(report_id, "\n".join(body for _, _, body in said), where=where)
    return report_from(report_id, said) if isinstance(checked, Report) and len(texts) > 1 and said else checked


def _unique(source: Source, path: Path) -> Source:
    """Reports whose id came before become errors. Ids are kept as 64-bit hashes: 100 MB for a million reports."""
    seen: set[int] = set()
    for item in source:
        if isinstance(item, Report):
            mark = hash(item.exam_id)
            if mark in seen:
                where = f"{path.name}, {item.exam_id}"
                item = TumorboardError(codes.ID_REPEATED, where, found="the id again", expected="each id once")
            seen.add(mark)
        yield item


def _unreadable(where: str, error: Exception, encoding: str) -> TumorboardError:
    if isinstance(error, UnicodeDecodeError):
        found = f"byte 0x{error.object[error.start]:02x} at {error.start}, which is not {error.encoding}"
    else:
        found = f"{error}"
    return TumorboardError(codes.REPORT_UNREADABLE, where, found=found, expected=f"text in {encoding or 'UTF-8'}")


def _too_large(where: str, size: int) -> TumorboardError:
    return TumorboardError(
        codes.REPORT_SIZE, where, found=f"{size:,} bytes", expected=f"at most {MAX_REPORT_BYTES:,} for one report"
    )
