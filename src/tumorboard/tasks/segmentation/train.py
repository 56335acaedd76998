"""Training: cached cases -> model. Everything that is fitted is fitted on the cases given, and on nothing else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.executors import executor
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.engine.schedule import TrainingPlan
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.cache import CaseCache, Fingerprint, take_fingerprint
from tumorboard.tasks.segmentation.cases import find_cases, structures_of
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.losses import LossName, supervised_loss
from tumorboard.tasks.segmentation.members import TrainingJob, run_member, train_members, warm
from tumorboard.tasks.segmentation.model import MODEL_FILE, SegmentationModel, build_network
from tumorboard.tasks.segmentation.preprocess import Preprocessing, choose_spacing
from tumorboard.tasks.segmentation.progress import followed
from tumorboard.tasks.segmentation.sampling import Batch, PatchSampler

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["fit_preprocessing", "identity_of", "train", "train_network"]

Progress = Callable[[int, int], None]
_PARTS = 100
_RESERVE = 0.01
"""Part of a time budget kept for what comes before and after the training: starting the program, saving the model."""
_NOT_TRAINED = {"members", "workers", "mirror", "overlap", "window_voxels", "inference"}
"""Settings that do not shape the weights."""


def train(
    cohort: Cohort, out: Path, *, config: SegmentationConfig, progress: Progress | None = None
) -> SegmentationModel:
    """Train on every exam of `cohort` with CT, PET and mask; the model is written to `out`. Resumes a training that
    was stopped there. SGM102 without such an exam."""
    began = time.perf_counter()
    cases = find_cases(cohort, labelled=True)
    if not cases:
        raise TumorboardError(codes.NOTHING_TO_LEARN, cohort.name, found="no exam with all three", expected="one")
    structures = structures_of(cases)
    cache = CaseCache(out / "cache", cohort)
    report = progress or (lambda done, total: None)
    total = len(cases) + _PARTS
    preprocessing = fit_preprocessing([take_fingerprint(cohort, case) for case in cases], structures, config)
    paths = []
    for done, case in enumerate(cases):
        paths.append(cache.training(case, preprocessing))
        report(done + 1, total)
    job = TrainingJob(
        folder=out,
        config=config.model_copy(update={"members": config.member_count}).model_dump(mode="json"),
        preprocessing=preprocessing.to_json(),
        cases=tuple(paths),
        patients=tuple(sorted({case.patient_id for case in cases})),
        seed=config.seed,
    )
    with followed(job.part_done, lambda part: report(len(cases) + round(part * _PARTS), total)):
        return _train_side_by_side(job, began)


def _train_side_by_side(job: TrainingJob, began: float) -> SegmentationModel:
    """The members of an ensemble in processes of one thread each, a single network here with all threads. What is left
    of a time budget since `began` (of `time.perf_counter`) is shared by those who must wait for each other."""
    config = job.settings
    count = len(job.folders)
    reserve_s = _RESERVE * 60 * (config.budget_minutes or 0)

    def spent_s(rounds: int) -> float:
        return (time.perf_counter() - began + reserve_s) / rounds if config.budget_clock == "wall" else 0.0

    if count == 1:
        return train_members(replace(job, spent_s=spent_s(1)))
    with executor(config.workers) as pool:
        workers = min(getattr(pool, "workers", 1), count)
        list(pool.map(warm, range(workers)))
        rounds = -(-count // workers)
        mine = replace(job, share=1 / rounds, spent_s=spent_s(rounds))
        list(pool.map(run_member, [(mine, number) for number in range(count)]))
    return train_members(mine)


def fit_preprocessing(
    fingerprints: Sequence[Fingerprint], structures: Sequence[str], config: SegmentationConfig
) -> Preprocessing:
    """Preprocessing for these training cases: the working spacing is chosen from their lesions, unless it is set."""
    spacing_mm = config.spacing_mm or choose_spacing(
        [ml for print_ in fingerprints for ml in print_.lesions_ml], [print_.spacing_mm for print_ in fingerprints]
    )
    return Preprocessing(spacing_mm, config.ct_window_hu, tuple(structures))


def train_network(
    paths: Sequence[Path],
    *,
    config: SegmentationConfig,
    preprocessing: Preprocessing,
    plan: TrainingPlan,
    folder: Path,
    facts: dict[str, Any],
    progress: Callable[[float], None] | None = None,
    spent_s: float = 0.0,
) -> SegmentationModel:
    """Train one network on cached cases and save it to `folder`; a finished one there is taken over, a stopped one
    resumed."""
    identity = identity_of(paths, config, preprocessing, seed=plan.seed)
    if (folder / MODEL_FILE).exists():
        model = SegmentationModel.load(folder)
        if model.facts.get("identity") == identity:
            return model
        for name in (MODEL_FILE, "last.safetensors"):
            (folder / name).unlink(missing_ok=True)
    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    with seeded(plan.seed):
        network = build_network(config, len(preprocessing.structures))
    fitted = fit(
        network,
        plan,
        draw=PatchSampler(arrays, config, spacing_mm=preprocessing.spacing_mm),
        loss_of=partial(_loss_of, loss=config.loss),
        folder=folder,
        identity=identity,
        log=RunLog(folder / "log.jsonl"),
        progress=progress,
        spent_s=spent_s,
    )
    network.load_state_dict(dict(fitted.weights))
    outcome = {"steps": fitted.steps, "seconds": round(fitted.seconds, 1), "precision": fitted.precision}
    model = SegmentationModel((network,), config, preprocessing, {**facts, **outcome, "identity": identity})
    model.save(folder)
    (folder / "last.safetensors").unlink(missing_ok=True)
    return model


def _loss_of(network: Module, batch: Batch, *, loss: LossName) -> Tensor:
    logits = network(batch.inputs)
    return supervised_loss(logits if isinstance(logits, list) else [logits], batch.target, loss=loss)


def identity_of(paths: Sequence[Path], config: SegmentationConfig, preprocessing: Preprocessing, *, seed: int) -> str:
    """Digest of the data (cache names carry the digests of their images) and of everything that shapes the training of
    one network. Where the cache lies, what else is trained beside it and how predictions are made do not."""
    settings = config.model_dump(mode="json", exclude=_NOT_TRAINED)
    whole = {
        "cases": [path.name for path in paths],
        "config": settings,
        "preprocessing": preprocessing.to_json(),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
