"""One fold of a cross-validation as a job that can run in another process: train, then predict what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.cases import Box
from tumorboard.tasks.segmentation.members import TrainingJob, train_members
from tumorboard.tasks.segmentation.preprocess import Prepared

__all__ = ["FoldJob", "HeldOut", "run_fold", "split_centres", "split_patients"]


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

    training: TrainingJob
    held_out: tuple[HeldOut, ...]


def split_patients(centre_of: Mapping[str, str | None], folds: int, *, seed: int) -> list[list[str]]:
    """Patients -> `folds` lists of equal size (up to one), each centre spread over all; at most one per patient."""
    random = np.random.default_rng(seed)
    patients = sorted(centre_of)
    drawn = [patients[i] for i in random.permutation(len(patients))]
    by_centre = sorted(drawn, key=lambda patient: centre_of[patient] or "")
    count = min(folds, len(patients))
    return [by_centre[number::count] for number in range(count)]


def split_centres(centre_of: Mapping[str, str | None], *, where: str) -> list[list[str]]:
    """One list of patients per centre, by name. SGM105 with fewer than two centres, or patients of no centre."""
    centres = sorted({centre for centre in centre_of.values() if centre})
    homeless = [patient for patient, centre in centre_of.items() if not centre]
    if len(centres) < 2 or homeless:
        raise TumorboardError(
            codes.SETTING,
            f"protocol leave-one-centre-out on {where}",
            found=f"{len(centres)} centres, {len(homeless)} patients of unknown centre",
            expected="two centres or more, and every patient's centre known",
            fix="set protocol=kfold, or add the column `centre` to the patients",
        )
    return [sorted(patient for patient, home in centre_of.items() if home == centre) for centre in centres]


def run_fold(job: FoldJob) -> dict[str, Any]:
    """Train on the job's cached cases and write the masks of its held-out ones. Returns how training went."""
    from tumorboard.tasks.segmentation.predict import predict_prepared
    from tumorboard.tasks.segmentation.rows import write_mask

    model = train_members(job.training)
    preprocessing = model.preprocessing
    for case in job.held_out:
        prepared = Prepared(
            np.load(case.inputs, allow_pickle=False), None, preprocessing.working_grid(case.native), case.native
        )
        labels = predict_prepared(model, prepared)
        write_mask(labels, case.box, case.whole, case.target)
    facts = {key: model.facts[key] for key in ("steps", "seconds", "precision")}
    return {**facts, "spacing_mm": preprocessing.spacing_mm, "patients": len(job.training.patients)}
