"""Training: cached cases -> model. Everything that is fitted is fitted on the cases given, and on nothing else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.distributed import choose_device, first_before_others, joined, world
from tumorboard.engine.executors import executor
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.engine.schedule import TrainingPlan
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.cache import CaseCache, Fingerprint, take_fingerprint
from tumorboard.tasks.segmentation.cases import find_cases, structures_of
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.losses import LossName, supervised_loss
from tumorboard.tasks.segmentation.members import TrainingJob, resolved, run_member, train_members, warm
from tumorboard.tasks.segmentation.model import MODEL_FILE, SegmentationModel, build_network
from tumorboard.tasks.segmentation.plan import fit_to_memory, write_plan
from tumorboard.tasks.segmentation.preprocess import Preprocessing, choose_spacing
from tumorboard.tasks.segmentation.prior_maps import with_training_maps
from tumorboard.tasks.segmentation.progress import followed
from tumorboard.tasks.segmentation.sampling import Batch, PatchSampler
from tumorboard.tasks.segmentation.validation import inner_split, scorer

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["fit_preprocessing", "identity_of", "train", "train_network"]

Progress = Callable[[int, int], None]
_PARTS = 100
_RESERVE = 0.01
"""Part of a time budget kept for what comes before and after the training: starting the program, saving the model."""
_NOT_TRAINED = {"protocol", "folds", "members", "workers", "device", "mirror", "overlap", "inference"} | {
    "uncertainty",
    "plan",
    "prior_run",
    "prior_steps",
}
"""Settings that do not shape the weights (maps of a prior do, by their digests in the names of cases)."""
_OF_PRIORS = {"prior", "prior_dropout"}
"""Settings that shape nothing without a prior: trainings of before there were any are still taken over."""


def train(
    cohort: Cohort, out: Path, *, config: SegmentationConfig, progress: Progress | None = None
) -> SegmentationModel:
    """Train on every exam of `cohort` with CT, PET and mask; the model is written to `out`. Resumes a training that
    was stopped there.

    Started by `torchrun`, its processes train together (`engine.distributed`). Errors: SGM102 without such an exam;
    SGM109 and ANO106 for the maps of a prior (`prior_maps.with_training_maps`).
    """
    with joined(choose_device(config.device)):
        return _train(cohort, out, resolved(config), progress or (lambda done, total: None))


def _train(cohort: Cohort, out: Path, config: SegmentationConfig, report: Progress) -> SegmentationModel:
    began = time.perf_counter()
    cases = find_cases(cohort, labelled=True)
    if not cases:
        raise TumorboardError(codes.NOTHING_TO_LEARN, cohort.name, found="no exam with all three", expected="one")
    structures = structures_of(cases)
    cases = with_training_maps(cohort, cases, config)
    cache = CaseCache(out / "cache", cohort)
    total = len(cases) + _PARTS
    fingerprints = [take_fingerprint(cohort, case) for case in cases]
    preprocessing = fit_preprocessing(fingerprints, structures, config)
    config = fit_to_memory(config, fingerprints, preprocessing.spacing_mm)
    files = {}
    with first_before_others():
        for done, case in enumerate(cases):
            files[case.case_id] = cache.training(case, preprocessing)
            report(done + 1, total)
    learning, choosing = inner_split(cases, config.validation, seed=config.seed)
    job = TrainingJob(
        folder=out,
        config=config.model_dump(mode="json"),
        preprocessing=preprocessing.to_json(),
        cases=tuple(files[case.case_id] for case in learning),
        patients=tuple(sorted({case.patient_id for case in cases})),
        seed=config.seed,
        validation=tuple(files[case.case_id] for case in choosing),
    )
    with followed(job.part_done, lambda part: report(len(cases) + round(part * _PARTS), total)):
        model = _train_side_by_side(job, began)
    if world().leads:
        device: Literal["cpu", "cuda"] = "cpu" if choose_device(config.device) == "cpu" else "cuda"
        names = [case.case_id for case in (*learning, *choosing)]
        write_plan(out, model, fingerprints, cases=names, device=device)
    return model


def _train_side_by_side(job: TrainingJob, began: float) -> SegmentationModel:
    """The members of an ensemble in processes of one thread each; a single network, and everything under torchrun or on
    a GPU, here. What is left of a time budget since `began` (of `time.perf_counter`) is shared by those who must wait
    for each other."""
    config = job.settings
    count = len(job.folders)
    reserve_s = _RESERVE * 60 * (config.budget_minutes or 0)

    def spent_s(rounds: int) -> float:
        return (time.perf_counter() - began + reserve_s) / rounds if config.budget_clock == "wall" else 0.0

    if count == 1 or world().size > 1 or choose_device(config.device) != "cpu":
        return train_members(replace(job, share=1 / count, spent_s=spent_s(count)))
    # This process needs the same imports in the end: they are made while the workers train.
    Thread(target=warm, args=(0,), daemon=True).start()
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
    return Preprocessing(spacing_mm, config.ct_window_hu, tuple(structures), config.prior)


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
    validation: Sequence[Path] = (),
) -> SegmentationModel:
    """Train one network on cached cases and save it to `folder`; a finished one there is taken over, a stopped one
    resumed. With `validation` cases, the weights that score best on them are kept (see `validation.challenge_score`),
    else the last."""
    identity = identity_of(paths, config, preprocessing, validation=validation, seed=plan.seed)
    with first_before_others():
        finished = _finished(folder, identity)
    if finished is not None:
        return finished
    arrays, choosing = (
        [np.load(path, mmap_mode="r", allow_pickle=False) for path in files] for files in (paths, validation)
    )
    structures, spacing_mm = preprocessing.structures, preprocessing.spacing_mm
    score = None
    if choosing:
        edge = config.window_voxels
        score = scorer(choosing, structures, spacing_mm=spacing_mm, window=edge, inputs=config.inputs)
    with seeded(plan.seed):
        network = build_network(config, len(structures))
    fitted = fit(
        network,
        plan,
        draw=PatchSampler(arrays, config, spacing_mm=spacing_mm),
        loss_of=partial(_loss_of, loss=config.loss),
        score=score,
        folder=folder,
        identity=identity,
        log=RunLog(folder / "log.jsonl"),
        progress=progress,
        spent_s=spent_s,
        device=choose_device(config.device),
    )
    network.load_state_dict(dict(fitted.weights))
    outcome: dict[str, Any] = {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 1),
        "precision": fitted.precision,
    }
    if fitted.score is not None:
        outcome |= {"best_step": fitted.step, "validation_score": fitted.score}
    model = SegmentationModel((network,), config, preprocessing, {**facts, **outcome, "identity": identity})
    if world().leads:
        model.save(folder)
        (folder / "last.safetensors").unlink(missing_ok=True)
    return model


def _finished(folder: Path, identity: str) -> SegmentationModel | None:
    """The model that is there, if it is the wanted one; another one is cleared away by the first process."""
    if not (folder / MODEL_FILE).exists():
        return None
    model = SegmentationModel.load(folder)
    if model.facts.get("identity") == identity:
        return model
    if world().leads:
        for name in (MODEL_FILE, "last.safetensors"):
            (folder / name).unlink(missing_ok=True)
    return None


def _loss_of(network: Module, batch: Batch, *, loss: LossName) -> Tensor:
    logits = network(batch.inputs)
    return supervised_loss(logits if isinstance(logits, list) else [logits], batch.target, loss=loss)


def identity_of(
    paths: Sequence[Path],
    config: SegmentationConfig,
    preprocessing: Preprocessing,
    *,
    validation: Sequence[Path],
    seed: int,
) -> str:
    """Digest of the data (cache names carry the digests of their images) and of everything that shapes the training of
    one network. Where the cache lies, what else is trained beside it and how predictions are made do not."""
    unused = _OF_PRIORS if config.prior == "none" else set()
    settings = config.model_dump(mode="json", exclude=_NOT_TRAINED | unused)
    whole = {
        "cases": [path.name for path in paths],
        "validation": [path.name for path in validation],
        "config": settings,
        "preprocessing": preprocessing.to_json(),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
