"""`Cohort`: everything known about a set of patients, as eight typed tables plus lazy images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tumorboard.core import codes
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.invariants import check_tables
from tumorboard.core.outcome import ClassOutcome, Survival
from tumorboard.core.tables import EXPERT, TABLES, build_table, empty_table
from tumorboard.core.variables import Variable
from tumorboard.core.volume import Volume

__all__ = ["Cohort", "ImageLoader", "PatientView"]

ImageLoader = Callable[[Mapping[str, Any], Path | None], Volume]
"""Reads one row of `images` (paths relative to the cohort folder) into a Volume."""

Rows: TypeAlias = Iterable[Mapping[str, Any]] | Mapping[str, Any] | Any
"""Row dictionaries, a dictionary of columns, or an Arrow table."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Eight tables, a data dictionary, provenance, and a way to read the images. Immutable.

    Make one with `Cohort.build`; derive others with `subset`, `with_rows`, `replace_tables`. Invariants are
    checked at every construction, on the tables that changed (codes COH101 to COH107).
    """

    name: str
    tables: Mapping[str, pa.Table]
    dictionary: Mapping[str, Variable] = field(default_factory=dict)
    provenance: tuple[Mapping[str, Any], ...] = ()
    root: Path | None = None
    loader: ImageLoader | None = None
    stamp: str = ""
    """Checksum of the state on disk that this cohort was opened from; guards against lost updates."""

    # ---- making -------------------------------------------------------------------------------------
    @classmethod
    def build(
        cls,
        name: str,
        *,
        dictionary: Iterable[Variable] = (),
        provenance: Sequence[Mapping[str, Any]] = (),
        root: Path | None = None,
        loader: ImageLoader | None = None,
        stamp: str = "",
        **tables: Rows,
    ) -> Cohort:
        """A cohort from rows, columns or Arrow tables, by table name; tables not given are empty.

        The run ``expert`` is added when it is missing, since every truth belongs to it.
        """
        unknown = set(tables) - set(TABLES)
        if unknown:
            raise TumorboardError(
                codes.COHORT_COLUMN,
                name,
                found=f"tables {sorted(unknown)}",
                expected=f"tables among {list(TABLES)}",
            )
        built = {key: build_table(key, tables[key]) if key in tables else empty_table(key) for key in TABLES}
        if not pc.any(pc.equal(built["runs"]["run_id"], EXPERT)).as_py():
            expert = build_table("runs", [{"run_id": EXPERT, "kind": "expert"}])
            built["runs"] = pa.concat_tables([expert, built["runs"]])
        check_tables(built, TABLES)
        return cls(
            name,
            MappingProxyType(built),
            MappingProxyType({variable.name: variable for variable in dictionary}),
            tuple(provenance),
            root,
            loader,
            stamp,
        )

    def replace_tables(self, **tables: Rows) -> Cohort:
        """This cohort with whole tables exchanged."""
        changed = {name: build_table(name, rows) for name, rows in tables.items()}
        merged = {**self.tables, **changed}
        check_tables(merged, changed)
        return replace(self, tables=MappingProxyType(merged))

    def with_rows(self, **rows: Rows) -> Cohort:
        """This cohort with rows added to some tables (a prediction, a reader's correction)."""
        added = {}
        for name, new in rows.items():
            table = build_table(name, new)
            extra = [c for c in table.column_names if c not in TABLES[name].schema.names]
            empty = [c for c in extra if table[c].null_count == table.num_rows and c in self.tables[name].column_names]
            table = table.drop_columns(empty)  # an empty column has no type of its own
            added[name] = pa.concat_tables([self.tables[name], table], promote_options="permissive")
        return self.replace_tables(**added)

    def without_run(self, run_id: str) -> Cohort:
        """This cohort without one run and everything that carries its id."""
        kept: dict[str, pa.Table] = {}
        for name in ("findings", "relations", "outcomes", "images", "runs"):
            column = self.tables[name]["run_id"]
            kept[name] = self.tables[name].filter(pc.fill_null(pc.not_equal(column, run_id), True))
        return self.replace_tables(**kept)

    def subset(self, patient_ids: Iterable[str]) -> Cohort:
        """Only these patients, in all eight tables. COH107 for a patient who is not here."""
        wanted = list(dict.fromkeys(patient_ids))
        self._require_patients(wanted)
        patients = self._among("patients", "patient_id", wanted)
        exams = self._among("exams", "patient_id", wanted)
        images = self._among("images", "exam_id", exams["exam_id"])
        texts = self._among("texts", "exam_id", exams["exam_id"])
        findings = self._among("findings", "image_id", images["image_id"])
        outcomes = self._among("outcomes", "patient_id", wanted)
        things = pa.chunked_array(
            [
                chunk
                for column in (
                    patients["patient_id"],
                    exams["exam_id"],
                    images["image_id"],
                    findings["finding_id"],
                    texts["text_id"],
                )
                for chunk in column.chunks
            ],
            type=pa.string(),
        )
        relations = self.tables["relations"]
        relations = relations.filter(pc.is_in(relations["subject"], value_set=things.combine_chunks()))
        return self.replace_tables(
            patients=patients,
            exams=exams,
            images=images,
            texts=texts,
            findings=findings,
            outcomes=outcomes,
            relations=relations,
        )

    def with_provenance(self, entry: Mapping[str, Any]) -> Cohort:
        """This cohort with one more line in its history."""
        return replace(self, provenance=(*self.provenance, dict(entry)))

    def with_dictionary(self, variables: Iterable[Variable]) -> Cohort:
        """This cohort with variables added to (or exchanged in) its data dictionary."""
        merged = {**self.dictionary, **{variable.name: variable for variable in variables}}
        return replace(self, dictionary=MappingProxyType(merged))

    # ---- reading ------------------------------------------------------------------------------------
    def __reduce__(self) -> tuple[Any, ...]:
        """To other processes: read-only views cannot be pickled, what they show can."""
        fields = (self.name, dict(self.tables), dict(self.dictionary), self.provenance, self.root, self.loader)
        return _arrived, (*fields, self.stamp)

    def __len__(self) -> int:
        return int(self.patients.num_rows)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{t.num_rows} {name}" for name, t in self.tables.items() if t.num_rows)
        return f"Cohort({self.name!r}: {sizes})"

    @property
    def patients(self) -> pa.Table:
        return self.tables["patients"]

    @property
    def exams(self) -> pa.Table:
        return self.tables["exams"]

    @property
    def images(self) -> pa.Table:
        return self.tables["images"]

    @property
    def findings(self) -> pa.Table:
        return self.tables["findings"]

    @property
    def outcomes(self) -> pa.Table:
        return self.tables["outcomes"]

    @property
    def relations(self) -> pa.Table:
        return self.tables["relations"]

    @property
    def texts(self) -> pa.Table:
        return self.tables["texts"]

    @property
    def runs(self) -> pa.Table:
        return self.tables["runs"]

    @property
    def patient_ids(self) -> list[str]:
        ids: list[str] = self.patients["patient_id"].to_pylist()
        return ids

    def patient(self, patient_id: str) -> PatientView:
        """All rows of one patient. COH107 when there is no such patient."""
        return PatientView(self.subset([patient_id]), patient_id)

    def rows(self, table: str, **equal: Any) -> list[dict[str, Any]]:
        """Rows of a table as dictionaries, with the given column values (None matches empty cells)."""
        found = self.tables[table]
        for column, value in equal.items():
            cells = found[column]
            keep = pc.is_null(cells) if value is None else pc.fill_null(pc.equal(cells, value), False)
            found = found.filter(keep)
        return _dictionaries(found)

    def row(self, table: str, **equal: Any) -> dict[str, Any]:
        """The one row with the given column values; COH107 when there is none or more than one. By its key a row is
        found without looking at the others."""
        key = TABLES[table].key
        place = self._place(table, equal[key[0]]) if len(key) == 1 and tuple(equal) == key else None
        found = self.rows(table, **equal) if place is None else _dictionaries(self.tables[table].slice(place, 1))
        if len(found) != 1:
            raise TumorboardError(
                codes.COHORT_UNKNOWN,
                f"{self.name}, {table}",
                found=f"{len(found)} rows with {equal}",
                expected="one",
            )
        return found[0]

    @cached_property
    def _places(self) -> dict[str, dict[Any, int]]:
        """Table -> key -> row, for the tables that were asked."""
        return {}

    def _place(self, table: str, key: Any) -> int | None:
        if table not in self._places:
            column = self.tables[table][TABLES[table].key[0]].to_pylist()
            self._places[table] = {value: row for row, value in enumerate(column)}
        return self._places[table].get(key)

    def image(self, image_id: str) -> Volume:
        """Read one image (lazy until now). COH107 when it does not exist or the cohort cannot read images."""
        row = self.row("images", image_id=image_id)
        if self.loader is None:
            raise TumorboardError(
                codes.COHORT_UNKNOWN,
                f"{self.name}, image {image_id}",
                found="a cohort without an image loader",
                expected="a cohort made by tumorboard.open or a reader",
            )
        return self.loader(row, self.root)

    def geometry(self, image_id: str) -> Geometry:
        """Grid of an image, from the table (no voxels are read)."""
        row = self.row("images", image_id=image_id)
        return Geometry(tuple(row["shape"]), np.asarray(row["affine"], float).reshape(4, 4))

    def endpoints(self, run_id: str = EXPERT) -> list[str]:
        """Names of the outcomes that have rows of this run."""
        rows = self.outcomes.filter(pc.equal(self.outcomes["run_id"], run_id))
        names: list[str] = pc.unique(rows["endpoint"]).to_pylist()
        return names

    def outcome(self, endpoint: str, *, run_id: str = EXPERT) -> Survival | ClassOutcome:
        """The patients with a usable value of one endpoint, in table order. COH107 when nobody has one."""
        table = self.outcomes
        mine = pc.and_(pc.equal(table["endpoint"], endpoint), pc.equal(table["run_id"], run_id))
        table = table.filter(mine)
        timed = table.filter(pc.is_valid(table["survival"]))
        if timed.num_rows:
            survival = timed["survival"].combine_chunks()
            return Survival(
                endpoint,
                tuple(timed["patient_id"].to_pylist()),
                np.asarray(pc.struct_field(survival, "event").to_numpy(zero_copy_only=False), dtype=bool),
                np.asarray(pc.struct_field(survival, "time_days").to_numpy(zero_copy_only=False), dtype=float),
            )
        classed = table.filter(pc.is_valid(table["class_value"]))
        if classed.num_rows:
            return ClassOutcome(
                endpoint, tuple(classed["patient_id"].to_pylist()), tuple(classed["class_value"].to_pylist())
            )
        raise TumorboardError(
            codes.COHORT_UNKNOWN,
            f"{self.name}, outcomes",
            found=f"no usable value of {endpoint!r} (run {run_id})",
            expected=f"an endpoint among {self.endpoints(run_id)}",
        )

    # ---- helpers ------------------------------------------------------------------------------------
    def _require_patients(self, wanted: Sequence[str]) -> None:
        known = set(self.patient_ids)
        missing = [patient for patient in wanted if patient not in known]
        if missing:
            raise TumorboardError(
                codes.COHORT_UNKNOWN,
                f"{self.name}, patients",
                found=f"no patient {missing[:3]}",
                expected="known ids",
            )

    def _among(self, table: str, column: str, values: Any) -> pa.Table:
        wanted = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values, pa.string())
        found = self.tables[table]
        return found.filter(pc.fill_null(pc.is_in(found[column], value_set=wanted), False))


