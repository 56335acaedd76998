"""Training of a lesion embedding. Everything that is fitted is fitted on the lesions given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.ops.search import VectorIndex
from tumorboard.tasks.retrieval import codes
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.crops import Crops, crops_of
from tumorboard.tasks.retrieval.features import Scaler, location_and_size
from tumorboard.tasks.retrieval.lesions import Lesions, find_lesions, require_lesions
from tumorboard.tasks.retrieval.loss import batch_loss
from tumorboard.tasks.retrieval.model import LesionModel, build_network, embed, inputs_of
from tumorboard.tasks.retrieval.sampling import SequenceSampler
from tumorboard.tasks.retrieval.types import Logistic, calibration_of

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["calibration_patients", "learn", "train"]

Progress = Callable[[float], None]
Indices = NDArray[np.int64]
_VOTERS = 9


def train(
    cohort: Cohort, out: Path, *, config: RetrievalConfig, progress: Callable[[int, int], None] | None = None
) -> LesionModel:
    """Train on every marked lesion of `cohort` whose image can be read and write the model to `out`. A training that
    was stopped there resumes. RET101 without lesions of known type, RET102 without pixels."""
    report = progress or (lambda done, total: None)
    lesions = find_lesions(cohort, location=config.location)
    require_lesions(lesions, cohort.name)
    crops = crops_of(cohort, lesions, config, progress=lambda done, total: report(round(30 * done / total), 100))
    model = learn(lesions, crops, config=config, folder=out, progress=lambda part: report(30 + round(70 * part), 100))
    return model


def learn(
    lesions: Lesions,
    crops: Crops,
    *,
    config: RetrievalConfig,
    folder: Path,
    seed: int | None = None,
    progress: Progress | None = None,
) -> LesionModel:
    """A model of these lesions, saved in `folder`; a finished one of the same data and settings there is taken over.

    A share of the patients is kept from the network and calibrates the types. Untyped lesions join, where asked, round
    by round, with the type on which their nearest typed neighbours agree.
    """
    seed = config.seed if seed is None else seed
    identity = _identity(lesions, crops, config, seed)
    taken = _taken_over(folder, identity)
    if taken is not None:
        return taken
    kept_back = np.isin(lesions.patients, calibration_patients(lesions, config.calibration_share, seed=seed))
    types = np.where(kept_back, -1, lesions.numbers())
    if not (crops.has & (types >= 0)).any():
        found = f"{int(crops.has.sum())} of {len(lesions)} lesions with pixels"
        raise TumorboardError(codes.NO_IMAGES, str(folder), found=found, expected="lesions of known type with pixels")
    scaler = Scaler.fit(location_and_size(lesions.only(~kept_back)))
    features = inputs_of(lesions, scaler)
    with seeded(seed):
        network = build_network(config)
    rounds, seconds, joined = 1 + config.relabel_rounds, 0.0, 0
    for number in range(rounds):
        sampler = SequenceSampler(lesions, crops, features, types=types, config=config)
        fitted = fit(
            network,
            config.plan(seed=seed + number),
            draw=sampler,
            loss_of=partial(batch_loss, config=config),
            folder=folder / f"round-{number}",
            identity=identity,
            log=RunLog(folder / "log.jsonl"),
            progress=_part_of(progress, number, rounds),
        )
        network.load_state_dict(dict(fitted.weights))
        seconds += fitted.seconds
        if number + 1 < rounds:
            types = _relabelled(network, lesions, crops, features, types, kept_back=kept_back, config=config)
            joined = int(((types >= 0) & ~lesions.typed).sum())
    facts = {
        "patients": sorted(set(lesions.patients.tolist())),
        "lesions": int((crops.has & (types >= 0)).sum()),
        "steps": rounds * config.steps,
        "relabelled": joined,
        "location": config.location,
        "problems": crops.problems,
        "identity": identity,
    }
    model = _classified(network, lesions, crops, scaler, kept_back, config, facts)
    model.save(folder)
    for number in range(rounds):
        (folder / f"round-{number}" / "last.safetensors").unlink(missing_ok=True)
    return replace(model, facts={**facts, "seconds": round(seconds, 1)})


def calibration_patients(lesions: Lesions, share: float, *, seed: int) -> NDArray[np.str_]:
    """Patients kept from training to calibrate the types: a share of them, drawn by seed."""
    patients = np.unique(lesions.patients)
    drawn = np.random.default_rng(seed).permutation(patients)
    return np.asarray(drawn[: int(share * len(patients))])


def _classified(
    network: Module,
    lesions: Lesions,
    crops: Crops,
    scaler: Scaler,
    kept_back: NDArray[np.bool_],
    config: RetrievalConfig,
    facts: Mapping[str, Any],
) -> LesionModel:
    found = embed(network, crops, inputs_of(lesions, scaler), config)
    numbers = lesions.numbers()
    trained, unseen = (crops.has & (numbers >= 0) & side for side in (~kept_back, kept_back))
    logistic = Logistic.fit(found.vectors[trained].astype(float), numbers[trained])
    weights = {"head": found.head, "vectors": logistic.log_weights(found.vectors.astype(float))}
    calibrations = {
        name: calibration_of(one[unseen], numbers[unseen], trained_on=numbers[trained]) for name, one in weights.items()
    }
    return LesionModel(network, config, scaler, logistic, calibrations, facts)


def _relabelled(
    network: Module,
    lesions: Lesions,
    crops: Crops,
    features: NDArray[np.float64],
    types: Indices,
    *,
    kept_back: NDArray[np.bool_],
    config: RetrievalConfig,
) -> Indices:
    """Types (n,) with those of untyped training lesions on whom their nearest typed neighbours agree."""
    found = embed(network, crops, features, config)
    known = crops.has & lesions.typed & ~kept_back
    asked = np.flatnonzero(crops.has & ~lesions.typed & ~kept_back)
    truth = lesions.numbers()
    fresh = np.where(lesions.typed, types, -1)
    if not len(asked) or not known.any():
        return fresh
    index = VectorIndex(found.vectors, metric="euclid", owners=lesions.patients)
    hits = index.search(found.vectors[asked], _VOTERS, owners=lesions.patients[asked], keep=known)
    for row, voters in zip(asked, hits.rows, strict=True):
        votes = np.bincount(truth[voters[voters >= 0]], minlength=len(LESION_TYPES))
        if votes.max() >= config.relabel_agreement * _VOTERS:
            fresh[row] = int(votes.argmax())
    return fresh


def _taken_over(folder: Path, identity: str) -> LesionModel | None:
    from tumorboard.tasks.retrieval.model import MODEL_FILE

    if not (folder / MODEL_FILE).exists():
        return None
    model = LesionModel.load(folder)
    if model.facts.get("identity") == identity:
        return replace(model, facts={**model.facts, "seconds": 0.0})
    for path in (folder / MODEL_FILE, *folder.glob("round-*/last.safetensors")):
        path.unlink(missing_ok=True)
    return None


def _part_of(progress: Progress | None, number: int, rounds: int) -> Progress | None:
    return None if progress is None else lambda part: progress((number + part) / rounds)


def _identity(lesions: Lesions, crops: Crops, config: RetrievalConfig, seed: int) -> str:
    """Digest of the data and of everything that shapes training."""
    settings = config.model_dump(mode="json", exclude={"folds", "network", "pictures", "resamples", "seed", "trees"})
    digest = hashlib.sha256(json.dumps([settings, seed, list(lesions.ids)], sort_keys=True).encode())
    for array in (lesions.numbers(), lesions.locations, lesions.axes_mm, crops.near, crops.far, crops.has):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
