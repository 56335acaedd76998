"""Predicted boxes as rows of the cohort's tables, and the run they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard import __version__
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


def run_row(
    run_id: str, *, kind: str, config: Mapping[str, Any], inputs: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of `runs`. `kind` is model, baseline or import."""
    return {
        "run_id": run_id,
        "task": "detection",
        "kind": kind,
        "config": json.dumps(config, sort_keys=True),
        "code_version": __version__,
        "inputs": json.dumps(inputs, sort_keys=True),
        "metrics": json.dumps(metrics, sort_keys=True),
    }
