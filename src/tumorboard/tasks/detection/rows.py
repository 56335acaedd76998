"""Predicted boxes as rows of the cohort's tables, and the run they belong to."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks import result
from tumorboard.tasks.detection.cases import BOX, Case
from tumorboard.tasks.detection.prepare import Look

__all__ = ["box_rows", "run_row"]


def box_rows(
    case: Case, look: Look, boxes: NDArray[np.float64], scores: NDArray[np.float64], run_id: str
) -> list[dict[str, Any]]:
    """Rows of `findings`, best first: kind box, label lesion, box in RAS mm, score."""
    return [
        {
            "finding_id": f"{case.image_id}.{run_id}.{number}",
            "image_id": case.image_id,
            "run_id": run_id,
            "kind": BOX,
            "label": "lesion",
            "box": [round(edge, 2) for edge in box],
            "score": round(score, 5),
        }
        for number, (box, score) in enumerate(zip(look.to_mm(boxes).tolist(), scores.tolist(), strict=True))
    ]


run_row = partial(result.run_row, task="detection")
"""A row of `runs`, see `tasks.result.run_row`."""
