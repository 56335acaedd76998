"""Training: virtual X-rays first, then the cohort's own. Everything that is fitted is fitted on the cases given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.checkpoints import load_weights, read_checkpoint, write_checkpoint
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.tasks.anatomy import codes
from tumorboard.tasks.anatomy.atlas import ATLAS_BY_RULE, Atlas
from tumorboard.tasks.anatomy.cases import LUNGS, Case, find_cases, load_lungs, load_picture
from tumorboard.tasks.anatomy.config import AnatomyConfig
from tumorboard.tasks.anatomy.loss import loss_of
from tumorboard.tasks.anatomy.model import MODEL_FILE, AnatomyModel, build_network, require_upright
from tumorboard.tasks.anatomy.prepare import Sample, sample_of
from tumorboard.tasks.anatomy.sampling import BatchSampler
from tumorboard.tasks.anatomy.virtual import virtual_samples

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Basis", "learn", "real_samples", "train", "virtual_basis"]

Progress = Callable[[float], None]
_FEWEST = 10
"""Samples that a location needs for its boxes to be the network's own."""
_GO_ON = 0.5
"""Part of the learning rate with which a network goes on from virtual X-rays."""
_VIRTUAL_FILE = "virtual.safetensors"


@dataclass(frozen=True)
class Basis:
    """What every training starts from: virtual samples and the weights learnt on them."""

    samples: tuple[Sample, ...]
    weights: Mapping[str, Tensor] | None
    seconds: float = 0.0


def train(
    cohort: Cohort, out: Path, *, config: AnatomyConfig, progress: Callable[[int, int], None] | None = None
) -> AnatomyModel:
    """Train on every X-ray of `cohort` with lung masks or boxes; the model is written to `out`. A training that was
    stopped there resumes. ANA101 without such an X-ray."""
    report = progress or (lambda done, total: None)
    cases = find_cases(cohort, labelled=True)
    samples, left_out = real_samples(cohort, cases, config)
    if not samples:
        raise TumorboardError(codes.NOTHING_TO_LEARN, cohort.name, found="no usable X-ray", expected="one or more")
    report(10, 100)
    basis = virtual_basis(config, out, progress=lambda part: report(10 + round(55 * part), 100))
    patients = sorted({case.patient_id for case in cases})
    facts = {"patients": patients, "left_out": left_out}
    return learn(
        samples,
        basis,
        config=config,
        seed=config.seed,
        folder=out,
        facts=facts,
        progress=lambda part: report(65 + round(35 * part), 100),
    )


def real_samples(cohort: Cohort, cases: Sequence[Case], config: AnatomyConfig) -> tuple[list[Sample], dict[str, str]]:
    """Samples of the cases, and the cases that cannot be learnt from with the reason: files that cannot be read, views
    from the side, and turned pictures (whose expert masks may or may not be turned)."""
    samples: list[Sample] = []
    left_out: dict[str, str] = {}
    for case in cases:
        try:
            picture = load_picture(cohort, case)
            stated, turned = require_upright(picture, case.affine, case.view, where=case.image_id)
            if not turned.is_as_it_should_be:
                raise TumorboardError(codes.TURNED, case.image_id, found=turned.words(), expected="as it is hung")
            boxes = {name: stated.from_source(np.asarray(box), case.shape).tolist() for name, box in case.boxes.items()}
            lungs = load_lungs(cohort, case, stated)
        except TumorboardError as error:
            left_out[case.image_id] = str(error)
            continue
        hung = stated.apply(picture)
        samples.append(sample_of(hung, lungs=lungs, boxes=boxes, edge=config.edge, patient_id=case.patient_id))
    return samples, left_out


def virtual_basis(config: AnatomyConfig, folder: Path, *, progress: Progress | None = None) -> Basis:
    """Virtual X-rays and the weights learnt on them, which are kept in `folder` and taken over from there when settings
    are the same."""
    report = progress or (lambda part: None)
    if not config.virtual_patients:
        return Basis((), None)
    samples = virtual_samples(
        config.virtual_patients, seed=config.seed, edge=config.edge, progress=lambda part: report(0.3 * part)
    )
    if not config.virtual_steps:
        return Basis(tuple(samples), None)
    identity = _identity(samples, config, "virtual")
    path = folder / _VIRTUAL_FILE
    if path.exists():
        kept = read_checkpoint(path)
        if kept.state.get("identity") == identity:
            return Basis(tuple(samples), dict(kept.tensors), float(kept.state["seconds"]))
    with seeded(config.seed):
        network = build_network(config)
    sampler = BatchSampler([], samples, edge=config.edge, batch=config.batch, share=1.0)
    fitted = fit(
        network,
        config.plan(config.virtual_steps, seed=config.seed),
        draw=sampler,
        loss_of=loss_of,
        folder=folder / "virtual",
        identity=identity,
        log=RunLog(folder / "virtual" / "log.jsonl"),
        progress=lambda part: report(0.3 + 0.7 * part),
    )
    write_checkpoint(path, tensors=fitted.weights, state={"identity": identity, "seconds": round(fitted.seconds, 1)})
    (folder / "virtual" / "last.safetensors").unlink(missing_ok=True)
    return Basis(tuple(samples), fitted.weights, fitted.seconds)