@dataclass(frozen=True)
class PatientView:
    """One patient's rows of every table, with the short cuts that a page or a task wants."""

    cohort: Cohort
    patient_id: str

    @property
    def record(self) -> dict[str, Any]:
        """The row of `patients`: centre, sex, age and the clinical variables."""
        return self.cohort.row("patients", patient_id=self.patient_id)

    @property
    def exams(self) -> list[dict[str, Any]]:
        """Exams in time order."""
        return sorted(self.cohort.rows("exams"), key=lambda exam: (exam["order"] or 0, exam["exam_id"]))

    def images(self, **equal: Any) -> list[dict[str, Any]]:
        """Image rows with the given column values, e.g. ``modality="PT", role="image"``."""
        return self.cohort.rows("images", **equal)

    def outcomes(self, *, run_id: str = EXPERT) -> list[dict[str, Any]]:
        return self.cohort.rows("outcomes", run_id=run_id)


def _arrived(name: str, tables: Mapping[str, pa.Table], dictionary: Mapping[str, Variable], *rest: Any) -> Cohort:
    return Cohort(name, MappingProxyType(tables), MappingProxyType(dictionary), *rest)


def _dictionaries(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dictionaries; Arrow hands maps out as lists of pairs."""
    listed: list[dict[str, Any]] = table.to_pylist()
    for row in listed:
        for name in ("labels", "measurements", "probabilities"):
            if row.get(name) is not None:
                row[name] = dict(row[name])
    return listed
