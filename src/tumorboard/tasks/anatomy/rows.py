"""Predictions as rows of the cohort's tables: boxes, lung masks, the run they belong to."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.units import Modality, Role, Unit
from tumorboard.io.files import atomic_write_bytes, sha256_of
from tumorboard.tasks import result
from tumorboard.tasks.anatomy.cases import KIND, LUNGS, Case

__all__ = ["box_rows", "mask_row", "run_row"]


def box_rows(case: Case, boxes: Mapping[str, Sequence[float]], run_id: str) -> list[dict[str, Any]]:
    """Rows of `findings`, one per location, in source pixels."""
    return [
        {
            "finding_id": f"{case.image_id}.{run_id}.{name}",
            "image_id": case.image_id,
            "run_id": run_id,
            "kind": KIND,
            "label": name,
            "box": [round(float(edge), 2) for edge in box],
        }
        for name, box in boxes.items()
    ]


def mask_row(case: Case, lungs: NDArray[np.bool_], run_id: str, folder: Path) -> dict[str, Any]:
    """Write both lungs as an 8-bit PNG below `folder` and return its row of `images`."""
    from PIL import Image

    labels = np.zeros(case.shape, np.uint8)
    for value, lung in enumerate(lungs, start=1):
        labels[lung] = value
    stream = io.BytesIO()
    Image.fromarray(labels).save(stream, format="PNG")
    path = folder / _plain(run_id) / f"{_plain(case.image_id)}.png"
    atomic_write_bytes(path, stream.getvalue())
    return {
        "image_id": f"{case.image_id}.mask.{run_id}",
        "exam_id": case.exam_id,
        "modality": str(Modality.SEG),
        "role": str(Role.MASK),
        "unit": str(Unit.LABEL),
        "format": "radiograph",
        "path": str(path.resolve()),
        "shape": [case.shape[1], case.shape[0], 1],
        "affine": case.affine.ravel().tolist(),
        "sha256": sha256_of(path),
        "run_id": run_id,
        "reference_image_id": case.image_id,
        "labels": dict(enumerate(LUNGS, start=1)),
    }


run_row = partial(result.run_row, task="anatomy")
"""A row of `runs`, see `tasks.result.run_row`."""


def _plain(identifier: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", identifier).strip("-.") or "run"
