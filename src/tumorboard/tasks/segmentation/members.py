"""The networks of one training, which differ by seed alone: each trained by itself, anywhere, then put into one model.

A member that was stopped is resumed from its own checkpoint, a finished one is taken over, and what is left in the end
is one `model.safetensors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.engine.distributed import choose_device, world
from tumorboard.io.files import atomic_write_text
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.model import MODEL_FILE, SegmentationModel
from tumorboard.tasks.segmentation.preprocess import Preprocessing
from tumorboard.tasks.segmentation.settle import is_settled, settle

__all__ = ["TrainingJob", "resolved", "run_member", "train_members", "warm"]

PROGRESS_FILE = "progress.txt"
_SEEDS_APART = 1000


@dataclass(frozen=True)
class TrainingJob:
    """What a worker needs to train: files of cached cases and plain settings, never a cohort.

    `cases` to train on, `validation` to choose the weights by; `share` of the time budget that each member may use, of
    which `spent_s` are gone before it starts.
    """

    folder: Path
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    cases: tuple[Path, ...]
    patients: tuple[str, ...]
    seed: int
    validation: tuple[Path, ...] = ()
    share: float = 1.0
    spent_s: float = 0.0

    @property
    def settings(self) -> SegmentationConfig:
        return SegmentationConfig.model_validate(self.config)

    @property
    def folders(self) -> tuple[Path, ...]:
        """One per member; a single member needs none of its own."""
        count = self.settings.member_count
        return (self.folder,) if count == 1 else tuple(self.folder / f"member-{number}" for number in range(count))

    def part_done(self) -> float:
        """Mean part of the members' trainings that is over, from the files they write."""
        return float(np.mean([_part(folder / PROGRESS_FILE) for folder in self.folders]))


def warm(number: int) -> int:
    """Nothing but the imports of a training, so that a worker starts before the clock does."""
    import monai.networks.nets  # noqa: F401

    import tumorboard.tasks.segmentation.train  # noqa: F401

    return number


def run_member(task: tuple[TrainingJob, int]) -> None:
    """Train one member in its folder, unless the whole ensemble is there already."""
    job, number = task
    if _finished(job) is None:
        _train_member(job, number)


def train_members(job: TrainingJob) -> SegmentationModel:
    """The ensemble in `job.folder`: members that are missing are trained, in turn."""
    ready = _finished(job)
    if ready is not None:
        return ready
    models = [_train_member(job, number) for number in range(len(job.folders))]
    if len(models) == 1:
        return _settled(models[0], job)
    first = models[0]
    facts = {
        **first.facts,
        "identity": _identity(job),
        "steps": sum(model.facts["steps"] for model in models),
        "seconds": max(model.facts["seconds"] for model in models),
        "members": [{key: model.facts[key] for key in ("seed", "steps", "seconds")} for model in models],
    }
    networks = tuple(network for model in models for network in model.networks)
    whole = SegmentationModel(networks, first.config, first.preprocessing, facts)
    whole = _settled(whole, job)
    if world().leads:
        for folder in job.folders:
            (folder / MODEL_FILE).unlink()
    return whole


def _settled(model: SegmentationModel, job: TrainingJob) -> SegmentationModel:
    """The model with region and rules chosen on its training cases, written to the job's folder."""
    if not is_settled(model):
        model = settle(model, (*job.cases, *job.validation), unseen=job.validation)
        if world().leads:
            model.save(job.folder)
    return model


def resolved(config: SegmentationConfig) -> SegmentationConfig:
    """`config` with the number of members that this machine gives it. On a GPU, or on several processes, members
    would only wait for each other: one, unless more are asked for."""
    alone = choose_device(config.device) == "cpu" and world().size == 1
    return config.model_copy(update={"members": config.members or (config.member_count if alone else 1)})


def _train_member(job: TrainingJob, number: int) -> SegmentationModel:
    from tumorboard.tasks.segmentation.train import train_network

    folder = job.folders[number]
    seed = job.seed + _SEEDS_APART * number
    folder.mkdir(parents=True, exist_ok=True)
    model = train_network(
        job.cases,
        config=job.settings,
        preprocessing=Preprocessing.from_json(dict(job.preprocessing)),
        plan=job.settings.training_plan(seed=seed, share=job.share),
        folder=folder,
        facts={"patients": list(job.patients), "seed": seed},
        progress=lambda part: atomic_write_text(folder / PROGRESS_FILE, f"{part:.4f}\n"),
        spent_s=job.spent_s,
        validation=job.validation,
    )
    atomic_write_text(folder / PROGRESS_FILE, "1.0\n")
    return model


def _finished(job: TrainingJob) -> SegmentationModel | None:
    if len(job.folders) == 1 or not (job.folder / MODEL_FILE).exists():
        return None
    model = SegmentationModel.load(job.folder)
    return model if model.facts.get("identity") == _identity(job) else None


def _identity(job: TrainingJob) -> str:
    from tumorboard.tasks.segmentation.train import identity_of

    preprocessing = Preprocessing.from_json(dict(job.preprocessing))
    parts: Sequence[str] = [
        identity_of(
            job.cases, job.settings, preprocessing, validation=job.validation, seed=job.seed + _SEEDS_APART * number
        )
        for number in range(len(job.folders))
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _part(path: Path) -> float:
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0
