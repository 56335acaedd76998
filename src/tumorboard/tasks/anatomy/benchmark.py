"""Cross-validation by patient: the network beside a constant box, boxes in parts of the lungs, and boxes drawn by rule.

Every X-ray is predicted by a network that has not seen its patient; baselines that learn (the constant box, the parts)
learn from the same training patients. Virtual X-rays are other patients than any cohort's: their seed is the training's
own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.boxes import patient_means
from tumorboard.metrics.intervals import bootstrap_mean, paired_difference
from tumorboard.ops.radiograph import Hanging
from tumorboard.tasks.anatomy import codes
from tumorboard.tasks.anatomy.atlas import ATLAS_BY_RULE, Atlas
from tumorboard.tasks.anatomy.cases import LUNGS, Box, Case, find_cases, load_lungs, load_picture
from tumorboard.tasks.anatomy.config import AnatomyConfig
from tumorboard.tasks.anatomy.evaluate import mean_overlaps, score_boxes
from tumorboard.tasks.anatomy.model import AnatomyModel, Prediction
from tumorboard.tasks.anatomy.prepare import Sample
from tumorboard.tasks.anatomy.rows import box_rows, mask_row, run_row
from tumorboard.tasks.anatomy.train import Basis, learn, real_samples, virtual_basis
from tumorboard.tasks.result import TaskResult, score_row
from tumorboard.tasks.segmentation.folds import split_patients

__all__ = ["CONSTANT", "FRACTIONS", "RULES", "benchmark"]

CONSTANT, FRACTIONS, RULES = "constant box", "lung fractions", "anatomy rules"
Boxes = dict[str, dict[str, Box]]
"""image_id -> location -> box."""


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: AnatomyConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Cross-validate on every X-ray with an expert's lung mask or boxes; models and masks go below `out`.

    Resumable: finished folds of the same data and settings are taken over. X-rays that are refused count with an
    overlap of 0 and are named in the run. ANA101 with fewer than two patients.
    """
    config = config or AnatomyConfig()
    report = progress or (lambda done, total: None)
    cases = [case for case in find_cases(cohort, labelled=True) if case.boxes]
    patients = {case.patient_id: None for case in cases}
    if len(patients) < 2:
        raise TumorboardError(
            codes.NOTHING_TO_LEARN, cohort.name, found=f"{len(patients)} usable patients", expected="2 or more"
        )
    basis = virtual_basis(config, out, progress=lambda part: report(round(40 * part), 100))
    held_out = split_patients(patients, config.folds, seed=config.seed)
    predicted: dict[str, Boxes] = {config.model: {}, CONSTANT: {}, FRACTIONS: {}, RULES: {}}
    masks: list[dict[str, Any]] = []
    overlaps: list[tuple[str, dict[str, float]]] = []
    refused: dict[str, str] = {}
    for number, patient_ids in enumerate(held_out):
        training = [case for case in cases if case.patient_id not in patient_ids]
        samples, _ = real_samples(cohort, training, config)
        model = _fold(samples, basis, config=config, number=number, out=out, patients=training)
        constant, atlas = _constant(training), Atlas.fit([case.boxes for case in training])
        for case in (case for case in cases if case.patient_id in patient_ids):
            predicted[CONSTANT][case.image_id] = _scaled(constant, case.shape)
            found = _predicted(cohort, case, model, refused)
            overlaps.append((case.patient_id, _overlaps(cohort, case, found)))
            if found is None:
                continue
            lungs = {name: box for name, box in found.boxes.items() if name in LUNGS}
            predicted[config.model][case.image_id] = dict(found.boxes)
            predicted[FRACTIONS][case.image_id] = atlas.place(lungs)
            predicted[RULES][case.image_id] = ATLAS_BY_RULE.place(lungs)
            masks.append(mask_row(case, found.lungs, config.model, out / "masks"))
        report(40 + round(60 * (number + 1) / len(held_out)), 100)
    return _result(cases, predicted, masks, overlaps, refused, config=config)


def _fold(
    samples: Sequence[Sample], basis: Basis, *, config: AnatomyConfig, number: int, out: Path, patients: Sequence[Case]
) -> AnatomyModel:
    return learn(
        samples,
        basis,
        config=config,
        seed=config.seed + 1 + number,
        folder=out / f"fold-{number}",
        facts={"patients": sorted({case.patient_id for case in patients})},
    )


