"""Masks of marked lesions as rows: one mask per CT, one finding per lesion with its volume and axes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LONG_AXIS_MM, MASK_LABEL, SHORT_AXIS_MM, VOLUME_ML
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.metrics.recist import mask_axes
from tumorboard.tasks import result
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.weakmask import codes
from tumorboard.tasks.weakmask.marks import Mark, by_image, find_marks
from tumorboard.tasks.weakmask.model import WeakMaskModel
from tumorboard.tasks.weakmask.outline import NETWORK, Outline, outlines

__all__ = ["mask_rows", "predict", "run_row"]


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Outline every mark of `cohort` with the model in the folder `run`; masks go to `out` (default
    ``run/predictions``), one folder per run. Rows of runs, images and findings. WKM101 without a mark, WKM103 for the
    model."""
    model = WeakMaskModel.load(run)
    name = run_id or run.resolve().name
    marks = find_marks(cohort)
    if not marks:
        raise TumorboardError(codes.NO_MARKS, cohort.name, found="none", expected="one or more")
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": []}
    done = 0
    for volume, group in by_image(cohort, marks):
        found = {mark.finding_id: outlines(volume, mark.frame, model)[NETWORK] for mark in group}
        images, findings = mask_rows(volume, group, found, run_id=name, folder=(out or run / "predictions").resolve())
        rows["images"] += images
        rows["findings"] += findings
        done += len(group)
        if progress is not None:
            progress(done, len(marks))
    inputs = {"trained_on": model.facts.get("patients", [])}
    rows["runs"] = [run_row(name, kind="model", config=model.config.model_dump(mode="json"), inputs=inputs)]
    return TaskResult([], rows)


def mask_rows(
    volume: Volume, marks: Sequence[Mark], found: Mapping[str, Outline], *, run_id: str, folder: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write the lesions of one CT as one mask (values 1, 2 ... in the order of the marks; where two overlap, the
    smaller one is on top) and describe it and each of them."""
    labels = np.zeros(volume.shape, np.uint16)
    order = sorted(range(len(marks)), key=lambda n: -int(found[marks[n].finding_id].inside.sum()))
    for n in order:
        outline = found[marks[n].finding_id]
        labels[outline.window][outline.inside] = n + 1
    first = marks[0]
    path = folder / _plain(run_id) / f"{_plain(first.image_id)}.nii.gz"
    write_nifti(Volume(labels, volume.affine, Unit.LABEL), path)
    image_id = f"{first.image_id}.mask.{run_id}"
    image = describe_image(
        path,
        image_id=image_id,
        exam_id=first.exam_id,
        modality=Modality.SEG,
        role=Role.MASK,
        unit=Unit.LABEL,
        run_id=run_id,
        reference_image_id=first.image_id,
        labels={n + 1: f"{mark.label} of {mark.finding_id}" for n, mark in enumerate(marks)},
    ) | {"affine": volume.affine.ravel().tolist()}
    findings = [_finding(labels, volume, mark, n + 1, image_id, run_id) for n, mark in enumerate(marks)]
    return [image], [row for row in findings if row is not None]


def _finding(
    labels: np.ndarray[Any, Any], volume: Volume, mark: Mark, value: int, image_id: str, run_id: str
) -> dict[str, Any] | None:
    """One lesion of a mask; None where another covers all of it."""
    inside = labels == value
    axes = mask_axes(inside, volume.affine)
    if axes is None:
        return None
    index = np.argwhere(inside)
    corners = np.stack([index.min(axis=0) - 0.5, index.max(axis=0) + 0.5])
    world = volume.geometry.to_world(np.stack(np.meshgrid(*corners.T, indexing="ij"), axis=-1).reshape(-1, 3))
    return {
        "finding_id": f"{image_id}.{value}",
        "image_id": image_id,
        "run_id": run_id,
        "kind": MASK_LABEL,
        "label": mark.label,
        "value": value,
        "component": 0,
        "points_mm": axes.points_mm(),
        "box": [*world.min(axis=0).tolist(), *world.max(axis=0).tolist()],
        "measurements": {
            VOLUME_ML: float(len(index) * volume.voxel_volume_ml),
            LONG_AXIS_MM: axes.long_mm,
            SHORT_AXIS_MM: axes.short_mm,
        },
        "attributes": json.dumps({"mark": mark.finding_id}),
    }


run_row = partial(result.run_row, task="weakmask")
"""A row of `runs`, see `tasks.result.run_row`."""


def _plain(identifier: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", identifier).strip("-.") or "run"
