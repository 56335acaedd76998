"""Embeddings on disk: `embeddings.npy` (n, d) and the ids of its rows, `findings.parquet` or `findings.txt`.

Matrices made elsewhere come in by the same two files; no pickle is read.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.io.confine import confined, refuse_pickle
from tumorboard.io.files import atomic_write_bytes
from tumorboard.tasks.retrieval import codes

__all__ = ["Embeddings", "read_embeddings", "run_folder", "write_embeddings"]

MATRIX, TABLE, LIST = "embeddings.npy", "findings.parquet", "findings.txt"


@dataclass(frozen=True)
class Embeddings:
    """`ids` (n,) of findings and their `vectors` (n, d), row by row."""

    ids: tuple[str, ...]
    vectors: NDArray[Any]

    def of(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(places among `ids`, rows of the vectors) of those that have a vector."""
        row = {name: place for place, name in enumerate(self.ids)}
        pairs = [(place, row[name]) for place, name in enumerate(ids) if name in row]
        both = np.array(pairs, np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]


def write_embeddings(folder: Path, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write both files; the same content gives the same bytes."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(vectors, np.float32), allow_pickle=False)
    table = io.BytesIO()
    pq.write_table(pa.table({"finding_id": pa.array(list(ids), pa.string())}), table, compression="zstd")
    atomic_write_bytes(folder / TABLE, table.getvalue())
    atomic_write_bytes(folder / MATRIX, stream.getvalue())


def read_embeddings(folder: Path) -> Embeddings:
    """Read a folder of embeddings. RET103 when there are none, RET104 when matrix and list do not fit, FIL110 for a
    pickle."""
    path = folder / MATRIX
    if not path.is_file():
        raise TumorboardError(codes.RUN_UNKNOWN, folder, found=f"no {MATRIX}", expected="a folder with embeddings")
    refuse_pickle(path)
    try:
        vectors = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise TumorboardError(codes.EMBEDDINGS_UNFIT, path, found=str(error), expected="a NumPy array") from error
    ids = _ids(folder)
    shape = getattr(vectors, "shape", ())
    if len(shape) != 2 or shape[0] != len(ids) or vectors.dtype.kind != "f":
        found = f"{getattr(vectors, 'dtype', '?')} {shape} and {len(ids)} ids"
        raise TumorboardError(codes.EMBEDDINGS_UNFIT, path, found=found, expected="float (n, d) and n ids")
    return Embeddings(ids, vectors)


def run_folder(root: Path | None, run: str) -> Path:
    """Folder of a run: a path that exists, else `runs/<run>` of the cohort. RET103 when there is neither."""
    path = Path(run)
    if (path / MATRIX).is_file():
        return path
    if root is not None and run.strip():
        inside = confined(root / "runs", run)
        if (inside / MATRIX).is_file():
            return inside
    raise TumorboardError(
        codes.RUN_UNKNOWN, run or "run", found="no embeddings", expected="a run or folder that has some"
    )


def _ids(folder: Path) -> tuple[str, ...]:
    table, listed = folder / TABLE, folder / LIST
    try:
        if table.is_file():
            ids = pq.read_table(table, columns=["finding_id"])["finding_id"].to_pylist()
        else:
            ids = listed.read_text(encoding="utf-8").split("\n")
            ids = ids[:-1] if ids and not ids[-1] else ids
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError, KeyError) as error:
        expected = f"{TABLE} with finding_id, or {LIST}"
        raise TumorboardError(codes.EMBEDDINGS_UNFIT, folder, found=str(error), expected=expected) from error
    if len(set(ids)) < len(ids) or not all(ids):
        raise TumorboardError(codes.EMBEDDINGS_UNFIT, folder, found="an id twice, or empty", expected="each id once")
    return tuple(ids)
