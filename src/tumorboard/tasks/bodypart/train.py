"""Training: CT volumes without labels -> model. Everything that is fitted is fitted on the volumes given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.anatomy import fit_anatomy, fit_ends
from tumorboard.tasks.bodypart.cache import SliceCache, read_slices
from tumorboard.tasks.bodypart.cases import Case, find_cases, landmarks_of
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.curve import DepthCurve, smoothed
from tumorboard.tasks.bodypart.evaluate import true_regions
from tumorboard.tasks.bodypart.loss import loss_of
from tumorboard.tasks.bodypart.model import MODEL_FILE, BodyPartModel, build_network, raw_scores
from tumorboard.tasks.bodypart.readout import fit_familiarity, fit_regions
from tumorboard.tasks.bodypart.sampling import SliceSampler
from tumorboard.tasks.bodypart.slices import BodySlices

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["prepare_cases", "train", "train_network", "with_meaning"]

Progress = Callable[[int, int], None]
_PARTS = 100


def train(cohort: Cohort, out: Path, *, config: BodyPartConfig, progress: Progress | None = None) -> BodyPartModel:
    """Train on every CT volume of `cohort`; the model is written to `out`. No labels are needed; landmarks, where the
    cohort has them, teach what scores mean, not the network. A training that was stopped there resumes.

    Volumes that cannot be prepared are left out and named in the model's facts. BDP101 without a usable volume.
    """
    cases = find_cases(cohort)
    report = progress or (lambda done, total: None)
    total = len(cases) + _PARTS
    refused: dict[str, str] = {}
    cache = SliceCache(out / "cache", cohort)
    keys = prepare_cases(cache, cases, config, refused=refused, told=lambda done: report(done, total))
    if not keys:
        raise TumorboardError(codes.NOTHING_TO_LEARN, cohort.name, found="no usable CT volume", expected="one or more")
    known = landmarks_of(cohort, config.landmark_runs)
    used = [case for case in cases if case.image_id in keys]
    return train_network(
        [keys[case.image_id] for case in used],
        out / "cache",
        config=config,
        seed=config.seed,
        folder=out,
        landmarks=[known.get(case.image_id, {}) for case in used],
        facts={"patients": sorted({case.patient_id for case in used}), "left_out": refused},
        progress=lambda part: report(len(cases) + round(part * _PARTS), total),
    )


def prepare_cases(
    cache: SliceCache,
    cases: Sequence[Case],
    config: BodyPartConfig,
    *,
    refused: dict[str, str],
    told: Callable[[int], None] = lambda done: None,
) -> dict[str, str]:
    """Cache keys by image; what cannot be read or prepared goes to `refused` with the reason."""
    keys = {}
    for done, case in enumerate(cases, start=1):
        try:
            key = cache.prepare(case, config)
            if len(cache.read(key)) < 2:
                raise TumorboardError(
                    codes.POSITIONS, f"image {case.image_id}", found="one slice of body", expected="two or more"
                )
            keys[case.image_id] = key
        except TumorboardError as error:
            refused[case.image_id] = str(error)
        told(done)
    return keys


def train_network(
    keys: Sequence[str],
    cache: Path,
    *,
    config: BodyPartConfig,
    seed: int,
    folder: Path,
    landmarks: Sequence[Mapping[str, float]],
    facts: Mapping[str, Any],
    progress: Callable[[float], None] | None = None,
) -> BodyPartModel:
    """Train on prepared volumes and save the model to `folder`; a finished one of the same data and settings is taken
    over, a stopped one resumed. `landmarks`: z (mm) by name, one per key."""
    identity = _identity(keys, config, seed, landmarks)
    if (folder / MODEL_FILE).exists():
        model = BodyPartModel.load(folder)
        if model.facts.get("identity") == identity:
            return model
        for name in (MODEL_FILE, "last.safetensors"):
            (folder / name).unlink(missing_ok=True)
    volumes = [read_slices(cache, key) for key in keys]
    with seeded(seed):
        network = build_network(config)
    fitted = fit(
        network,
        config.plan(seed=seed),
        draw=SliceSampler([(volume.hu, volume.z_mm) for volume in volumes], config),
        loss_of=loss_of(config),
        folder=folder,
        identity=identity,
        log=RunLog(folder / "log.jsonl"),
        progress=progress,
    )
    network.load_state_dict(dict(fitted.weights))
    outcome = {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 1),
        "precision": fitted.precision,
        "volumes": len(volumes),
        "slices": sum(len(volume) for volume in volumes),
        "identity": identity,
    }
    model = with_meaning(network, volumes, landmarks, config=config, facts={**facts, **outcome})
    model.save(folder)
    (folder / "last.safetensors").unlink(missing_ok=True)
    return model


def with_meaning(
    network: Module,
    volumes: Sequence[BodySlices],
    landmarks: Sequence[Mapping[str, float]],
    *,
    config: BodyPartConfig,
    facts: Mapping[str, Any],
) -> BodyPartModel:
    """A trained network together with what its scores and features mean on its training volumes."""
    raw = [raw_scores(network, volume, config) for volume in volumes]
    scores = [smoothed(v.z_mm, r.score, sigma_mm=config.smooth_mm) for v, r in zip(volumes, raw, strict=True)]
    ends = fit_ends(scores)
    low, high = ends
    curves = [DepthCurve(v.z_mm, (s - low) / (high - low)) for v, s in zip(volumes, scores, strict=True)]
    features = [one.features for one in raw]
    regions = [true_regions(v.z_mm, known) for v, known in zip(volumes, landmarks, strict=True)]
    return BodyPartModel(
        network,
        config,
        fit_anatomy(ends, curves, landmarks),
        facts,
        fit_regions(features, regions),
        fit_familiarity(features),
    )


def _identity(keys: Sequence[str], config: BodyPartConfig, seed: int, landmarks: Sequence[Mapping[str, float]]) -> str:
    """Digest of the data (keys carry the digests of their images) and of everything that shapes the model."""
    settings = config.model_dump(mode="json", exclude={"workers", "folds", "preset", "tolerance"})
    whole = {"volumes": list(keys), "config": settings, "seed": seed, "landmarks": [dict(one) for one in landmarks]}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
