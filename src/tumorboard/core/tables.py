"""The eight tables: columns, types, keys and references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tumorboard.core import codes
from tumorboard.core.errors import TumorboardError

__all__ = ["EXPERT", "TABLES", "TableSpec", "build_table", "conform", "empty_table"]

EXPERT = "expert"
"""The run of the people who made the data: their masks, events and labels carry this `run_id`."""

_text = pa.string()
_real = pa.float64()
_label_names = pa.map_(pa.int32(), _text)
_measurements = pa.map_(_text, _real)
_survival = pa.struct([("event", pa.bool_()), ("time_days", _real)])


@dataclass(frozen=True)
class TableSpec:
    """One table: fixed columns, key, references to other tables, and whether further columns may be added."""

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    references: Mapping[str, str]
    open: bool = False
    """Whether columns beyond the schema are allowed (clinical variables of `patients`)."""


TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec(
            "patients",
            pa.schema(
                [
                    ("patient_id", _text),
                    ("centre", _text),
                    ("sex", _text),  # female, male; empty = not known
                    ("age_years", _real),
                ]
            ),
            key=("patient_id",),
            references={},
            open=True,
        ),
        TableSpec(
            "exams",
            pa.schema(
                [
                    ("exam_id", _text),
                    ("patient_id", _text),
                    ("day", _real),  # relative to the patient's own day 0; empty = not known
                    ("order", pa.int32()),  # 0, 1, 2 ... in time
                    ("kind", _text),  # PET/CT, CT, X-ray, RT planning ...
                ]
            ),
            key=("exam_id",),
            references={"patient_id": "patients"},
        ),
        TableSpec(
            "images",
            pa.schema(
                [
                    ("image_id", _text),
                    ("exam_id", _text),
                    ("modality", _text),
                    ("role", _text),  # image, mask, dose, map
                    ("unit", _text),
                    ("format", _text),  # nifti, dicom, mha, png16 ...: which loader reads `path`
                    ("path", _text),  # relative to the cohort folder, or absolute; file or series folder
                    ("shape", pa.list_(pa.int32())),
                    ("affine", pa.list_(_real)),  # 16 numbers, row by row, voxel index -> RAS mm
                    ("sha256", _text),
                    ("run_id", _text),  # empty = acquired; `expert` = drawn by people; else a prediction
                    ("reference_image_id", _text),  # mask, map: the image whose grid it shares
                    ("labels", _label_names),  # mask: voxel value -> structure
                    ("options", _text),  # JSON for the loader and DICOM facts worth keeping
                    ("problem", _text),  # code of what is wrong with it, found at import
                ]
            ),
            key=("image_id",),
            references={"exam_id": "exams", "run_id": "runs", "reference_image_id": "images"},
        ),
        TableSpec(
            "findings",
            pa.schema(
                [
                    ("finding_id", _text),
                    ("image_id", _text),
                    ("run_id", _text),
                    ("kind", _text),  # mask label, box, RECIST pair, point, anatomical location
                    ("label", _text),
                    ("value", pa.int32()),  # voxel value in the mask named by image_id
                    ("component", pa.int32()),  # connected component of that value, 1, 2 ...; 0 = all of it
                    ("points_mm", pa.list_(_real)),  # flat x, y, z in RAS mm (2-D images: x, y in pixels)
                    ("box", pa.list_(_real)),  # low corner then high corner, same coordinates as points
                    ("score", _real),
                    ("measurements", _measurements),  # names carry units: volume_ml, suv_max ...
                    ("attributes", _text),  # JSON
                ]
            ),
            key=("finding_id",),
            references={"image_id": "images", "run_id": "runs"},
        ),
        TableSpec(
            "outcomes",
            pa.schema(
                [
                    ("patient_id", _text),
                    ("endpoint", _text),  # OS, RFS, PFS, HPV, T stage ...
                    ("run_id", _text),
                    ("survival", _survival),  # event and time as one thing
                    ("class_value", _text),
                    (
                        "score",
                        _real,
                    ),  # predicted: higher = earlier event, or probability of the positive class
                    ("curve_days", pa.list_(_real)),
                    ("curve_survival", pa.list_(_real)),
                    ("probabilities", _measurements),
                    ("raw", _text),  # JSON of the published cells
                    ("problem", _text),
                ]
            ),
            key=("patient_id", "endpoint", "run_id"),
            references={"patient_id": "patients", "run_id": "runs"},
        ),
        TableSpec(
            "relations",
            pa.schema(
                [
                    ("relation_id", _text),
                    ("subject", _text),
                    ("predicate", _text),
                    ("object", _text),
                    ("run_id", _text),
                    ("text_id", _text),
                    ("start", pa.int32()),
                    ("end", pa.int32()),
                    ("confidence", _real),
                    ("attributes", _text),
                ]
            ),
            key=("relation_id",),
            references={"run_id": "runs", "text_id": "texts"},
        ),
        TableSpec(
            "texts",
            pa.schema([("text_id", _text), ("exam_id", _text), ("section", _text), ("body", _text)]),
            key=("text_id",),
            references={"exam_id": "exams"},
        ),
        TableSpec(
            "runs",
            pa.schema(
                [
                    ("run_id", _text),
                    ("task", _text),
                    ("kind", _text),  # expert, model, import, correction
                    ("config", _text),  # JSON
                    ("code_version", _text),
                    ("inputs", _text),  # JSON
                    ("metrics", _text),  # JSON
                    ("created", _text),  # ISO 8601, UTC; given by the caller
                ]
            ),
            key=("run_id",),
            references={},
        ),
    )
}


def empty_table(name: str) -> pa.Table:
    """The table `name` without rows."""
    return TABLES[name].schema.empty_table()


def build_table(name: str, rows: Iterable[Mapping[str, Any]] | Mapping[str, Any] | pa.Table) -> pa.Table:
    """A table from row dictionaries, from a dictionary of columns, or from an Arrow table; columns not given
    are empty. COH103 when a value does not fit its column."""
    spec = TABLES[name]
    if isinstance(rows, pa.Table):
        return conform(name, rows)
    if isinstance(rows, Mapping):
        columns = dict(rows)
    else:
        records = list(rows)
        names = dict.fromkeys([*spec.schema.names, *(key for record in records for key in record)])
        columns = {key: [record.get(key) for record in records] for key in names}
    length = max((len(column) for column in columns.values()), default=0)
    arrays, fields = [], []
    for field in spec.schema:
        values = columns.pop(field.name, None)
        arrays.append(_column(name, field.name, [None] * length if values is None else values, field.type))
        fields.append(field)
    for extra, values in columns.items():
        arrays.append(_column(name, extra, values, None))
        fields.append(pa.field(extra, arrays[-1].type))
    return conform(name, pa.Table.from_arrays(arrays, schema=pa.schema(fields)))


def _column(table: str, column: str, values: Any, type_: pa.DataType | None) -> pa.Array:
    try:
        array = pa.array(values, type=type_, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise TumorboardError(
            codes.COHORT_COLUMN,
            f"{table}.{column}",
            found=str(error),
            expected=f"values of type {type_ or 'one kind'}",
        ) from error
    return array.cast(_text) if pa.types.is_null(array.type) else array


def conform(name: str, table: pa.Table) -> pa.Table:
    """`table` with the columns of `name` in order and in type; unknown columns are refused unless the table
    is open. COH103 otherwise."""
    spec = TABLES[name]
    extra = [column for column in table.column_names if column not in spec.schema.names]
    if extra and not spec.open:
        raise TumorboardError(
            codes.COHORT_COLUMN, name, found=f"columns {extra}", expected=f"columns {spec.schema.names}"
        )
    arrays = []
    for field in spec.schema:
        if field.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        try:
            arrays.append(table.column(field.name).cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TumorboardError(
                codes.COHORT_COLUMN, f"{name}.{field.name}", found=str(error), expected=f"type {field.type}"
            ) from error
    fields = list(spec.schema) + [table.schema.field(column) for column in extra]
    arrays += [table.column(column) for column in extra]
    return pa.Table.from_arrays(arrays, schema=pa.schema([pa.field(f.name, f.type) for f in fields]))