def learn(
    real: Sequence[Sample],
    basis: Basis,
    *,
    config: AnatomyConfig,
    seed: int,
    folder: Path,
    facts: Mapping[str, Any],
    progress: Progress | None = None,
) -> AnatomyModel:
    """Go on from `basis` with the real samples and save the model to `folder`; a finished one there is taken over.

    What counts as lung (behind the heart or beside it alone) differs between those who draw: where the cohort has
    masks, they decide, and virtual X-rays teach only their boxes.
    """
    virtual = basis.samples
    if any(sample.lungs is not None for sample in real):
        virtual = tuple(replace(sample, lungs=None, boxes=_without_lungs(sample.boxes)) for sample in virtual)
    identity = _identity([*real, *basis.samples], config, f"cohort {seed}")
    if (folder / MODEL_FILE).exists():
        model = AnatomyModel.load(folder)
        if model.facts.get("identity") == identity:
            return replace(model, config=config)
        for name in (MODEL_FILE, "last.safetensors"):
            (folder / name).unlink(missing_ok=True)
    with seeded(seed):
        network = build_network(config)
    if basis.weights is not None:
        load_weights(network, basis.weights, where=folder / _VIRTUAL_FILE)
    sampler = BatchSampler(real, virtual, edge=config.edge, batch=config.batch, share=config.virtual_share)
    fitted = fit(
        network,
        config.plan(config.steps, seed=seed, calmer=1.0 if basis.weights is None else _GO_ON),
        draw=sampler,
        loss_of=loss_of,
        folder=folder,
        identity=identity,
        log=RunLog(folder / "log.jsonl"),
        progress=progress,
    )
    network.load_state_dict(dict(fitted.weights))
    everyone = [*real, *basis.samples]
    atlas, source = _atlas(everyone)
    outcome = {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds + basis.seconds, 1),
        "virtual_patients": len(basis.samples),
        "atlas": source,
        "identity": identity,
    }
    model = AnatomyModel(network, config, atlas, _learnt(everyone), {**facts, **outcome})
    model.save(folder)
    (folder / "last.safetensors").unlink(missing_ok=True)
    return model


def _without_lungs(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    kept = boxes.copy()
    kept[[BOX_LOCATIONS.index(name) for name in LUNGS]] = np.nan
    return kept


def _learnt(samples: Sequence[Sample]) -> tuple[str, ...]:
    known = np.array([np.isfinite(sample.boxes).all(axis=1) for sample in samples]).sum(axis=0)
    return tuple(name for name, count in zip(BOX_LOCATIONS, known, strict=True) if count >= _FEWEST)


def _atlas(samples: Sequence[Sample]) -> tuple[Atlas, str]:
    """From the boxes of the samples; by rule where they hold none but the lungs'."""
    examples = [
        {name: box for name, box in zip(BOX_LOCATIONS, sample.boxes.tolist(), strict=True) if np.isfinite(box).all()}
        for sample in samples
    ]
    fitted = Atlas.fit([boxes for boxes in examples if set(boxes) > set(LUNGS)])
    return (fitted, "fitted") if fitted.places else (ATLAS_BY_RULE, "by rule")


def _identity(samples: Sequence[Sample], config: AnatomyConfig, stage: str) -> str:
    """Digest of the data and of everything that shapes training."""
    digest = hashlib.sha256(stage.encode())
    later = {"steps", "virtual_share"} if stage == "virtual" else set()
    settings = config.model_dump(mode="json", exclude={"turned", "folds", "model", *later})
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for sample in samples:
        parts = (sample.picture, sample.boxes, *(() if sample.lungs is None else (sample.lungs,)))
        for part in parts:
            digest.update(part.tobytes())
    return digest.hexdigest()
