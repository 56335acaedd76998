"""Embeddings of lesions from the folder of a run: `embeddings.npy` beside `findings.parquet`, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.tracking import codes

__all__ = ["Embedding", "read_embedding"]


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors (n, d) and the row of each finding."""

    vectors: NDArray[np.float32]
    rows: Mapping[str, int]
    where: str

    def of(self, finding_ids: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of these findings, in their order. TRK104 when one has none."""
        lost = [name for name in finding_ids if name not in self.rows]
        if lost:
            found = f"{len(lost)} lesions without a vector, e.g. {lost[0]}"
            raise TumorboardError(codes.NOT_AN_EMBEDDING, self.where, found=found, expected="one for each lesion")
        return self.vectors[[self.rows[name] for name in finding_ids]]


def read_embedding(folder: str | Path) -> Embedding:
    """Read the two files of an embedding. TRK104 when they are absent, do not match or hold what is no number."""
    import pyarrow.parquet as pq

    at = Path(folder)
    matrix, names = at / "embeddings.npy", at / "findings.parquet"
    if not matrix.is_file() or not names.is_file():
        expected = "embeddings.npy and findings.parquet"
        raise TumorboardError(codes.NOT_AN_EMBEDDING, at, found="no such files", expected=expected)
    vectors = np.load(matrix, allow_pickle=False)
    findings = pq.read_table(names, columns=["finding_id"])["finding_id"].to_pylist()
    if vectors.ndim != 2 or len(vectors) != len(findings) or not np.isfinite(vectors).all():
        found = f"vectors of shape {vectors.shape} for {len(findings)} findings"
        raise TumorboardError(codes.NOT_AN_EMBEDDING, at, found=found, expected="a finite row per finding")
    return Embedding(vectors.astype(np.float32, copy=False), {name: i for i, name in enumerate(findings)}, str(at))
