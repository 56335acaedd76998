"""Training: normal slices of PET/CT -> model. Everything that is fitted is fitted on the exams given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.run_log import RunLog
from tumorboard.metrics.anomaly import choose_threshold
from tumorboard.tasks.anomaly import codes
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import Exam, draw_cases, find_cases, load_exam
from tumorboard.tasks.anomaly.insertion import insert_many
from tumorboard.tasks.anomaly.maps import smoothed
from tumorboard.tasks.anomaly.masks import fit_threshold
from tumorboard.tasks.anomaly.model import MODEL_FILE, AnomalyModel, build_network
from tumorboard.tasks.anomaly.normal import normal_slices
from tumorboard.tasks.anomaly.sampling import NormalSampler, loss_of

__all__ = ["Training", "train", "train_network"]

Progress = Callable[[int, int], None]
Training = tuple[Exam, NDArray[np.int64]]
"""An exam and the numbers of its normal slices."""

_FLOOR_QUANTILE = 0.5
_LEAST_SLICES = 8
_NORMAL_VOXELS = 4000
"""Of each exam, against which the probability is fitted."""


def train(cohort: Cohort, out: Path, *, config: AnomalyConfig, progress: Progress | None = None) -> AnomalyModel:
    """Train on the normal slices of every exam of `cohort` that has CT, PET and an expert's mask (an empty one says
    that there is no tumour); the model is written to `out`. A training that was stopped there resumes.

    Exams that cannot be read are left out and named in the model's facts. ANO102 with too few normal slices.
    """
    report = progress or (lambda done, total: None)
    cases = [case for case in find_cases(cohort) if case.mask_id]
    cases = draw_cases(cases, config.most_exams, seed=config.seed)
    total = len(cases) + 100
    training: list[Training] = []
    refused: dict[str, str] = {}
    for done, case in enumerate(cases, start=1):
        try:
            exam = load_exam(cohort, case, grid_mm=config.grid_mm)
        except TumorboardError as error:
            refused[case.exam_id] = str(error)
            continue
        training.append((exam, normal_slices(exam, guard_mm=config.guard_mm)))
        report(done, total)
    digests = {row["image_id"]: row["sha256"] for row in cohort.rows("images")}
    images = [[digests[i] for i in (c.ct_id, c.pet_id, c.mask_id) if i] for c in cases]
    return train_network(
        training,
        out,
        config=config,
        seed=config.seed,
        data=images,
        facts={"left_out": refused},
        progress=lambda part: report(len(cases) + round(part * 100), total),
    )


def train_network(
    training: Sequence[Training],
    folder: Path,
    *,
    config: AnomalyConfig,
    seed: int,
    data: Any,
    facts: dict[str, Any] | None = None,
    progress: Callable[[float], None] | None = None,
) -> AnomalyModel:
    """Train, fit what belongs to the model, and save it to `folder`; a finished one of the same data (`data`: what
    identifies it) and settings is taken over, a stopped one resumed."""
    identity = _identity(data, [exam.case.exam_id for exam, _ in training], config, seed)
    if (folder / MODEL_FILE).exists():
        model = AnomalyModel.load(folder)
        if model.facts.get("identity") == identity:
            return model
        for name in (MODEL_FILE, "last.safetensors"):
            (folder / name).unlink(missing_ok=True)
    learnt, kept = _set_aside(training, config, seed)
    slices = sum(len(numbers) for _, numbers in learnt)
    if slices < _LEAST_SLICES:
        found = f"{slices} normal slices in {len(learnt)} exams"
        raise TumorboardError(codes.NOTHING_TO_LEARN, folder, found=found, expected=f"{_LEAST_SLICES} or more")
    threshold = fit_threshold(learnt, config)
    with seeded(seed):
        network = build_network(config)
    fitted = fit(
        network,
        config.plan(seed=seed),
        draw=NormalSampler(learnt, config, threshold=threshold),
        loss_of=loss_of(config),
        folder=folder,
        identity=identity,
        log=RunLog(folder / "log.jsonl"),
        progress=progress,
    )
    network.load_state_dict(dict(fitted.weights))
    model = AnomalyModel(network, config, threshold)
    model.floor = _fit_floor(model, kept)
    model.probability = fit_probability(model, kept, seed=seed)
    model.mask_z = _fit_mask(model, training, seed=seed)
    model.facts = {
        **(facts or {}),
        "patients": sorted({exam.case.patient_id for exam, _ in training}),
        "set_aside": sorted({exam.case.patient_id for exam, _ in kept}),
        "normal_slices": slices,
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 1),
        "identity": identity,
    }
    model.save(folder)
    (folder / "last.safetensors").unlink(missing_ok=True)
    return model


def _identity(data: Any, exams: Sequence[str], config: AnomalyConfig, seed: int) -> str:
    """Digest of the data and of everything that shapes the model."""
    settings = config.model_dump(mode="json", exclude={"folds", "compare", "insertions", "stress"})
    whole = {"data": data, "exams": list(exams), "config": settings, "seed": seed}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _set_aside(training: Sequence[Training], config: AnomalyConfig, seed: int) -> tuple[list[Training], list[Training]]:
    """Exams to learn from, and those of a few patients for the scale and the probability (all, where one patient is all
    there is)."""
    patients = sorted({exam.case.patient_id for exam, numbers in training if len(numbers)})
    count = min(config.calibration_patients, len(patients) // 3)
    drawn = {patients[i] for i in np.random.default_rng([seed, 7]).permutation(len(patients))[:count].tolist()}
    learnt = [one for one in training if one[0].case.patient_id not in drawn]
    kept = [one for one in training if one[0].case.patient_id in drawn and len(one[1])]
    return learnt, kept or [one for one in learnt if len(one[1])]


def _fit_floor(model: AnomalyModel, kept: Sequence[Training]) -> float:
    """Median of the predicted scale over normal tissue: what is told more sharply than usual counts as the usual."""
    scales = []
    for exam, numbers in kept:
        found = model.reconstruct(exam, slices=numbers.tolist())
        scales.append(found.scale[:, :, numbers][exam.body[:, :, numbers]])
    return float(np.quantile(np.concatenate(scales), _FLOOR_QUANTILE)) if scales else 0.0


def fit_probability(model: AnomalyModel, kept: Sequence[Training], *, seed: int) -> tuple[float, float] | None:
    """Slope and offset of the log odds of a smoothed z-score: balls inserted into normal slices against the rest of
    these slices, both weighing the same. No tumour is looked at. None where nothing could be inserted."""
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng([seed, 11])
    values, truth = [], []
    for exam, numbers in kept:
        changed, inserted = insert_many(exam, numbers, random)
        if not inserted:
            continue
        z = smoothed(model.z_score(changed), changed, model.config.smooth_mm)
        balls = np.zeros(exam.suv.shape, bool)
        for one in inserted:
            balls[tuple(one.inside.T)] = True
        slices = np.zeros(exam.suv.shape[2], bool)
        slices[numbers] = True
        rest = z[exam.body & slices & ~balls]
        rest = rest[random.permutation(len(rest))[:_NORMAL_VOXELS]]
        inside = z[balls & exam.body]
        values += [inside, rest]
        truth += [np.ones(len(inside)), np.zeros(len(rest))]
    if not values or not np.concatenate(truth).any():
        return None
    x, y = np.concatenate(values)[:, None], np.concatenate(truth)
    fitted = LogisticRegression(C=1e3, class_weight="balanced").fit(x, y)
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 0 else None


def _fit_mask(model: AnomalyModel, training: Sequence[Training], *, seed: int) -> float | None:
    """Threshold of smoothed z with the highest mean Dice over training patients with a tumour drawn."""
    with_tumour = [exam for exam, _ in training if exam.lesion is not None and exam.lesion.any()]
    order = np.random.default_rng([seed, 13]).permutation(len(with_tumour))
    pairs = []
    for number in order[: model.config.threshold_patients].tolist():
        exam = with_tumour[number]
        z = smoothed(model.z_score(exam), exam, model.config.smooth_mm)
        assert exam.lesion is not None
        pairs.append((exam.lesion[exam.body], z[exam.body]))
    return choose_threshold(pairs)
