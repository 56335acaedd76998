"""Answers as rows of the cohort: the map on the PET's grid, and candidates as findings with volume and score."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import VOLUME_ML
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.ops.components import components
from tumorboard.ops.resample import resample_to
from tumorboard.tasks import result
from tumorboard.tasks.anomaly.exam import Case, Exam
from tumorboard.tasks.anomaly.model import AnomalyModel

__all__ = ["CANDIDATE", "candidate_rows", "map_id", "probability_of", "run_row", "write_map", "write_part_map"]

CANDIDATE = "anomaly candidate"
"""Label of a finding (kind ``box``) that is a piece of the map above the threshold."""

run_row = partial(result.run_row, task="anomaly")
"""A row of `runs`, see `tasks.result.run_row`."""


def map_id(case: Case, run_id: str) -> str:
    return f"{case.exam_id}.anomaly.{run_id}"


def write_map(cohort: Cohort, exam: Exam, score: NDArray[Any], folder: Path, *, run_id: str) -> dict[str, Any]:
    """Write a map of z-scores on the PET's own grid below `folder`; the row of `images`."""
    native: Geometry = cohort.geometry(exam.case.pet_id)
    volume = Volume(np.ascontiguousarray(score, np.float32), exam.grid.affine, Unit.ZSCORE)
    there = resample_to(volume, native, method="linear", fill=0.0, allow_empty=True)
    row = _written(there, exam, folder, run_id=run_id, reference_image_id=exam.case.pet_id)
    return row | {"affine": native.affine.ravel().tolist()}


def write_part_map(cohort: Cohort, exam: Exam, score: NDArray[Any], folder: Path, *, run_id: str) -> dict[str, Any]:
    """As `write_map`, of a part of an exam, on the grid of that part: there is nothing outside it."""
    volume = Volume(np.ascontiguousarray(score, np.float32), exam.grid.affine, Unit.ZSCORE)
    return _written(volume, exam, folder, run_id=run_id, reference_image_id=None)


def _written(
    volume: Volume, exam: Exam, folder: Path, *, run_id: str, reference_image_id: str | None
) -> dict[str, Any]:
    path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', exam.case.exam_id).strip('-.') or 'exam'}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(volume, path)
    return describe_image(
        path,
        image_id=map_id(exam.case, run_id),
        exam_id=exam.case.exam_id,
        modality=Modality.PT,
        role=Role.MAP,
        unit=Unit.ZSCORE,
        run_id=run_id,
        reference_image_id=reference_image_id,
    )


def probability_of(model: AnomalyModel, z: NDArray[Any]) -> NDArray[np.float32] | None:
    """Chance that a voxel of this z belongs to a lesion when half of the voxels do; None for an uncalibrated model."""
    if model.probability is None:
        return None
    slope, offset = model.probability
    return (1 / (1 + np.exp(-(slope * np.asarray(z, float) + offset)))).astype(np.float32)


def candidate_rows(
    exam: Exam, score: NDArray[Any], model: AnomalyModel, *, run_id: str, threshold: float | None = None
) -> list[dict[str, Any]]:
    """One finding per connected piece (26 neighbours) of at least `candidate_ml` above the threshold: the model's own,
    or, where no tumour was there to choose one, a probability of one half. `score`: probability at its highest z."""
    limit = threshold if threshold is not None else limit_of(model)
    mask = Volume(((score >= limit) & exam.body).astype(np.uint8), exam.grid.affine, Unit.LABEL)
    parts, found = components(mask)
    rows: list[dict[str, Any]] = []
    for part in found:
        if part.volume_ml < model.config.candidate_ml:
            continue
        inside = parts.crop(part.box.start, part.box.stop).array == part.label
        index = np.argwhere(inside) + np.array(part.box.start)
        at = tuple(index.T)
        peak = int(np.argmax(score[at]))
        z = float(score[at][peak])
        chance = probability_of(model, np.array([z]))
        figures: Mapping[str, float] = {
            VOLUME_ML: float(part.volume_ml),
            "z_max": z,
            "suv_max": float(exam.suv[at].max()),
            "suv_mean": float(exam.suv[at].mean()),
        }
        corners = exam.grid.to_world(np.stack([index.min(axis=0) - 0.5, index.max(axis=0) + 0.5]))
        rows.append(
            {
                "finding_id": f"{map_id(exam.case, run_id)}.{len(rows) + 1}",
                "image_id": map_id(exam.case, run_id),
                "run_id": run_id,
                "kind": "box",
                "label": CANDIDATE,
                "points_mm": exam.grid.to_world(index[peak]).tolist(),
                "box": [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()],
                "score": z if chance is None else float(chance[0]),
                "measurements": dict(figures),
                "attributes": json.dumps({"score": "z-score" if chance is None else "probability"}),
            }
        )
    return rows


def limit_of(model: AnomalyModel) -> float:
    """The z above which a voxel is a candidate's."""
    if model.mask_z is not None:
        return model.mask_z
    if model.probability is not None:
        slope, offset = model.probability
        return -offset / slope
    return 3.0
