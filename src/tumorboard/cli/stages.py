"""Finished work that a rerun may take over: each stage is kept with the hash of everything that went into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import tumorboard
from tumorboard.cli import codes
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT, TABLES, build_table
from tumorboard.io.files import atomic_file, atomic_write_text, sha256_of

__all__ = ["Stages", "acquired", "digest_of_inputs", "digest_of_program"]


class Stages:
    """The finished stages below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reused: list[str] = []

    def once(self, name: str, key: Mapping[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of `work` (JSON values, and Arrow tables under ``tables``): taken over when it was kept with the
        same key and its files are whole, worked out and kept otherwise."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        kept = self._kept(name, digest)
        if kept is not None:
            self.reused.append(name)
            return kept
        result = work()
        files = {}
        for table, rows in result.get("tables", {}).items():
            path = self.folder / name / f"{table}.parquet"
            with atomic_file(path) as temporary:
                pq.write_table(build_table(table, rows), temporary)
            files[table] = {"path": str(path.relative_to(self.folder)), "sha256": sha256_of(path)}
        record = {"key": digest, "files": files, "result": {k: v for k, v in result.items() if k != "tables"}}
        atomic_write_text(self.folder / f"{name}.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
        return result

    def _kept(self, name: str, digest: str) -> dict[str, Any] | None:
        try:
            record = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            if record["key"] != digest:
                return None
            tables = {}
            for table, file in record["files"].items():
                path = self.folder / file["path"]
                if sha256_of(path) != file["sha256"]:
                    return None
                tables[table] = pq.read_table(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # absent or cut short: not finished
        figures = record["result"].get("pictures", [])
        if any(not Path(one["path"]).is_file() or sha256_of(Path(one["path"])) != one["sha256"] for one in figures):
            return None
        images = tables.get("images", pa.table({"path": [], "sha256": []})).select(["path", "sha256"]).to_pylist()
        if any(not Path(row["path"]).is_file() or sha256_of(Path(row["path"])) != row["sha256"] for row in images):
            return None
        return {**record["result"], "tables": tables}


def acquired(cohort: Cohort) -> Cohort:
    """The cohort as it was before any run of a program: acquired images and the expert's rows."""
    for run_id in cohort.runs["run_id"].to_pylist():
        if run_id != EXPERT:
            cohort = cohort.without_run(run_id)
    return cohort


def digest_of_inputs(cohort: Cohort) -> str:
    """Hash of an acquired cohort's tables, whose image rows carry the hash of their bytes.

    Errors: FIL101 when an image is gone, RUN101 when a file is not the one that was imported.
    """
    digest = hashlib.sha256()
    for name in TABLES:
        table = cohort.tables[name].combine_chunks()
        for column in table.column_names:
            digest.update(f"{name}.{column}".encode())
            digest.update(json.dumps(table[column].to_pylist(), default=str).encode())
    _verify_images(cohort)
    return digest.hexdigest()


def _verify_images(cohort: Cohort) -> None:
    from tumorboard.io.images import image_path

    rows = cohort.images.filter(pc.is_valid(cohort.images["sha256"]))
    for row in rows.select(["image_id", "path", "sha256"]).to_pylist():
        path = image_path(row, cohort.root)
        if path.is_file() and sha256_of(path) != row["sha256"]:
            raise TumorboardError(
                codes.FILE_CHANGED, path, found="other bytes", expected=f"the file imported as {row['image_id']}"
            )


@cache
def digest_of_program() -> str:
    """Hash of this package's own source, so that results are never those of another version."""
    root = Path(tumorboard.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
