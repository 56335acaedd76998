"""A cohort as the rules look at it: columns, times, indicators and groups as arrays in the order of `patients`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.core.naming import (
    DAYS_PER,
    endpoint_of,
    event_meaning,
    indicator_polarity,
    is_duration,
    is_group,
    means_missing,
    pair_endpoints,
    stated_time_unit,
)
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable

if TYPE_CHECKING:
    from tumorboard.checks.image_statistics import ImageStatistics

__all__ = ["AS_PUBLISHED", "Case", "Column", "Indicator", "Timed"]

AS_PUBLISHED = " (as published)"
"""Suffix of the text column in which readers keep the cells of a variable that did not read as its kind."""

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Column:
    """One variable of the patients. `values`: float64 (numbers, booleans as 0/1, dates as days since 1970) or
    object (text, None where missing). `known` (n,) bool."""

    name: str
    variable: Variable
    values: NDArray[Any]
    known: NDArray[np.bool_]
    is_date: bool = False

    @property
    def is_number(self) -> bool:
        return self.values.dtype == np.float64 and not self.is_date

    @property
    def is_text(self) -> bool:
        return self.values.dtype == object

    @cached_property
    def counts(self) -> Counter[Any]:
        """How often each known value occurs."""
        if self.is_text:
            return Counter(self.values[self.known].tolist())
        values, counts = np.unique(self.values[self.known], return_counts=True)
        return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    @property
    def has_typical_value(self) -> bool:
        """Whether there are enough different known values for their median to speak for the whole column."""
        return int(self.known.sum()) >= 5 and len(self.counts) >= 3

    @cached_property
    def levels(self) -> dict[str, NDArray[np.bool_]]:
        """Value -> patients who have it, for columns of at most 30 values; empty for others."""
        if len(self.counts) > 30 or self.is_date:
            return {}
        return {level_text(value): np.asarray(self.values == value) & self.known for value in self.counts}


def level_text(value: Any) -> str:
    """A level as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Timed:
    """A time to event: `time` (n,) in `unit` (or as published when the unit is not stated), `event` (n,) 1, 0 or
    nan. From an endpoint of the cohort (`declared`) or from columns whose names say so."""

    name: str
    endpoint: str | None
    time: Floats
    event: Floats
    unit: str | None
    declared: bool
    event_name: str = ""

    @property
    def days(self) -> Floats:
        """`time` in days; as it is where the unit is not stated."""
        return self.time * DAYS_PER.get(self.unit or "days", 1.0)


@dataclass(frozen=True)
class Indicator:
    """A two-valued column: `value` (n,) 1, 0 or nan. `polarity`: what 1 means by the column's name. `by_levels`:
    the levels themselves say event or not (Dead, Alive), so `value` is 1 where the event happened."""

    name: str
    value: Floats
    polarity: str | None
    by_levels: bool


