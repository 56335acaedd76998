"""Training a detector on every CT with marked lesions of the patients given, and on nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.tasks.detection import codes
from tumorboard.tasks.detection.cases import Case, find_cases
from tumorboard.tasks.detection.cells import CellBatch, CellSampler
from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.model import MODEL_FILE, DetectionModel, build_network
from tumorboard.tasks.detection.prepare import Look, PreparedCache
from tumorboard.tasks.detection.sampling import Batch, PatchSampler

if TYPE_CHECKING:
    from torch import Tensor

    from tumorboard.tasks.detection.model import Network

__all__ = ["train", "train_network", "usable"]

_PARTS = 100
_NOT_OF_TRAINING = {
    "test_share",
    "exams_per_patient",
    "workers",
    "iou",
    "fp_rates",
    "shown",
    "boxes_per_volume",
    "window_voxels",
}


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: DetectionConfig,
    progress: Callable[[int, int], None] | None = None,
) -> DetectionModel:
    """Train on every CT of `cohort`; the model is written to `out`. Resumes a training that was stopped there. DET101
    without a marked lesion.

    Every CT of a patient with a mark serves; what is not marked there counts as free of lesions.
    """
    cases = usable(find_cases(cohort))
    if not cases:
        raise TumorboardError(codes.NOTHING_TO_LEARN, cohort.name, found="no marked lesion", expected="one or more")
    cache = PreparedCache(out / "cache", cohort, config.spacing_mm)
    report = progress or (lambda done, total: None)
    looks: list[Look] = []
    for done, case in enumerate(cases, start=1):
        looks.append(cache.look(case))
        report(done, len(cases) + _PARTS)
    names = [cache.name(case) for case in cases]
    facts = {"patients": sorted({case.patient_id for case in cases})}
    return train_network(
        looks,
        names,
        config=config,
        folder=out,
        facts=facts,
        progress=lambda part: report(len(cases) + round(part * _PARTS), len(cases) + _PARTS),
    )


def train_network(
    looks: Sequence[Look],
    names: Sequence[str],
    *,
    config: DetectionConfig,
    folder: Path,
    facts: dict[str, Any],
    progress: Callable[[float], None] | None = None,
) -> DetectionModel:
    """Train on prepared volumes (`names` of what is in them) and save the model to `folder`; a finished one of the same
    data and settings there is taken, a stopped one resumed."""
    identity = _identity(looks, names, config)
    if (folder / MODEL_FILE).exists():
        model = DetectionModel.load(folder)
        if model.facts.get("identity") == identity:
            return DetectionModel(model.network, config, model.facts)
        for name in (MODEL_FILE, "last.safetensors"):
            (folder / name).unlink(missing_ok=True)
    with seeded(config.seed):
        network = build_network(config)
    draw = _sampler(network, looks, config)
    fitted = fit(
        network,
        config.plan(),
        draw=draw,
        loss_of=_loss_of,
        folder=folder,
        identity=identity,
        log=RunLog(folder / "log.jsonl"),
        progress=progress,
    )
    network.load_state_dict(dict(fitted.weights))
    outcome = {"steps": fitted.steps, "seconds": round(fitted.seconds, 1), "precision": fitted.precision}
    model = DetectionModel(network, config, {**facts, **outcome, "identity": identity})
    model.save(folder)
    (folder / "last.safetensors").unlink(missing_ok=True)
    return model


def _sampler(network: Network, looks: Sequence[Look], config: DetectionConfig) -> PatchSampler | CellSampler:
    from tumorboard.models.scale_space import ScaleSpace

    if not isinstance(network, ScaleSpace):
        return PatchSampler(looks, config)
    cells = CellSampler(looks, config)
    cells.set_scale(network)
    return cells


def _loss_of(network: Network, batch: Batch | CellBatch) -> Tensor:
    from tumorboard.models.scale_space import ScaleSpace

    device = next(network.parameters()).device
    if isinstance(batch, CellBatch):
        assert isinstance(network, ScaleSpace)
        return network.losses(batch.values.to(device), batch.heat.to(device), batch.boxes.to(device))
    assert not isinstance(network, ScaleSpace)
    return network.losses(batch.images.to(device), [boxes.to(device) for boxes in batch.boxes])


def _identity(looks: Sequence[Look], names: Sequence[str], config: DetectionConfig) -> str:
    """Digest of the volumes, the marks on them and everything that shapes training."""
    settings = config.model_dump(mode="json", exclude=_NOT_OF_TRAINING)
    marks = [look.boxes.round(3).tolist() for look in looks]
    whole = {"volumes": list(names), "marks": marks, "config": settings}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def usable(cases: Sequence[Case]) -> list[Case]:
    """Those with pixels, of patients with at least one lesion marked where there are pixels."""
    marked = {case.patient_id for case in cases if case.lesions and case.readable}
    return [case for case in cases if case.readable and case.patient_id in marked]
