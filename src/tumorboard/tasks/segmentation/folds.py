"""One fold of a cross-validation as a job that can run in another process: train, then predict what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.geometry import Geometry
from tumorboard.io.files import atomic_write_text
from tumorboard.tasks.segmentation.cases import Box
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.preprocess import Prepared, Preprocessing

__all__ = ["FoldJob", "HeldOut", "part_done", "run_fold", "split_patients"]

PROGRESS_FILE = "progress.txt"


@dataclass(frozen=True)
class HeldOut:
    """A case to predict: file of its cached inputs, the grid of the part that may be seen, the CT's whole grid, and
    where the mask goes."""

    inputs: Path
    box: Box
    native: Geometry
    whole: Geometry
    target: Path


@dataclass(frozen=True)
class FoldJob:
    """What a worker needs; nothing in it knows the masks of held-out patients."""

    number: int
    folder: Path
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    training: tuple[Path, ...]
    patients: tuple[str, ...]
    held_out: tuple[HeldOut, ...]
    share: float


def split_patients(centre_of: Mapping[str, str | None], folds: int, *, seed: int) -> list[list[str]]:
    """Patients -> `folds` lists of equal size (up to one), each centre spread over all; at most one per patient."""
    random = np.random.default_rng(seed)
    patients = sorted(centre_of)
    drawn = [patients[i] for i in random.permutation(len(patients))]
    by_centre = sorted(drawn, key=lambda patient: centre_of[patient] or "")
    count = min(folds, len(patients))
    return [by_centre[number::count] for number in range(count)]


def run_fold(job: FoldJob) -> dict[str, Any]:
    """Train on the job's cached cases and write the masks of its held-out ones. Returns how training went."""
    from tumorboard.tasks.segmentation.predict import predict_prepared
    from tumorboard.tasks.segmentation.rows import write_mask
    from tumorboard.tasks.segmentation.train import train_network

    config = SegmentationConfig.model_validate(job.config)
    preprocessing = Preprocessing.from_json(dict(job.preprocessing))
    progress = job.folder / PROGRESS_FILE
    model = train_network(
        job.training,
        config=config,
        preprocessing=preprocessing,
        plan=config.training_plan(seed=config.seed + job.number, share=job.share),
        folder=job.folder,
        facts={"patients": list(job.patients)},
        progress=lambda part: atomic_write_text(progress, f"{part:.4f}\n"),
    )
    for case in job.held_out:
        prepared = Prepared(
            np.load(case.inputs, allow_pickle=False), None, preprocessing.working_grid(case.native), case.native
        )
        labels = predict_prepared(model, prepared)
        write_mask(labels, case.box, case.whole, case.target)
    atomic_write_text(progress, "1.0\n")
    facts = {key: model.facts[key] for key in ("steps", "seconds", "precision")}
    return {**facts, "spacing_mm": preprocessing.spacing_mm, "patients": len(job.patients)}


def part_done(folders: Sequence[Path]) -> float:
    """Mean part of the folds that is over, from the files they write."""
    parts = []
    for folder in folders:
        try:
            parts.append(float((folder / PROGRESS_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            parts.append(0.0)
    return float(np.mean(parts)) if parts else 0.0
