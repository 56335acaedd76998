"""A cohort on disk: `cohort.json`, one Parquet file per table, `runs/<run_id>/`.

Table files carry a part of their content's hash in their name and `cohort.json`, replaced last and atomically,
names them: a process killed at any moment leaves the cohort as it was before or as it is after.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import TABLES
from tumorboard.core.variables import Variable
from tumorboard.io import codes
from tumorboard.io.files import atomic_write_bytes, atomic_write_text, sha256_of
from tumorboard.io.images import load_image

__all__ = ["SCHEMA_VERSION", "open_cohort", "save_cohort", "table_files", "update_cohort"]

SCHEMA_VERSION = 1
_INDEX = "cohort.json"


def open_cohort(folder: str | Path) -> Cohort:
    """The cohort in `folder`; tables are read and verified, images stay where they are.

    Errors: STO101 no cohort there, STO102 damaged, STO103 written by another schema version.
    """
    root = Path(folder).resolve()
    index = _read_index(root)
    stamp = sha256_of(root / _INDEX)
    tables = {name: _read_table(root, name, index["tables"]) for name in TABLES}
    return Cohort.build(
        index["name"],
        dictionary=[Variable.from_json(record) for record in index["dictionary"]],
        provenance=index["provenance"],
        root=root,
        loader=load_image,
        stamp=stamp,
        **tables,
    )


def save_cohort(cohort: Cohort, folder: str | Path, *, replace: bool = False) -> Cohort:
    """Write `cohort` to `folder` and return it as opened from there.

    Relative image paths are taken to lie below `cohort.root`; saved elsewhere they become absolute, since images
    stay where they are. Errors: STO104 when `folder` was changed since `cohort` was opened from it, STO105 when
    it holds another cohort and `replace` is false.
    """
    root = Path(folder).resolve()
    with _locked(root):
        _refuse_overwriting(cohort, root, replace=replace)
        _write(cohort, root)
    return open_cohort(root)


def update_cohort(folder: str | Path, change: Callable[[Cohort], Cohort]) -> Cohort:
    """Apply `change` to the newest state of the cohort in `folder` while no other writer can.

    The way to add a run: `update_cohort(folder, lambda cohort: cohort.with_rows(runs=..., findings=...))`.
    """
    root = Path(folder).resolve()
    with _locked(root):
        _write(change(open_cohort(root)), root)
    return open_cohort(root)


def table_files(folder: str | Path) -> dict[str, Path]:
    """Table name -> its Parquet file, of the cohort in `folder`. Errors: STO101, STO102, STO103."""
    root = Path(folder).resolve()
    entries = _read_index(root)["tables"]
    return {name: _table_file(root, name, entries) for name in TABLES}


def _table_file(root: Path, name: str, entries: dict[str, Any]) -> Path:
    """Where a table lies; FIL111 outside the cohort's folder, STO102 when the index does not say or it is gone."""
    try:
        path = (root / entries[name]["file"]).resolve()
    except (KeyError, TypeError) as error:
        raise _unreadable(root, name, error) from error
    if not path.is_relative_to(root):
        raise TumorboardError(
            codes.FILE_OUTSIDE, root / _INDEX, found=f"{name} in {entries[name]['file']}", expected="a file below it"
        )
    if not path.is_file():
        raise _unreadable(root, name, FileNotFoundError(f"no file {path}"))
    return path


def _unreadable(root: Path, name: str, error: Exception) -> TumorboardError:
    return TumorboardError(
        codes.STORE_DAMAGED, root, found=f"table {name}: {error}", expected="a readable Parquet file"
    )


def _write(cohort: Cohort, root: Path) -> None:
    tables = {**cohort.tables, "images": _rebased(cohort.tables["images"], cohort.root, root)}
    entries = {}
    for name, table in tables.items():
        data = _parquet_bytes(table)
        digest = hashlib.sha256(data).hexdigest()
        path = root / "tables" / f"{name}-{digest[:12]}.parquet"
        if not path.exists() or sha256_of(path) != digest:
            atomic_write_bytes(path, data)
        entries[name] = {"file": f"tables/{path.name}", "sha256": digest, "rows": table.num_rows}
    index = {
        "schema_version": SCHEMA_VERSION,
        "name": cohort.name,
        "provenance": list(cohort.provenance),
        "dictionary": [variable.to_json() for variable in cohort.dictionary.values()],
        "tables": entries,
    }
    atomic_write_text(root / _INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")
    _remove_stale(root, {entry["file"] for entry in entries.values()})


def _read_index(root: Path) -> dict[str, Any]:
    path = root / _INDEX
    if not path.is_file():
        raise TumorboardError(codes.STORE_MISSING, root, found=f"no {_INDEX}", expected="a cohort folder")
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = index["schema_version"]
        if version == SCHEMA_VERSION and not {"name", "provenance", "dictionary", "tables"} <= index.keys():
            raise KeyError("name, provenance, dictionary or tables")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TumorboardError(
            codes.STORE_DAMAGED,
            path,
            found=f"{type(error).__name__}: {error}",
            expected="the index of a cohort",
        ) from error
    if version != SCHEMA_VERSION:
        raise TumorboardError(codes.STORE_VERSION, path, found=f"version {version}", expected=str(SCHEMA_VERSION))
    return index


def _read_table(root: Path, name: str, entries: dict[str, Any]) -> pa.Table:
    path = _table_file(root, name, entries)
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != entries[name]["sha256"]:
            raise TumorboardError(
                codes.STORE_DAMAGED, path, found="other bytes", expected="the checksum of cohort.json"
            )
        return pq.read_table(pa.BufferReader(data))
    except (OSError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise _unreadable(root, name, error) from error


def _parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks().replace_schema_metadata(None), sink, compression="zstd")
    return sink.getvalue()


def _rebased(images: pa.Table, source: Path | None, target: Path) -> pa.Table:
    """Paths below `target` become relative to it, others absolute."""

    def rebase(text: str | None) -> str | None:
        if text is None:
            return None
        path = Path(text) if source is None else source / text
        path = path if path.is_absolute() else target / path
        return path.relative_to(target).as_posix() if path.is_relative_to(target) else path.as_posix()

    paths = pa.array([rebase(text) for text in images["path"].to_pylist()], pa.string())
    return images.set_column(images.column_names.index("path"), "path", paths)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _refuse_overwriting(cohort: Cohort, root: Path, *, replace: bool) -> None:
    index = root / _INDEX
    if not index.exists() or replace:
        return
    if cohort.root != root:
        raise TumorboardError(
            codes.STORE_OCCUPIED,
            root,
            found=f"the cohort {_read_index(root)['name']!r}",
            expected="an empty folder",
        )
    if sha256_of(index) != cohort.stamp:
        raise TumorboardError(codes.STORE_CONFLICT, root, found="a newer state", expected="the state that was opened")


def _remove_stale(root: Path, kept: set[str]) -> None:
    for path in (root / "tables").glob("*.parquet"):
        if f"tables/{path.name}" not in kept:
            path.unlink(missing_ok=True)
    for path in (root / "tables").glob(".writing-*"):
        path.unlink(missing_ok=True)
