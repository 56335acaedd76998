"""A clinical table -> Cohort, by its schema or, without one, all columns as variables of inferred kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.naming import means_missing, words
from tumorboard.core.tables import TABLES
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets.table import codes
from tumorboard.datasets.table.cells import Cells, read_cells, read_joined
from tumorboard.datasets.table.endpoints import outcome_rows
from tumorboard.datasets.table.kinds import infer, parse
from tumorboard.datasets.table.schema import ROW_NUMBER, Column, File, Schema, load_schema
from tumorboard.io.files import atomic_write_text
from tumorboard.io.images import load_image
from tumorboard.io.store import open_cohort

__all__ = ["AS_PUBLISHED", "read", "unplanned"]

AS_PUBLISHED = " (as published)"
"""Suffix of the column that keeps the cells of a variable which did not read as its kind."""
_STANDARD = set(TABLES["patients"].schema.names)
_SEXES = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}


def read(
    source: Path,
    *,
    name: str | None = None,
    schema: Path | None = None,
    onto: Path | None = None,
    draft: Path | None = None,
) -> Cohort:
    """The cohort in a table.

    Parameters
    ----------
    source : the TOML (which names its file), or the CSV, TSV or XLSX. A TOML of the same stem beside the table is
        used; without any schema all columns become variables of inferred kind (recorded as inferred), the id is the
        first column whose name says id and whose cells are unique, else the row number, and no endpoint is guessed.
    name : of the cohort; else the schema's, else the file's stem.
    schema : the TOML, where it has another name.
    onto : an existing cohort that gets these variables and outcomes; patients it does not have are added.
    draft : where to write a proposed TOML (for people to correct; nothing is imported by it now).

    Errors: TAB101 to TAB105.
    """
    source = Path(source)
    toml = source if source.suffix.lower() == ".toml" else schema or _sibling(source)
    if toml is not None:
        plan, base = load_schema(Path(toml)), source.parent
        path = source if source.suffix.lower() != ".toml" else _named_file(plan, source)
        cells = read_joined(plan, path, base=base)
        guessed_id = ""
    else:
        plan, cells, guessed_id = unplanned(source)
    cohort = _cohort(plan, cells, name=name or plan.name or source.stem, guessed_id=guessed_id, toml=toml)
    if draft is not None:
        from tumorboard.datasets.table.draft import draft_schema

        atomic_write_text(Path(draft), draft_schema(source))
    return cohort if onto is None else _onto(open_cohort(onto), cohort)


def _sibling(source: Path) -> Path | None:
    toml = source.with_suffix(".toml")
    return toml if toml.is_file() else None


def _named_file(plan: Schema, source: Path) -> Path:
    if plan.file is None:
        raise TumorboardError(
            codes.TABLE_SCHEMA, source, found="no `file`", expected="the table's name, or import the table itself"
        )
    return source.parent / plan.file


def unplanned(source: Path) -> tuple[Schema, Cells, str]:
    """Schema of a table that has none: the id column where exactly one column can only be it."""
    delimiter = _delimiter(source)
    cells, rows = _with_heading(source, delimiter)
    header_rows = f"; {rows} heading rows" if rows > 1 else ""
    header_rows += f"; cells parted by {delimiter!r}" if delimiter else ""
    count = len(cells)
    unique = [
        column
        for column, values in cells.columns.items()
        if _names_an_id(column)
        and len({v.strip() for v in values}) == count
        and not any(means_missing(v) for v in values)
    ]
    of_patients = [column for column in unique if {"patient", "patientid", "subject"} & set(words(column))]
    chosen = of_patients if len(of_patients) == 1 else unique
    if len(chosen) == 1:
        cells.ids = [value.strip() for value in cells.columns[chosen[0]]]
        return (
            Schema(id=chosen[0], header_rows=rows, delimiter=delimiter),
            cells,
            f"id guessed: column {chosen[0]!r} (unique, named like one){header_rows}",
        )
    why = "no column is named like an id and unique" if not unique else f"{unique} could all be the id"
    plan = Schema(id=ROW_NUMBER, header_rows=rows, delimiter=delimiter)
    return plan, cells, f"id is the row number: {why}{header_rows}"


def _names_an_id(heading: str) -> bool:
    said = set(words(heading))
    number = {"patient", "case", "subject", "nr", "no", "number"}
    return bool(said & {"id", "ids", "patientid", "identifier", "code"}) or (bool(said) and said <= number)


def _delimiter(source: Path) -> str | None:
    """Semicolon or tab, where the heading row of a CSV has it and no comma, as spreadsheets write it in some countries;
    None leaves it to the suffix."""
    if source.suffix.lower() != ".csv":
        return None
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline(2**16)
    except (OSError, UnicodeDecodeError):
        return None  # told when the table is read
    others = [sign for sign in ";\t" if sign in head]
    return others[0] if "," not in head and len(others) == 1 else None


def _with_heading(source: Path, delimiter: str | None) -> tuple[Cells, int]:
    """The table with the fewest heading rows (at most three) that give every column its own name."""
    for rows in (1, 2):
        try:
            return read_cells(source, File(header_rows=rows, delimiter=delimiter)), rows
        except TumorboardError as error:
            if error.code is not codes.TABLE_CLASH:
                raise
    return read_cells(source, File(header_rows=3, delimiter=delimiter)), 3


@dataclass
class _Patients:
    """Columns of `patients` and their dictionary, as they grow."""

    columns: dict[str, Any]
    variables: list[Variable]

    def add(self, variable: Variable, values: pa.Array, unreadable: Mapping[int, str], where: str) -> None:
        if variable.name in self.columns:
            raise TumorboardError(codes.TABLE_CLASH, where, found=f"variable {variable.name!r} twice", expected="once")
        self.columns[variable.name] = values
        self.variables.append(variable)
        if unreadable:
            name = variable.name + AS_PUBLISHED
            self.columns[name] = pa.array([unreadable.get(i) for i in range(len(values))], pa.string())
            note = f"cells of {variable.name!r} that are not {variable.kind}"
            self.variables.append(Variable(name, Kind.TEXT, source=variable.source, note=note))


def _cohort(plan: Schema, cells: Cells, *, name: str, guessed_id: str, toml: Path | None) -> Cohort:
    where = str(toml or cells.path)
    patients = _Patients({"patient_id": pa.array(cells.ids, pa.string())}, [])
    for column in plan.columns:
        cells.require(column, f"{where}, columns")
    for column in plan.covariates:
        cells.require(column, f"{where}, covariates")
    keys = {plan.id} if isinstance(plan.id, str) else set(plan.id)
    used = {c for e in plan.endpoints.values() if not e.keep_columns for c in e.columns} - set(plan.covariates) | keys
    for heading, values in cells.columns.items():
        said = plan.columns.get(heading)
        if heading == plan.centre:
            centre = [v.strip() or None for v in values]
            patients.add(
                _variable("centre", Kind.CATEGORICAL, cells, heading), pa.array(centre, pa.string()), {}, where
            )
        if (said is None and (heading in used or plan.other_columns == "drop")) or (said is not None and said.drop):
            continue
        if heading == plan.centre and said is None:
            continue
        _add_column(patients, plan, cells, heading, where)
    for constant, value in plan.constants.items():
        kind = (
            Kind.BOOLEAN if isinstance(value, bool) else Kind.NUMERIC if isinstance(value, float) else Kind.CATEGORICAL
        )
        variable = Variable(constant, kind, source="constant of the schema")
        patients.add(variable, pa.array([value] * len(cells)), {}, where)
    entry: dict[str, Any] = {
        "step": "import",
        "layout": "table",
        "source": cells.path.name,
        "schema": None if toml is None else Path(toml).name,
        "id": guessed_id or f"id: {plan.id}",
        **{key: text for key in ("licence", "citation", "note") if (text := getattr(plan, key))},
    }
    if not plan.endpoints:
        entry["notes"] = [
            "no endpoint: nothing says which columns are time and event; --set draft=FILE.toml writes a proposal"
        ]
    return Cohort.build(
        name,
        dictionary=patients.variables,
        provenance=[entry],
        loader=load_image,
        patients=pa.table(patients.columns),
        outcomes=outcome_rows(plan, cells, where),
    )


def _variable(name: str, kind: Kind, cells: Cells, heading: str, said: Column | None = None, **more: Any) -> Variable:
    said = said or Column()
    return Variable(
        name,
        kind,
        unit=said.unit,
        levels=said.levels,
        missing=more.get("missing", ()),
        source=f"{cells.published[heading]!r} in {cells.path.name}",
        note="; ".join(text for text in (said.note, more.get("note", "")) if text),
    )


def _add_column(patients: _Patients, plan: Schema, cells: Cells, heading: str, where: str) -> None:
    said, values = plan.columns.get(heading) or Column(), cells.columns[heading]
    target = said.as_ or heading
    missing = {*plan.missing, *said.missing}
    date_format, notes, kind = said.date_format, [], said.kind
    if kind is None and said.levels:
        kind = Kind.CATEGORICAL
    inferred = kind is None
    if kind is None or (kind is Kind.DATE and date_format is None):
        guess = infer(heading, values, missing)
        kind = kind or guess.kind
        date_format = date_format or guess.date_format
        notes.append(f"{'kind' if inferred else 'date format'} inferred" + (f": {guess.note}" if guess.note else ""))
        if date_format:
            notes.append(f"dates as {date_format}")
    target, text, more = _standard(target, said, values, missing, plain=said.as_ is None)
    notes += more
    if target in ("sex", "centre"):
        kind = Kind.CATEGORICAL
    parsed = parse(text, kind, missing=missing, date_format=date_format, lenient=inferred)
    found = {v for v in values if v in missing or (inferred and parsed.values.type != pa.string() and means_missing(v))}
    variable = _variable(target, kind, cells, heading, said, missing=tuple(sorted(found)), note="; ".join(notes))
    variable = replace(variable, baseline=heading in plan.covariates)
    patients.add(variable, parsed.values, parsed.unreadable, where)


def _standard(
    target: str, said: Column, values: list[str], missing: set[str], *, plain: bool
) -> tuple[str, list[str], list[str]]:
    """Name, text and notes of a column that is, or happens to be called like, a fixed column of `patients`."""
    if target not in _STANDARD:
        return target, values, []
    if target == "sex":
        text = [said.levels.get(v, v) for v in values]
        text = [_SEXES.get(v.strip().lower(), v) for v in text]
        known = {v for v in text if v not in missing and not means_missing(v)}
        if known <= {"female", "male"}:
            return target, ["" if means_missing(v) else v for v in text], ["female and male in words"]
    elif target == "centre" or not plain:
        return target, [said.levels.get(v, v) for v in values] if target == "centre" else values, []
    return f"{target} column", values, [f"the heading {target!r} is kept apart: it does not say what {target} needs"]


def _onto(base: Cohort, new: Cohort) -> Cohort:
    """`base` with the patients, variables and outcomes of `new`. TAB105 where both have a value."""
    old, more = base.patients, new.patients
    clash = [c for c in more.column_names if c in old.column_names and c not in _STANDARD]
    if clash and set(base.patient_ids) & set(new.patient_ids):
        raise TumorboardError(codes.TABLE_CLASH, base.name, found=f"variables {clash[:5]}", expected="new names")
    joined = old.join(more, "patient_id", join_type="full outer", right_suffix="\0new").sort_by("patient_id")
    for column in [c for c in joined.column_names if c.endswith("\0new")]:
        kept = column.removesuffix("\0new")
        merged = pc.coalesce(joined[kept], joined[column].cast(joined[kept].type))
        joined = joined.set_column(joined.column_names.index(kept), kept, merged)
        joined = joined.drop_columns([column])
    order = {patient: i for i, patient in enumerate(dict.fromkeys([*base.patient_ids, *new.patient_ids]))}
    rank = [order[p] for p in joined["patient_id"].to_pylist()]
    joined = joined.take(pc.sort_indices(pa.array(rank)))
    outcomes = pa.concat_tables([base.outcomes, new.outcomes])
    merged_cohort = base.replace_tables(patients=joined, outcomes=outcomes)
    return merged_cohort.with_dictionary(new.dictionary.values()).with_provenance(new.provenance[0])