@dataclass
class Case:
    """A cohort and what is derived from it once for all rules."""

    cohort: Cohort
    statistics: Mapping[str, ImageStatistics] = field(default_factory=dict)
    against: Sequence[Cohort] = ()

    @cached_property
    def ids(self) -> Texts:
        return np.array(self.cohort.patient_ids, dtype=object)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """All columns of `patients` but the id, by name."""
        table = self.cohort.patients
        return {
            name: _column(name, table[name], self.cohort.dictionary.get(name))
            for name in table.column_names
            if name != "patient_id" and table[name].null_count < len(table)
        }

    @cached_property
    def variables(self) -> dict[str, Column]:
        """The columns that are variables of their own (not the kept raw cells of another)."""
        return {name: column for name, column in self.columns.items() if not name.endswith(AS_PUBLISHED)}

    @cached_property
    def timed(self) -> list[Timed]:
        """Every time to event: declared endpoints, then columns."""
        return [*self._declared(), *self._timed_columns()]

    @cached_property
    def indicators(self) -> list[Indicator]:
        """Every two-valued column that may say whether something happened."""
        return [made for column in self.variables.values() if (made := _indicator(column)) is not None]

    @cached_property
    def groups(self) -> dict[str, Texts]:
        """Groupings of the patients with 2 to 60 groups: centre, columns named like one, ID prefixes."""
        found = {}
        for name, column in self.variables.items():
            if column.is_text and (name == "centre" or is_group(name)) and 2 <= len(column.counts) <= 60:
                found[name] = column.values
        prefixes = np.array([_prefix(patient) for patient in self.ids], dtype=object)
        counts = Counter(prefixes.tolist())
        if not found and 2 <= len(counts) <= 60 and min(counts.values()) >= 5 and "" not in counts:
            found["prefix of patient_id"] = prefixes
        return found

    @staticmethod
    def option(row: Mapping[str, Any], name: str) -> Any:
        """One of an image's options; None where it has none of that name."""
        return json.loads(row["options"]).get(name) if f'"{name}"' in (row["options"] or "") else None

    @cached_property
    def marked_lesions(self) -> list[dict[str, Any]]:
        """The experts' RECIST pairs, with `attributes` as a dictionary and their patient, in table order."""
        table = self.cohort.findings
        mine = pc.and_(pc.equal(table["kind"], RECIST_PAIR), pc.equal(table["run_id"], EXPERT))
        columns = ["finding_id", "image_id", "label", "attributes"]
        patient_of = {row["image_id"]: row["patient_id"] for row in self.images}
        return [
            {**row, "attributes": json.loads(row["attributes"] or "{}"), "patient_id": patient_of.get(row["image_id"])}
            for row in table.filter(pc.fill_null(mine, False)).select(columns).to_pylist()
        ]

    @cached_property
    def class_endpoints(self) -> dict[str, Texts]:
        """Endpoint -> class value (n,) or None, as the experts gave it."""
        position = {patient: i for i, patient in enumerate(self.ids)}
        found: dict[str, Texts] = {}
        for row in self._outcomes.filter(pc.is_valid(self._outcomes["class_value"])).to_pylist():
            values = found.setdefault(row["endpoint"], np.full(len(self), None, dtype=object))
            values[position[row["patient_id"]]] = row["class_value"]
        return found

    @cached_property
    def unusable_outcomes(self) -> list[dict[str, Any]]:
        """Expert rows of `outcomes` with neither a survival nor a class."""
        table = self._outcomes
        return table.filter(pc.and_(pc.is_null(table["survival"]), pc.is_null(table["class_value"]))).to_pylist()

    @cached_property
    def images(self) -> list[dict[str, Any]]:
        """Acquired and expert images with their patient, in table order."""
        patient_of = dict(
            zip(self.cohort.exams["exam_id"].to_pylist(), self.cohort.exams["patient_id"].to_pylist(), strict=True)
        )
        rows = [row for row in self.cohort.rows("images") if row["run_id"] in (None, EXPERT)]
        return [{**row, "patient_id": patient_of[row["exam_id"]]} for row in rows]

    def images_by_exam(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """(exam_id, its images), in table order."""
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in self.images:
            grouped.setdefault(row["exam_id"], []).append(row)
        yield from grouped.items()

    @cached_property
    def _outcomes(self) -> pa.Table:
        table = self.cohort.outcomes
        return table.filter(pc.equal(table["run_id"], EXPERT))

    def _declared(self) -> Iterator[Timed]:
        table = self._outcomes.filter(pc.is_valid(self._outcomes["survival"]))
        position = {patient: i for i, patient in enumerate(self.ids)}
        for endpoint in pc.unique(table["endpoint"]).to_pylist():
            mine = table.filter(pc.equal(table["endpoint"], endpoint))
            survival = mine["survival"].combine_chunks()
            rows = [position[p] for p in mine["patient_id"].to_pylist()]
            time, event = np.full(len(self), np.nan), np.full(len(self), np.nan)
            time[rows] = pc.struct_field(survival, "time_days").to_numpy(zero_copy_only=False)
            event[rows] = pc.struct_field(survival, "event").to_numpy(zero_copy_only=False)
            yield Timed(endpoint, endpoint_of(endpoint) or endpoint, time, event, "days", declared=True)

    def _timed_columns(self) -> Iterator[Timed]:
        pairs = {pair.time: pair for pair in pair_endpoints(self.variables)}
        indicators = {indicator.name: indicator for indicator in self.indicators}
        for name, column in self.variables.items():
            if not column.is_number or not is_duration(name) or len(column.counts) < 3:
                continue
            event, pair = np.full(len(self), np.nan), pairs.get(name)
            if pair is not None and pair.event in indicators:
                event = indicators[pair.event].value
            unit = stated_time_unit(name) or (column.variable.unit if column.variable.unit in DAYS_PER else None)
            endpoint = pair.endpoint if pair else endpoint_of(name)
            yield Timed(
                name, endpoint, column.values, event, unit, declared=False, event_name=pair.event if pair else ""
            )

    @staticmethod
    def is_early(outcome: Mapping[str, Any]) -> bool:
        """Whether an unusable outcome has a time of zero or less (by code, or in the words of the table reader)."""
        problem = outcome["problem"] or ""
        return "COH104" in problem or "not above 0" in problem


def _column(name: str, chunked: pa.ChunkedArray, variable: Variable | None) -> Column:
    array = chunked.combine_chunks()
    known = pc.is_valid(array).to_numpy(zero_copy_only=False)
    type_ = array.type
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        days = array.cast(pa.date32()).cast(pa.int32()).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return Column(name, variable or Variable(name, Kind.DATE), np.asarray(days, float), known, is_date=True)
    if pa.types.is_boolean(type_) or pa.types.is_integer(type_) or pa.types.is_floating(type_):
        plain = array.cast(pa.uint8()) if pa.types.is_boolean(type_) else array
        numbers = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return Column(name, variable or Variable(name, Kind.NUMERIC), np.asarray(numbers, float), known)
    texts = np.array(array.cast(pa.string()).to_pylist(), dtype=object)
    return Column(name, variable or Variable(name, Kind.TEXT), texts, known)


def _indicator(column: Column) -> Indicator | None:
    """A column of two known values (words for "missing" aside), as 1/0."""
    polarity = indicator_polarity(column.name)
    if column.is_number:
        if set(column.counts) != {0.0, 1.0} or polarity is None:
            return None
        return Indicator(column.name, np.where(column.known, column.values, np.nan), polarity, by_levels=False)
    if not column.is_text or len(column.counts) > 6 or polarity is None:
        return None
    levels = [level for level in column.counts if not means_missing(level)]
    meanings = {level: event_meaning(level) for level in levels}
    if set(meanings.values()) != {True, False}:
        return None
    value = np.array([np.nan if v is None or means_missing(v) else float(meanings[v]) for v in column.values])
    spoken = all(any(letter.isalpha() for letter in level) and level.lower() not in _YES_NO for level in levels)
    return Indicator(column.name, value, polarity, by_levels=spoken)


_YES_NO = {"yes", "no", "y", "n", "true", "false", "t", "f"}


def _prefix(patient: str) -> str:
    letters = []
    for letter in patient:
        if letter.isdigit():
            break
        letters.append(letter)
    return "".join(letters).strip("-_ ")