def _predicted(cohort: Cohort, case: Case, model: AnatomyModel, refused: dict[str, str]) -> Prediction | None:
    try:
        return model.predict(load_picture(cohort, case), case.affine, view=case.view, where=case.image_id)
    except TumorboardError as error:
        refused[case.image_id] = str(error)
        return None


def _constant(cases: Sequence[Case]) -> dict[str, Box]:
    """Median box of each location in parts of the picture."""
    found: dict[str, Box] = {}
    for name in BOX_LOCATIONS:
        parts = [np.asarray(c.boxes[name]) / np.tile(c.shape[::-1], 2) for c in cases if name in c.boxes]
        if parts:
            x1, y1, x2, y2 = np.median(parts, axis=0).tolist()
            found[name] = (x1, y1, x2, y2)
    return found


def _scaled(boxes: Mapping[str, Box], shape: tuple[int, int]) -> dict[str, Box]:
    rows, columns = shape
    return {name: (b[0] * columns, b[1] * rows, b[2] * columns, b[3] * rows) for name, b in boxes.items()}


def _overlaps(cohort: Cohort, case: Case, found: Prediction | None) -> dict[str, float]:
    truth = load_lungs(cohort, case, Hanging())
    if truth is None:
        return {}
    if found is None:
        return dict.fromkeys(LUNGS, 0.0)
    pairs = zip(LUNGS, truth, found.lungs, strict=True)
    return {side: float((a & b).sum() / max(int((a | b).sum()), 1)) for side, a, b in pairs}


def _result(
    cases: Sequence[Case],
    predicted: Mapping[str, Boxes],
    masks: list[dict[str, Any]],
    overlaps: Sequence[tuple[str, Mapping[str, float]]],
    refused: Mapping[str, str],
    *,
    config: AnatomyConfig,
) -> TaskResult:
    scores: list[dict[str, Any]] = []
    runs, findings = [], []
    for run, boxes in predicted.items():
        mine = score_boxes(cases, boxes, run=run, seed=config.seed)
        scores += mine
        network = run == config.model
        runs.append(
            run_row(
                run,
                kind="model" if network else "baseline",
                config=config.model_dump(mode="json") if network else {},
                inputs={},
                metrics={"refused": dict(refused)} if run != CONSTANT else {},
            )
        )
        findings += [row for case in cases for row in box_rows(case, boxes.get(case.image_id, {}), run)]
    scores += _mask_scores(overlaps, config)
    scores += _differences(cases, predicted, config)
    return TaskResult(scores, {"runs": runs, "images": masks, "findings": findings})


def _mask_scores(overlaps: Sequence[tuple[str, Mapping[str, float]]], config: AnatomyConfig) -> list[dict[str, Any]]:
    rows = []
    for side in LUNGS:
        pairs = [(patient, values[side]) for patient, values in overlaps if side in values]
        if pairs:
            means = patient_means([patient for patient, _ in pairs], [value for _, value in pairs])
            interval = bootstrap_mean(list(means.values()), seed=config.seed)
            rows.append(_score(config.model, "mask_iou", side, *interval, n=len(means)))
    return rows


def _differences(cases: Sequence[Case], predicted: Mapping[str, Boxes], config: AnatomyConfig) -> list[dict[str, Any]]:
    """Overlap of the model minus that of each baseline on the same patients, mean over each patient's locations."""
    mine = mean_overlaps(cases, predicted[config.model])
    rows = []
    for run, boxes in predicted.items():
        if run == config.model:
            continue
        theirs = mean_overlaps(cases, boxes)
        found = paired_difference([mine[p] for p in mine], [theirs[p] for p in mine], seed=config.seed)
        name = f"box_iou minus {run}"
        rows.append(_score(config.model, name, "all locations", found.mean, found.low, found.high, n=found.n))
    return rows


def _score(
    run: str, metric: str, label: str, value: float | None, low: float | None, high: float | None, *, n: int
) -> dict[str, Any]:
    return score_row(run, task="anatomy", metric=metric, label=label, interval=(value, low, high), n=n)
