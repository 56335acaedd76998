"""Predictions as rows: the types told of lesions, and the run they belong to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.tasks import result

__all__ = ["TOLD", "run_name", "run_row", "told_types", "type_findings"]

TOLD = "lesion type"
"""Kind of a finding that says which type a run gives to a lesion of another run; `attributes` name that lesion."""


def run_name(model: str) -> str:
    """The run of a benchmark's model."""
    return f"retrieval-{model}"


def type_findings(
    cohort: Cohort, ids: Sequence[str], probabilities: NDArray[np.float64], *, run_id: str
) -> list[dict[str, Any]]:
    """One row per lesion, at its place: the type told as label, its probability as score, all of them as attributes."""
    rows = {row["finding_id"]: row for row in cohort.rows("findings")}
    found = []
    for name, shares in zip(ids, probabilities, strict=True):
        best = int(shares.argmax())
        said = {
            "lesion": name,
            "probabilities": {t: round(float(p), 4) for t, p in zip(LESION_TYPES, shares, strict=True)},
        }
        found.append(
            {
                "finding_id": f"{name}.{run_id}",
                "image_id": rows[name]["image_id"],
                "run_id": run_id,
                "kind": TOLD,
                "label": LESION_TYPES[best],
                "points_mm": rows[name]["points_mm"],
                "box": rows[name]["box"],
                "score": float(shares[best]),
                "attributes": json.dumps(said, sort_keys=True),
            }
        )
    return found


def told_types(cohort: Cohort, run_id: str) -> dict[str, NDArray[np.float64]]:
    """Lesion -> probabilities (types,) of the findings of a run; a label without probabilities counts as certain."""
    found = {}
    for row in cohort.rows("findings", run_id=run_id, kind=TOLD):
        said = json.loads(row["attributes"] or "{}")
        shares = said.get("probabilities") or {row["label"]: 1.0}
        values = np.array([float(shares.get(name, 0.0)) for name in LESION_TYPES])
        if said.get("lesion") and values.sum() > 0:
            found[str(said["lesion"])] = values / values.sum()
    return found


run_row = partial(result.run_row, task="retrieval")
"""A row of `runs`, see `tasks.result.run_row`."""
