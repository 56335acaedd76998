"""Predictions as rows of the cohort's tables: masks on the CT grid, their measurements, the run they belong to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks import result
from tumorboard.tasks.segmentation.cases import Box, Case

__all__ = ["map_row", "mask_id", "mask_path", "mask_row", "run_row", "write_mask"]


def mask_id(case: Case, run_id: str) -> str:
    return f"{case.case_id}.mask.{run_id}"


def mask_path(folder: Path, case: Case, run_id: str) -> Path:
    """`folder/<run>/<exam>.nii.gz` with names of plain characters; equal names are told apart by the caller's ids."""
    return folder / _plain(run_id) / f"{_plain(case.case_id)}.nii.gz"


def write_mask(part: Volume, box: Box, whole: Geometry, path: Path) -> None:
    """Write a label map of a part of the CT on the CT's whole grid, 0 outside the part."""
    labels = np.zeros(whole.shape, np.uint8)
    labels[tuple(slice(a, b) for a, b in zip(*box, strict=True))] = part.array
    write_nifti(Volume(labels, whole.affine, Unit.LABEL), path)


def mask_row(path: Path, case: Case, run_id: str, structures: Sequence[str], *, like: Geometry) -> dict[str, Any]:
    """The row of `images` of a written mask. Its affine is the CT's own, not the file's rounding of it."""
    row = describe_image(
        path,
        image_id=mask_id(case, run_id),
        exam_id=case.case_id,
        modality=Modality.SEG,
        role=Role.MASK,
        unit=Unit.LABEL,
        run_id=run_id,
        reference_image_id=case.frame_id,
        labels=dict(enumerate(structures, start=1)),
    )
    return row | {"affine": like.affine.ravel().tolist()}


def map_row(path: Path, case: Case, run_id: str, *, like: Geometry) -> dict[str, Any]:
    """The row of `images` of a written map of doubt (0 decided, 1 level) on the grid of the CT."""
    row = describe_image(
        path,
        image_id=f"{case.case_id}.doubt.{run_id}",
        exam_id=case.case_id,
        modality=Modality.SEG,
        role=Role.MAP,
        unit=Unit.FRACTION,
        run_id=run_id,
        reference_image_id=case.frame_id,
    )
    return row | {"affine": like.affine.ravel().tolist()}


run_row = partial(result.run_row, task="segmentation")
"""A row of `runs`, see `tasks.result.run_row`."""


def _plain(identifier: str) -> str:
    words = identifier.replace(">", "-above-").replace("%", "-percent")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-.") or "run"
