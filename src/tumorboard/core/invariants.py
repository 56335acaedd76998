"""What is true of every Cohort: checked when one is made, on the tables that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tumorboard.core import codes
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import TABLES
from tumorboard.core.units import Unit

__all__ = ["check_tables"]

_UNIT_SET = pa.array([str(unit) for unit in Unit])


def check_tables(tables: Mapping[str, pa.Table], changed: Iterable[str]) -> None:
    """Raise the first broken invariant among the tables `changed` and those that refer to them."""
    names = set(changed)
    for name in names:
        _unique_key(name, tables[name])
    for name, spec in TABLES.items():
        for column, target in spec.references.items():
            if name in names or target in names:
                _references(name, column, tables[name], target, tables[target])
    if "outcomes" in names:
        _outcomes(tables["outcomes"])
    if "images" in names:
        _units(tables["images"])
        _mask_grids(tables["images"])


def _examples(values: Any) -> str:
    listed = [str(v) for v in values[:3]]
    return ", ".join(listed) + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def _unique_key(name: str, table: pa.Table) -> None:
    key = list(TABLES[name].key)
    for column in key:
        if table.column(column).null_count:
            raise TumorboardError(
                codes.COHORT_KEY,
                name,
                found=f"{table.column(column).null_count} rows without {column}",
                expected="none",
            )
    counts = table.select(key).group_by(key).aggregate([([], "count_all")])
    doubled = counts.filter(pc.greater(counts["count_all"], 1))
    if doubled.num_rows:
        found = [" / ".join(str(row[c]) for c in key) for row in doubled.slice(0, 4).to_pylist()]
        raise TumorboardError(
            codes.COHORT_KEY,
            name,
            found=f"{' + '.join(key)} more than once: {_examples(found)}",
            expected="one row each",
        )


def _references(name: str, column: str, table: pa.Table, target: str, target_table: pa.Table) -> None:
    used = pc.drop_null(pc.unique(table.column(column)))
    known = target_table.column(TABLES[target].key[0]).combine_chunks()
    dangling = used.filter(pc.invert(pc.is_in(used, value_set=known)))
    if len(dangling):
        raise TumorboardError(
            codes.COHORT_REFERENCE,
            f"{name}.{column}",
            found=f"{_examples(dangling.to_pylist())}",
            expected=f"a row of `{target}` for each",
        )


def _outcomes(table: pa.Table) -> None:
    survival = table.column("survival").combine_chunks()
    given = pc.is_valid(survival)
    event, time_days = pc.struct_field(survival, "event"), pc.struct_field(survival, "time_days")
    whole = pc.and_(pc.is_valid(event), pc.fill_null(pc.and_(pc.greater(time_days, 0), pc.is_finite(time_days)), False))
    broken = table.filter(pc.and_(given, pc.invert(whole)))
    if broken.num_rows:
        row = broken.slice(0, 1).to_pylist()[0]
        raise TumorboardError(
            codes.COHORT_OUTCOME,
            f"outcomes, patient {row['patient_id']}, {row['endpoint']}",
            found=f"{row['survival']} ({broken.num_rows} such rows)",
            expected="an event (yes or no) and a finite time above 0 days",
        )


def _units(table: pa.Table) -> None:
    unit = table.column("unit")
    bad = table.filter(pc.invert(pc.fill_null(pc.is_in(unit, value_set=_UNIT_SET), False)))
    if bad.num_rows:
        row = bad.slice(0, 1).to_pylist()[0]
        raise TumorboardError(
            codes.COHORT_UNIT,
            f"images, {row['image_id']}",
            found=f"unit {row['unit']!r} ({bad.num_rows} such rows)",
            expected=", ".join(Unit),
        )


def _mask_grids(table: pa.Table) -> None:
    """Masks (and maps) that name a reference image share its grid within 0.001 mm at every corner."""
    refers = pc.is_valid(table.column("reference_image_id"))
    if not pc.any(refers).as_py():
        return
    columns = table.select(["image_id", "shape", "affine"]).to_pydict()
    grid = {i: (s, a) for i, s, a in zip(columns["image_id"], columns["shape"], columns["affine"], strict=True)}
    pairs = table.filter(refers).select(["image_id", "reference_image_id"]).to_pydict()
    for mask, image in zip(pairs["image_id"], pairs["reference_image_id"], strict=True):
        mine, theirs = grid[mask], grid[image]
        if mine == theirs and None not in mine:
            continue
        if None in mine or None in theirs or not _geometry(mine).same_grid(_geometry(theirs)):
            raise TumorboardError(
                codes.COHORT_MASK_GRID,
                f"images, {mask}",
                found=f"shape {mine[0]}, affine {mine[1]}",
                expected=f"the grid of {image}: shape {theirs[0]}, affine {theirs[1]}",
            )


def _geometry(grid: tuple[Any, Any]) -> Geometry:
    return Geometry(tuple(grid[0]), np.asarray(grid[1], float).reshape(4, 4))
