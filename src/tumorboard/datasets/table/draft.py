"""A proposed schema for a table, for people to correct."""

from __future__ import annotations

import json
from pathlib import Path

from tumorboard.core.naming import (
    endpoint_of,
    event_meaning,
    indicator_polarity,
    is_age,
    is_group,
    means_missing,
    pair_endpoints,
    stated_time_unit,
    words,
)
from tumorboard.core.variables import Kind
from tumorboard.datasets.table.cells import Cells
from tumorboard.datasets.table.kinds import infer

__all__ = ["draft_schema"]

_FEW = 12


def draft_schema(source: Path) -> str:
    """A TOML for the table `source`: what could be inferred is written out, what was guessed is marked ``?`` in a
    comment, and endpoints are commented out, since a name proves no endpoint."""
    from tumorboard.datasets.table.reader import unplanned

    plan, cells, about_id = unplanned(Path(source))
    missing = sorted({v for column in cells.columns.values() for v in column if means_missing(v)})
    lines = [
        "# Draft. Lines with a question mark are guesses: correct them, then remove the mark.",
        f"file = {_quoted(Path(source).name)}",
        f"id = {_quoted(plan.id if isinstance(plan.id, str) else plan.id[0])}  # ? {about_id}",
        *([f"header_rows = {plan.header_rows}"] if plan.header_rows > 1 else []),
        *([f"delimiter = {_quoted(plan.delimiter)}"] if plan.delimiter else []),
    ]
    groups = [name for name in cells.columns if is_group(name)]
    lines += [f"centre = {_quoted(groups[0])}  # ?"] if groups else ['# centre = "..."']
    lines += [f"missing = {json.dumps(missing or [''], ensure_ascii=False)}", ""]
    for name in cells.columns:
        if name != plan.id and name not in groups[:1]:
            lines += _column(name, cells, missing)
    return "\n".join([*lines, *_endpoints(cells)]) + "\n"


def _column(name: str, cells: Cells, missing: list[str]) -> list[str]:
    values = cells.columns[name]
    guess = infer(name, values, missing)
    lines = [f"[columns.{_quoted(name)}]"]
    if words(name) in (["sex"], ["gender"]):
        lines.append('as = "sex"  # ?')
    if is_age(name) and guess.kind is Kind.NUMERIC and words(name) in (["age"], ["age", "at", "diagnosis"]):
        lines.append('as = "age_years"  # ?')
    lines.append(f'kind = "{guess.kind}"' + (f"  # ? {guess.note}" if guess.note else ""))
    if guess.date_format:
        lines.append(f"date_format = {_quoted(guess.date_format)}  # ?")
    unit = stated_time_unit(name)
    if guess.kind is Kind.NUMERIC:
        lines.append(f"unit = {_quoted(unit or '')}  # ? {'as the name says' if unit else 'not stated'}")
    levels = sorted({v for v in values if v not in missing})
    if len(levels) <= _FEW and guess.kind in (Kind.CATEGORICAL, Kind.NUMERIC):
        pairs = ", ".join(f"{_quoted(v)} = {_quoted(v)}" for v in levels)
        lines.append(f"# levels = {{ {pairs} }}")
    return [*lines, ""]


def _endpoints(cells: Cells) -> list[str]:
    lines = ["# Endpoints are proposals by name alone. Remove the # of what is right.", ""]
    for pair in pair_endpoints(cells.columns):
        levels = sorted(set(cells.columns[pair.event]))
        events = [v for v in levels if event_meaning(v) is True]
        if indicator_polarity(pair.event) == "censored":
            lines.append(f"# ? {pair.event!r} is named as an indicator of censoring: check which value is the event")
        lines += [
            f"# [endpoints.{_quoted(pair.endpoint)}]",
            f"# time = {_quoted(pair.time)}",
            f"# unit = {_quoted(stated_time_unit(pair.time) or '?')}",
            f"# event = {_quoted(pair.event)}",
            f"# events = {json.dumps(events, ensure_ascii=False)}",
            f"# censored = {json.dumps([v for v in levels if event_meaning(v) is False], ensure_ascii=False)}",
            "",
        ]
    for name in cells.columns:
        if {"hpv", "p16"} & set(words(name)) and endpoint_of(name) is None:
            levels = sorted({v for v in cells.columns[name] if not means_missing(v)})
            pairs = ", ".join(f"{_quoted(v)} = {_quoted(v)}" for v in levels[:_FEW])
            lines += ["# [endpoints.HPV]", f"# class = {_quoted(name)}", f"# levels = {{ {pairs} }}", ""]
    return lines


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
