"""Published cells -> values of clinical variables, the same from every kind of file.

A code arrives as CSV text (``1.0``), XLSX number (``1``), JSON number, text or null, with blanks at its ends, or not
at all. `cell_code` gives all of these one form, a `Field` says what the code means, and what has no meaning there is a
coded error that names the cells: never another vector.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets import codes
from tumorboard.datasets.tablefile import heading

__all__ = ["MISSING", "Decoder", "Field", "cell_code", "cell_number", "code_of", "parse_levels", "survival_outcome"]

MISSING = ("", "nan", "na", "n/a", "#n/a", "null", "unknown", "not known", "-", "--")
"""Words of the source that mean "not known", without case. ``none`` is not among them: it may mean "no therapy"."""

_WHOLE = re.compile(r"([+-]?)0*(\d+)(\.0*)?")


@dataclass(frozen=True)
class Field:
    """One clinical variable and the headings under which it is published."""

    variable: Variable
    headings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Column of the patients table."""
        return self.variable.name

    def find(self, record: Mapping[str, Any]) -> str | None:
        """The key of a record (normalised headings) under which this variable stands; None when it does not."""
        return next((key for key in map(heading, self.headings) if key in record), None)


def cell_code(cell: Any) -> str | None:
    """One form for a published code: ``1``, ``1.0``, ``" 1 "`` and True are ``"1"``; empty, NaN and the words of
    `MISSING` are None. ValueError for what is no code: a date, a list, infinity."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, float):
        if math.isnan(cell):
            return None
        if math.isinf(cell):
            raise ValueError("infinity")
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
        raise ValueError(f"the date {cell}")
    if not isinstance(cell, str):
        raise ValueError(f"{type(cell).__name__} {str(cell)[:40]!r}")
    text = cell.strip()
    if text.casefold() in MISSING:
        return None
    whole = _WHOLE.fullmatch(text)
    if whole:
        return ("-" if whole[1] == "-" and int(whole[2]) else "") + whole[2]
    return text


def cell_number(cell: Any) -> float | None:
    """A number in a published cell; ValueError for anything else (decimal commas, dates, words)."""
    code = cell_code(cell)
    if code is None:
        return None
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", code) or len(code) > 40:
        raise ValueError(repr(code[:40]))
    value = float(code)
    if not math.isfinite(value):
        raise ValueError(repr(code[:40]))
    return value


def code_of(field: Field, value: Any) -> str | None:
    """The published code of a value: the first that the dictionary gives for it. LAY111 when there is none."""
    if value is None:
        return None
    if field.variable.kind in (Kind.NUMERIC, Kind.TEXT):
        return cell_code(value)
    for code, meaning in field.variable.levels.items():
        if meaning == value:
            return code
    if not isinstance(value, str) and cell_code(value) in field.variable.levels:  # True, 1.0: codes, not meanings
        return cell_code(value)
    raise TumorboardError(
        codes.NOT_WRITABLE,
        f"column {field.name}",
        found=repr(value),
        expected=f"one of {list(dict.fromkeys(field.variable.levels.values()))}",
    )


def parse_levels(text: str, *, option: str) -> dict[str, str]:
    """``0=female,1=male`` -> {'0': 'female', '1': 'male'}; LAY113 when it is not of this form."""
    levels: dict[str, str] = {}
    for part in text.split(","):
        code, sign, meaning = part.partition("=")
        code = cell_code(code) or ""
        if not sign or not code or not meaning.strip() or code in levels:
            raise TumorboardError(
                codes.OPTION, f"option {option}", found=repr(text), expected="a list such as 0=female,1=male"
            )
        levels[code] = meaning.strip()
    return levels


@dataclass
class Decoder:
    """Decodes records by fields, gathering what has no meaning so that one message tells all of it."""

    fields: Sequence[Field]
    hints: Mapping[str, str] = field(default_factory=dict)
    """Column -> the option that states its codes."""
    wrong: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def decode(self, record: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Values by column of the patients table (every field, None where not known), and the published codes by
        heading. `record` is keyed by normalised heading."""
        values = {f.name: self.value(f, record, where) for f in self.fields}
        published = {}
        for key, cell in record.items():
            try:
                code = cell_code(cell)
            except ValueError:
                code = str(cell)
            if code is not None:
                published[key] = code
        return values, published

    def value(self, field: Field, record: Mapping[str, Any], where: str) -> Any:
        """The value of one field; None when empty, absent or (kept for `finish`) without a meaning."""
        key = field.find(record)
        if key is None:
            return None
        try:
            if field.variable.kind is Kind.NUMERIC:
                return cell_number(record[key])
            code = cell_code(record[key])
        except ValueError as error:
            self.wrong.setdefault((field.headings[0], str(error)), []).append(where)
            return None
        if code is None or field.variable.kind is Kind.TEXT:
            return code
        meanings = {meaning.casefold(): meaning for meaning in field.variable.levels.values()}
        levels = meanings | {known.casefold(): meaning for known, meaning in field.variable.levels.items()}
        if code.casefold() not in levels:
            self.wrong.setdefault((field.headings[0], repr(code[:40])), []).append(where)
            return None
        return levels[code.casefold()]

    def finish(self) -> None:
        """LAY104 with every column and code that had no meaning, if there was one."""
        if not self.wrong:
            return
        found = [
            f"{column} {code} in {len(places)} rows (first: {places[0]})"
            for (column, code), places in sorted(self.wrong.items())
        ]
        columns = {column for column, _ in self.wrong}
        wanted = [f"{f.headings[0]} {_expected(f.variable)}" for f in self.fields if f.headings[0] in columns]
        options = [self.hints[column] for column in sorted(columns) if column in self.hints]
        raise TumorboardError(
            codes.TABLE_VALUE,
            next(iter(self.wrong.values()))[0],
            found="; ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else ""),
            expected="; ".join(wanted),
            fix=f"correct the cells, or state the codes with {' and '.join(options)}" if options else None,
        )


def _expected(variable: Variable) -> str:
    if variable.kind is Kind.NUMERIC:
        return f"a number{' of ' + variable.unit if variable.unit else ''}"
    return ", ".join(f"{code}={meaning}" for code, meaning in variable.levels.items())


def survival_outcome(
    patient_id: str, endpoint: str, *, event: bool | None, time_days: float | None, raw: str
) -> dict[str, Any] | None:
    """A row of `outcomes`; None when neither event nor time is known. An event without a usable time (or the other way
    round) keeps the published cells with the problem LAY109."""
    if event is None and time_days is None:
        return None
    row: dict[str, Any] = {"patient_id": patient_id, "endpoint": endpoint, "run_id": EXPERT, "raw": raw}
    if event is None or time_days is None or not time_days > 0:
        return {**row, "survival": None, "problem": codes.OUTCOME_INCOMPLETE.id}
    return {**row, "survival": {"event": event, "time_days": time_days}}


def dictionary(fields: Iterable[Field]) -> list[Variable]:
    """The data dictionary of these fields."""
    return [f.variable for f in fields]
