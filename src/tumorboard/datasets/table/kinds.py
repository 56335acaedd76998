"""What a column of published text holds, inferred from its cells; and the text as values of that kind."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tumorboard.core.naming import is_date, means_missing
from tumorboard.core.variables import Kind

__all__ = ["DATE_FORMATS", "Inferred", "Parsed", "infer", "parse", "parse_date", "parse_number"]

DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%Y/%m/%d", "%d-%m-%Y")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")
_READABLE = 0.9
"""A column is numeric (or of dates) when at least this part of its known cells reads so; the rest is kept as
published."""
_FEW = 30


@dataclass(frozen=True)
class Inferred:
    """A guess that is recorded as one."""

    kind: Kind
    date_format: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Parsed:
    """Values of a column, and the cells that did not read as its kind (row -> text)."""

    values: pa.Array
    unreadable: Mapping[int, str]


def parse_number(text: str) -> float | None:
    """A plain decimal number (a trailing percent sign is allowed); None for anything else."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    return float(text.rstrip("%"))


def parse_date(text: str, date_format: str) -> datetime.date | None:
    """A date in exactly this format; None for anything else."""
    try:
        return datetime.datetime.strptime(text.strip(), date_format).date()
    except ValueError:
        return None


def infer(name: str, cells: Sequence[str], missing: Collection[str]) -> Inferred:
    """Kind of a column from its cells; `name` only helps to tell dates from numbers."""
    known = [cell for cell in cells if cell not in missing and not means_missing(cell)]
    if not known:
        return Inferred(Kind.TEXT, note="no known value")
    levels = {cell.strip().lower() for cell in known}
    if levels <= {"true", "false"}:
        return Inferred(Kind.BOOLEAN)
    sample = list(dict.fromkeys(known))
    if sum(parse_number(cell) is not None for cell in known) >= _READABLE * len(known) and not _zero_led(sample):
        return Inferred(Kind.NUMERIC)
    if any(mark in sample[0] for mark in "/-.") or is_date(name):
        dates = _infer_date(known)
        if dates is not None:
            return dates
    few = len(sample) <= max(_FEW, len(known) // 20)
    return Inferred(Kind.CATEGORICAL if few else Kind.TEXT)


def _zero_led(sample: Sequence[str]) -> bool:
    """Whether the numbers are written like identifiers: 001, 002."""
    return any(re.fullmatch(r"0\d+", cell.strip()) for cell in sample)


def _infer_date(known: Sequence[str]) -> Inferred | None:
    rates = {f: sum(parse_date(cell, f) is not None for cell in known) / len(known) for f in DATE_FORMATS}
    best = max(rates.values())
    if best < _READABLE:
        return None
    fitting = [f for f, rate in rates.items() if rate == best]
    if len(fitting) > 1:
        return Inferred(Kind.TEXT, note=f"dates that read equally well as {' and '.join(fitting)}: kept as text")
    return Inferred(Kind.DATE, fitting[0])


def parse(
    cells: Sequence[str], kind: Kind, *, missing: Collection[str], date_format: str | None = None, lenient: bool = False
) -> Parsed:
    """Published text as values. `lenient`: words such as "not collected" are missing in columns of numbers, dates
    and booleans too (inferred columns). What does not read is empty and kept in `unreadable`."""
    unreadable: dict[int, str] = {}
    values: list[Any] = []
    reader = {Kind.NUMERIC: parse_number, Kind.BOOLEAN: _boolean}.get(kind)
    if kind is Kind.DATE:
        form = date_format or "%Y-%m-%d"
        reader = lambda text: parse_date(text, form)  # noqa: E731
    for row, cell in enumerate(cells):
        if cell in missing or cell.strip() in missing:
            values.append(None)
        elif reader is None:
            values.append(cell)
        else:
            value = reader(cell)
            if value is None and not (lenient and means_missing(cell)):
                unreadable[row] = cell
            values.append(value)
    types = {Kind.NUMERIC: pa.float64(), Kind.BOOLEAN: pa.bool_(), Kind.DATE: pa.date32()}
    return Parsed(pa.array(values, types.get(kind, pa.string())), unreadable)


def _boolean(text: str) -> bool | None:
    return {
        "true": True,
        "yes": True,
        "1": True,
        "1.0": True,
        "false": False,
        "no": False,
        "0": False,
        "0.0": False,
    }.get(text.strip().lower())
