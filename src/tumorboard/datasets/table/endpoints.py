"""Endpoints of a table: published cells -> rows of `outcomes`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.naming import DAYS_PER
from tumorboard.core.tables import EXPERT
from tumorboard.datasets.table import codes
from tumorboard.datasets.table.cells import Cells
from tumorboard.datasets.table.kinds import parse_date, parse_number
from tumorboard.datasets.table.schema import Endpoint, Schema

__all__ = ["outcome_rows"]

Row = dict[str, Any]


def outcome_rows(schema: Schema, cells: Cells, where: str) -> list[Row]:
    """One row per patient and endpoint of whom anything is known.

    A row whose time is missing, unreadable or not above zero, or whose event is not one of the values that the
    schema names, has no `survival` but the published cells in `raw` and words in `problem`.
    """
    rows: list[Row] = []
    for name, endpoint in schema.endpoints.items():
        if endpoint.first_of:
            continue
        for column in endpoint.columns:
            cells.require(column, f"{where}, endpoints.{name}")
        reader = _classes if endpoint.class_ else _dated if endpoint.start else _timed
        missing = {*schema.missing, *endpoint.missing}
        for i, fields in reader(endpoint, cells, missing):
            rows.append({"patient_id": cells.ids[i], "endpoint": name, "run_id": EXPERT, **fields})
    for name, endpoint in schema.endpoints.items():
        if endpoint.first_of:
            rows += [{"endpoint": name, "run_id": EXPERT, **row} for row in _first_of(name, endpoint, rows, where)]
    return rows


def _first_of(name: str, endpoint: Endpoint, rows: list[Row], where: str) -> Iterator[Row]:
    """Per patient the earliest event of other endpoints, else the shortest of their follow-ups."""
    parts: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["endpoint"] in endpoint.first_of and "survival" in row:
            parts.setdefault(row["patient_id"], {})[row["endpoint"]] = row
    absent = set(endpoint.first_of) - {part for found in parts.values() for part in found}
    if absent:
        raise TumorboardError(
            codes.TABLE_SCHEMA,
            f"{where}, endpoints.{name}.first_of",
            found=", ".join(sorted(absent)),
            expected="other endpoints with times of this schema",
        )
    for patient, found in parts.items():
        known = [row["survival"] for row in found.values() if row["survival"] is not None]
        events = [one["time_days"] for one in known if one["event"]]
        raw = json.dumps({part: row["raw"] for part, row in found.items()}, ensure_ascii=False)
        wrong = "" if len(known) == len(endpoint.first_of) else "an endpoint of which it is the first is not known"
        days = min(events or [one["time_days"] for one in known], default=math.nan)
        yield {"patient_id": patient, **_survival(days, raw, wrong, event=bool(events))}


def _timed(endpoint: Endpoint, cells: Cells, missing: set[str]) -> Iterator[tuple[int, Row]]:
    assert endpoint.time and endpoint.event and endpoint.unit
    times, events = cells.columns[endpoint.time], cells.columns[endpoint.event]
    for i, (time_text, event_text) in enumerate(zip(times, events, strict=True)):
        raw = _raw(endpoint, cells, i)
        if _blank(time_text, missing) and _blank(event_text, missing) and endpoint.raw is None:
            continue
        event, wrong = _event(event_text, endpoint, missing)
        number = None if _blank(time_text, missing) else parse_number(time_text)
        if number is None:
            wrong = wrong or ("time not known" if _blank(time_text, missing) else f"time {time_text!r} is no number")
        time_days = math.nan if number is None else number * DAYS_PER[endpoint.unit]
        fields = _survival(time_days, raw, wrong, event=event)
        if fields["survival"] is None and endpoint.problem and cells.columns[endpoint.problem][i]:
            fields["problem"] = cells.columns[endpoint.problem][i]
        if endpoint.raw and not fields["raw"]:
            if fields["survival"] is None:
                continue
            fields["raw"] = None
        yield i, fields


def _event(text: str, endpoint: Endpoint, missing: set[str]) -> tuple[bool | None, str]:
    if text in endpoint.events:
        return True, ""
    if _blank(text, missing):
        return None, "event not known"
    if endpoint.censored and text not in endpoint.censored:
        return None, f"event {text!r} is not among the values of the schema"
    return False, ""


def _dated(endpoint: Endpoint, cells: Cells, missing: set[str]) -> Iterator[tuple[int, Row]]:
    assert endpoint.start and endpoint.censored_on and endpoint.date_format
    form = endpoint.date_format
    starts, lasts = cells.columns[endpoint.start], cells.columns[endpoint.censored_on]

    def date(text: str) -> int | None:
        found = None if _blank(text, missing) else parse_date(text, form)
        return None if found is None else found.toordinal()

    for i, (start_text, last_text) in enumerate(zip(starts, lasts, strict=True)):
        start, last, wrong = date(start_text), date(last_text), ""
        if start is not None and endpoint.start_plus_days:
            days = parse_number(cells.columns[endpoint.start_plus_days][i])
            start, wrong = (
                (start, f"no number in {endpoint.start_plus_days}") if days is None else (start + int(days), "")
            )
        happened, undated = _first_event(endpoint, cells, i, date)
        end = happened if happened is not None else last
        if start is None or end is None:
            wrong = f"no readable date in {endpoint.start if start is None else endpoint.censored_on}"
        if undated:
            wrong = f"{undated} happened, its date is not known"
        time_days = math.nan if start is None or end is None else float(end - start)
        yield i, _survival(time_days, _raw(endpoint, cells, i), wrong, event=happened is not None)


def _first_event(
    endpoint: Endpoint, cells: Cells, row: int, date: Callable[[str], int | None]
) -> tuple[int | None, str]:
    """Day of the earliest event, and the column of an event without a date."""
    days, undated = [], ""
    for occurrence in endpoint.occurs:
        if occurrence.column is not None and cells.columns[occurrence.column][row] not in occurrence.values:
            continue
        day = date(cells.columns[occurrence.date][row])
        if day is not None:
            days.append(day)
        elif occurrence.column is not None:
            undated = occurrence.column
    return (min(days) if days else None), undated


def _classes(endpoint: Endpoint, cells: Cells, missing: set[str]) -> Iterator[tuple[int, Row]]:
    assert endpoint.class_
    for i, text in enumerate(cells.columns[endpoint.class_]):
        if _blank(text, missing):
            continue
        value = endpoint.levels.get(text, None if endpoint.levels else text)
        problem = None if value is not None else f"value {text!r} is not among the levels of the schema"
        yield i, {"class_value": value, "raw": _raw(endpoint, cells, i), "problem": problem}


def _survival(time_days: float, raw: str | None, wrong: str, *, event: bool | None) -> Row:
    if not wrong and not time_days > 0:
        wrong = f"time {time_days:g} days {'to the event' if event else 'of follow-up'} is not above 0"
    if wrong:
        return {"survival": None, "raw": raw, "problem": wrong}
    return {"survival": {"event": event, "time_days": time_days}, "raw": raw, "problem": None}


def _raw(endpoint: Endpoint, cells: Cells, row: int) -> str | None:
    """Published cells of the endpoint, as JSON by heading."""
    if endpoint.raw is not None:
        return cells.columns[endpoint.raw][row] or None
    return json.dumps({name: cells.columns[name][row] for name in endpoint.columns}, ensure_ascii=False)


def _blank(text: str, missing: set[str]) -> bool:
    return text in missing or text.strip() in missing
