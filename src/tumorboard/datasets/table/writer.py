"""Cohort -> CSV and the TOML that reads it back."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets.spreadsheet import safe_cell
from tumorboard.datasets.table import codes
from tumorboard.io.files import atomic_write_text

__all__ = ["write"]

_EVENT, _CENSORED = "event", "censored"


def write(cohort: Cohort, out: Path, *, tables_only: bool = False) -> None:
    """`out/<name>.csv` and `out/<name>.toml` with patients, variables, and the expert's outcomes.

    Times are written in days with all digits; outcomes that could not be used keep their published cells and the
    problem in columns of their own. Errors: TAB106 when the cohort has more than that (images, texts, predictions)
    and `tables_only` does not say to leave it out.
    """
    others = {name: t.num_rows for name, t in cohort.tables.items() if t.num_rows and name in ("images", "texts")}
    if others and not tables_only:
        found = ", ".join(f"{n} {name}" for name, n in others.items())
        raise TumorboardError(codes.TABLE_NO_TWIN, cohort.name, found=found, expected="patients and outcomes alone")
    stem = re.sub(r"[^\w.-]+", "_", cohort.name).strip("._") or "cohort"
    columns: dict[str, list[str]] = {"patient_id": cohort.patient_ids}
    lines = [
        "# Written by tumorboard: times in days, dates as year-month-day.",
        f"name = {_quoted(cohort.name)}",
        f"file = {_quoted(stem + '.csv')}",
        'id = "patient_id"',
        'missing = [""]',
    ]
    baseline = [v.name for v in cohort.dictionary.values() if v.baseline and v.name in cohort.patients.column_names]
    lines += [f"covariates = [{', '.join(_quoted(name) for name in baseline)}]", ""]
    for name in cohort.patients.column_names[1:]:
        values = cohort.patients[name]
        if values.null_count == len(values) and name not in cohort.dictionary:
            continue
        variable = cohort.dictionary.get(name) or Variable(name, _kind(values.type))
        columns[name] = [_text(v) for v in values.to_pylist()]
        lines += _column_lines(variable)
    for endpoint in cohort.endpoints():
        lines += _endpoint(cohort, endpoint, columns)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in columns])
    writer.writerows([safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True))
    atomic_write_text(out / f"{stem}.csv", buffer.getvalue())
    atomic_write_text(out / f"{stem}.toml", "\n".join(lines) + "\n")


def _column_lines(variable: Variable) -> list[str]:
    lines = [f"[columns.{_quoted(variable.name)}]", f"as = {_quoted(variable.name)}", f'kind = "{variable.kind}"']
    if variable.unit:
        lines.append(f"unit = {_quoted(variable.unit)}")
    if variable.levels and variable.name not in ("sex", "centre"):
        pairs = ", ".join(f"{_quoted(code)} = {_quoted(word)}" for code, word in variable.levels.items())
        lines.append(f"levels = {{ {pairs} }}")
    if variable.kind is Kind.DATE:
        lines.append('date_format = "%Y-%m-%d"')
    if variable.note:
        lines.append(f"note = {_quoted(variable.note)}")
    return [*lines, ""]


def _endpoint(cohort: Cohort, endpoint: str, columns: dict[str, list[str]]) -> list[str]:
    rows = {row["patient_id"]: row for row in cohort.rows("outcomes", endpoint=endpoint, run_id=EXPERT)}
    timed = any(row["survival"] is not None for row in rows.values())
    ordered = [rows.get(patient) for patient in cohort.patient_ids]
    names = {key: f"{endpoint} {key}" for key in ("days", "event", "class", "published", "problem")}
    columns[names["published"]] = [(row or {}).get("raw") or "" for row in ordered]
    columns[names["problem"]] = [(row or {}).get("problem") or "" for row in ordered]
    if not timed and any(row["class_value"] is not None for row in rows.values()):
        columns[names["class"]] = [(row or {}).get("class_value") or "" for row in ordered]
        lines = [f"[endpoints.{_quoted(endpoint)}]", f"class = {_quoted(names['class'])}"]
    else:
        survival = [row["survival"] if row else None for row in ordered]
        columns[names["days"]] = ["" if s is None else repr(s["time_days"]) for s in survival]
        columns[names["event"]] = ["" if s is None else _EVENT if s["event"] else _CENSORED for s in survival]
        lines = [
            f"[endpoints.{_quoted(endpoint)}]",
            f"time = {_quoted(names['days'])}",
            'unit = "days"',
            f"event = {_quoted(names['event'])}",
            f'events = ["{_EVENT}"]',
            f'censored = ["{_CENSORED}"]',
        ]
    return [*lines, f"raw = {_quoted(names['published'])}", f"problem = {_quoted(names['problem'])}", ""]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _kind(type_: pa.DataType) -> Kind:
    if pa.types.is_boolean(type_):
        return Kind.BOOLEAN
    if pa.types.is_date(type_):
        return Kind.DATE
    return Kind.NUMERIC if pa.types.is_floating(type_) or pa.types.is_integer(type_) else Kind.TEXT


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
