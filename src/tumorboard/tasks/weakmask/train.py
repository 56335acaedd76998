"""Training on the walker's own masks: nothing here reads an expert's mask.

The network is given a patch with noise added and slices smeared, and the walker's mask of that; what it must give back
is the walker's mask of the patch as it was. So it learns which corrections a walker needs whose image is worse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.tasks.weakmask import codes
from tumorboard.tasks.weakmask.config import WeakMaskConfig
from tumorboard.tasks.weakmask.frame import SHAPE, Frame, quarter_radius
from tumorboard.tasks.weakmask.marks import Mark, by_image, find_marks
from tumorboard.tasks.weakmask.model import MODEL_FILE, WeakMaskModel, build_network, inputs_of, logits_of
from tumorboard.tasks.weakmask.start import walk

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["Lesson", "lessons", "train", "train_on"]

Lesson = tuple[NDArray[np.float16], NDArray[np.float16]]
"""Inputs (4, *SHAPE) of one mark, and the walker's probability (*SHAPE)."""


def train(
    cohort: Cohort, out: Path, *, config: WeakMaskConfig, progress: Callable[[int, int], None] | None = None
) -> WeakMaskModel:
    """Train on the marks of `cohort`; the model is written to `out`. WKM101 without a mark."""
    marks = find_marks(cohort)
    if not marks:
        raise TumorboardError(codes.NO_MARKS, cohort.name, found="none", expected="one or more")
    report = progress or (lambda done, total: None)
    return train_on(cohort, marks, out, config=config, progress=lambda part: report(round(100 * part), 100))


def train_on(
    cohort: Cohort,
    marks: Sequence[Mark],
    out: Path,
    *,
    config: WeakMaskConfig,
    progress: Callable[[float], None] | None = None,
) -> WeakMaskModel:
    """Train on these marks; a finished training of the same marks and settings in `out` is taken, a stopped one goes
    on."""
    identity = _identity(marks, config)
    if (out / MODEL_FILE).exists():
        model = WeakMaskModel.load(out)
        if model.facts.get("identity") == identity:
            return model
        (out / MODEL_FILE).unlink()
        (out / "last.safetensors").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    taught = lessons(cohort, _sample(marks, config), agreement=config.agreement, seed=config.seed)
    with seeded(config.seed):
        network = build_network(config)
    fitted = fit(
        network,
        config.plan(seed=config.seed),
        draw=_Draw(taught, config.batch),
        loss_of=_loss,
        folder=out,
        identity=identity,
        log=RunLog(out / "log.jsonl"),
        progress=progress,
    )
    network.load_state_dict(dict(fitted.weights))
    facts = {
        "identity": identity,
        "patients": sorted({mark.patient_id for mark in marks}),
        "marks": len(taught),
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 1),
    }
    model = WeakMaskModel(network, config, facts)
    model.save(out)
    (out / "last.safetensors").unlink(missing_ok=True)
    return model


def _sample(marks: Sequence[Mark], config: WeakMaskConfig) -> list[Mark]:
    order = np.random.default_rng(config.seed).permutation(len(marks))[: config.most_marks]
    return [marks[i] for i in sorted(order)]


def lessons(cohort: Cohort, marks: Sequence[Mark], *, agreement: float, seed: int) -> list[Lesson]:
    """The walker's masks of these marks, without those that leave their own mark (all of them, where all do)."""
    found: list[tuple[float, Lesson]] = []
    for volume, group in by_image(cohort, marks):
        for mark in group:
            frame = mark.frame
            patch = frame.cut(volume)
            walked = walk(patch, frame)
            worse = _worse(patch, frame, np.random.default_rng([seed, len(found)]))
            seen = inputs_of(worse, frame, walk(worse, frame))
            found.append((_agreement(walked, frame), (seen.astype(np.float16), walked.astype(np.float16))))
    kept = [lesson for agrees, lesson in found if agrees >= agreement]
    return kept or [lesson for _, lesson in found]


def _worse(patch: NDArray[np.float32], frame: Frame, random: np.random.Generator) -> NDArray[np.float32]:
    """The patch as a worse scanner would give it: blurred, more so along the body, and noisier."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(patch, (0.8, 0.8, float(random.uniform(0.5, 2.0))))
    grain = gaussian_filter(random.standard_normal(patch.shape), 0.7)
    grain *= float(random.uniform(5.0, 25.0)) / max(float(grain.std()), 1e-6)
    worse: NDArray[np.float32] = (blurred + grain).astype(np.float32)
    return worse


def _agreement(walked: NDArray[np.float32], frame: Frame) -> float:
    """Dice of the walker's mask and the ellipse of the mark in the middle slices of the patch."""
    middle = slice(SHAPE[2] // 2 - 1, SHAPE[2] // 2 + 1)
    local = frame.local(frame.samples()).reshape(*SHAPE, 3)[:, :, middle] * (1.0, 1.0, 0.0)
    ellipse, mine = quarter_radius(frame, local) <= 1.0, walked[:, :, middle] > 0.5
    return float(2 * (ellipse & mine).sum() / max(ellipse.sum() + mine.sum(), 1))


class _Draw:
    """Random marks, mirrored at random along the three axes of the patch."""

    def __init__(self, taught: Sequence[Lesson], batch: int) -> None:
        self.taught, self.batch = taught, batch

    def __call__(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        import torch

        inputs, targets = [], []
        for index in random.integers(len(self.taught), size=self.batch):
            image, target = self.taught[int(index)]
            axes = tuple(axis for axis in range(3) if random.random() < 0.5)
            inputs.append(np.flip(image, tuple(axis + 1 for axis in axes)).astype(np.float32))
            targets.append(np.flip(target, axes).astype(np.float32))
        return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets)[:, None])


def _loss(network: Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy and soft Dice against the walker's probability."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    inputs, target = batch
    logits = logits_of(network, inputs)
    share = logits.sigmoid()
    both, total = (share * target).sum((1, 2, 3, 4)), (share + target).sum((1, 2, 3, 4))
    loss: Tensor = binary_cross_entropy_with_logits(logits, target) + (1 - 2 * both / (total + 1)).mean()
    return loss


def _identity(marks: Sequence[Mark], config: WeakMaskConfig) -> str:
    facts: list[Any] = [config.model_dump(mode="json"), [(m.finding_id, m.points_mm) for m in marks]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
