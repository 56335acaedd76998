"""Cross-validation by patient: the embedding beside chance, place and size, raw features, raw pixels; types likewise.

Queries and hits are lesions of the held-out patients alone; scalers, components, classifiers and the network are fitted
on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.tasks.result import Picture, TaskResult
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.crops import Crops, crops_of
from tumorboard.tasks.retrieval.features import PixelSpace, Scaler, location_and_size, random_vectors
from tumorboard.tasks.retrieval.lesions import Lesions, find_lesions, require_lesions
from tumorboard.tasks.retrieval.rows import run_name, run_row, type_findings
from tumorboard.tasks.retrieval.scoring import (
    Answers,
    answers,
    difference_rows,
    joined,
    retrieval_rows,
    type_difference_rows,
    type_rows,
)
from tumorboard.tasks.retrieval.store import write_embeddings
from tumorboard.tasks.retrieval.train import calibration_patients, learn
from tumorboard.tasks.retrieval.types import Forest, Logistic, TypeModel, calibrated, calibration_of, pooled
from tumorboard.tasks.segmentation.folds import split_patients

__all__ = ["EMBEDDING", "Fold", "benchmark", "held_out_fold"]

EMBEDDING, RANDOM, PLACE, RAW, PIXELS = "embedding", "random", "location-size", "raw-features", "raw-pixels"
HEAD, VECTORS, BY_PLACE, BY_FOREST = "head", "embedding-logistic", "location-size-logistic", "location-size-forest"
POOLED = "embedding-and-place"
Floats = NDArray[np.float64]


@dataclass
class Fold:
    """One held-out part: its typed lesions, vectors by run (cosine or Euclid), log weights of types by classifier."""

    lesions: Lesions
    crops: Crops
    vectors: dict[str, tuple[NDArray[Any], str]] = field(default_factory=dict)
    types: dict[str, Floats] = field(default_factory=dict)


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: RetrievalConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Cross-validate on every marked lesion of known type. Models, vectors and pictures go below `out`; finished folds
    of the same data and settings are taken over. Without pixels the baselines alone are scored, which a note says.
    RET101 for too few lesions."""
    config = config or RetrievalConfig()
    report = progress or (lambda done, total: None)
    lesions = find_lesions(cohort, location=config.location)
    require_lesions(lesions, cohort.name)
    crops = crops_of(cohort, lesions, config, progress=lambda done, total: report(round(20 * done / total), 100))
    notes = _notes(lesions, crops, config)
    held_out = _held_out(lesions, config)
    folds = []
    for number, patients in enumerate(held_out):
        report(20 + round(75 * number / len(held_out)), 100)
        test = np.isin(lesions.patients, patients)
        folds.append(held_out_fold(lesions, crops, test, config=config, folder=out / f"fold-{number + 1}"))
    scores, by_run = _scores(folds, config)
    rows = _rows(cohort, folds, config, out)
    pictures = _pictures(cohort, folds, by_run, config, out) if config.pictures else ()
    report(100, 100)
    return TaskResult(scores, rows, tuple(notes), pictures)


def held_out_fold(
    lesions: Lesions, crops: Crops, test: NDArray[np.bool_], *, config: RetrievalConfig, folder: Path
) -> Fold:
    """Everything fitted on the lesions outside `test` (n,) and applied to the typed ones inside."""
    asked = np.flatnonzero(test & lesions.typed)
    mine, pixels = lesions.only(asked), crops.only(asked)
    fold = Fold(mine, pixels)
    features, raw = location_and_size(lesions), _raw(lesions, crops, config)
    fold.vectors[RANDOM] = random_vectors(len(mine), dimensions=config.dimensions, seed=config.seed), "cosine"
    fold.vectors[PLACE] = Scaler.fit(features[~test]).apply(features[asked]), "euclid"
    _place_types(fold, lesions, ~test, asked, config)
    if not crops.has[~test].any() or not crops.has[asked].any():
        return fold
    fold.vectors[RAW] = Scaler.fit(raw[~test]).apply(raw[asked]), "euclid"
    space = PixelSpace.fit(crops.near[~test & crops.has], seed=config.seed)
    fold.vectors[PIXELS] = space.apply(pixels.near), "euclid"
    if config.network:
        rows = np.flatnonzero(~test)
        model = learn(lesions.only(rows), crops.only(rows), config=config, folder=folder)
        found = model.embed(mine, pixels)
        told = model.probabilities(found)
        fold.vectors[EMBEDDING] = np.where(found.has[:, None], found.vectors, 1e-3), "cosine"
        fold.types |= {HEAD: told["head"], VECTORS: told["vectors"]}
        fold.types[POOLED] = pooled([told["head"], told["vectors"], fold.types[BY_FOREST]])
    return fold


def _place_types(
    fold: Fold, lesions: Lesions, train: NDArray[np.bool_], asked: NDArray[np.int64], config: RetrievalConfig
) -> None:
    """Types from place and size alone, fitted and calibrated on the same patients as the network's."""
    numbers, features = lesions.numbers(), location_and_size(lesions)
    back = calibration_patients(lesions.only(train), config.calibration_share, seed=config.seed)
    kept_back = np.isin(lesions.patients, back)
    fitted, unseen = (np.flatnonzero(train & (numbers >= 0) & side) for side in (~kept_back, kept_back))
    scaled = Scaler.fit(features[train & ~kept_back]).apply(features)
    models: dict[str, TypeModel] = {
        BY_PLACE: Logistic.fit(scaled[fitted], numbers[fitted]),
        BY_FOREST: Forest.fit(scaled[fitted], numbers[fitted], seed=config.seed, trees=config.trees),
    }
    for name, model in models.items():
        weights = model.log_weights(scaled[unseen]) if len(unseen) else np.zeros((0, len(LESION_TYPES)))
        calibration = calibration_of(weights, numbers[unseen], trained_on=numbers[fitted])
        fold.types[name] = calibrated(calibration, model.log_weights(scaled[asked]))


def _raw(lesions: Lesions, crops: Crops, config: RetrievalConfig) -> Floats:
    mean = crops.mean_hu(lesions.axes_mm, spacing_mm=config.spacing_mm)
    return np.column_stack([location_and_size(lesions), mean])


def _held_out(lesions: Lesions, config: RetrievalConfig) -> list[list[str]]:
    patients = sorted(set(lesions.patients[lesions.typed].tolist()))
    return split_patients(dict.fromkeys(patients), config.folds, seed=config.seed)


def _notes(lesions: Lesions, crops: Crops, config: RetrievalConfig) -> list[str]:
    notes = [f"{int((~lesions.typed).sum())} lesions of unknown type are neither queries nor hits"]
    without = int((~crops.has).sum())
    if without:
        text = "baselines that need none are scored alone" if without == len(lesions) else "they keep a vector of zeros"
        notes.append(f"{without} of {len(lesions)} lesions without pixels: {text}")
    if not np.isfinite(lesions.locations).any():
        notes.append(f"no relative location (location={config.location}): similar place is not taught")
    return notes


def _scores(folds: list[Fold], config: RetrievalConfig) -> tuple[list[dict[str, Any]], dict[str, Answers]]:
    rows: list[dict[str, Any]] = []
    found: dict[str, Answers] = {}
    seeds = {"seed": config.seed, "resamples": config.resamples}
    for run in folds[0].vectors:
        parts = [answers(fold.lesions, fold.vectors[run][0], metric=fold.vectors[run][1]) for fold in folds]
        found[run] = joined(parts)
        lesions, vectors = [fold.lesions for fold in folds], [fold.vectors[run][0] for fold in folds]
        rows += retrieval_rows(run, found[run], lesions, vectors, **seeds)
    first = EMBEDDING if EMBEDDING in found else PLACE
    for other in found:
        if other != first:
            ours, theirs = _figures(found[first]), _figures(found[other])
            rows += difference_rows(first, other, ours, theirs, found[first].patients, seed=config.seed)
    truth = np.concatenate([fold.lesions.numbers() for fold in folds])
    patients = np.concatenate([fold.lesions.patients for fold in folds])
    told = {name: np.concatenate([fold.types[name] for fold in folds]) for name in folds[0].types}
    for name, shares in told.items():
        rows += type_rows(name, truth, shares, patients, **seeds)
    for name in (HEAD, VECTORS, POOLED):
        for other in (BY_PLACE, BY_FOREST):
            if name in told:
                rows += type_difference_rows(name, other, truth, told[name], told[other], patients, **seeds)
    return rows, found


def _figures(found: Answers) -> dict[str, Floats]:
    return {"precision@1": found.first, "precision@9": found.nine, "mean_average_precision": found.average}


def _rows(cohort: Cohort, folds: list[Fold], config: RetrievalConfig, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Types told out of fold as a run of its own; vectors of each fold are kept beside its model, since vectors of
    different networks have nothing to do with one another."""
    findings: list[dict[str, Any]] = []
    told = HEAD if HEAD in folds[0].types else BY_FOREST
    run_id = run_name(told)
    for number, fold in enumerate(folds, start=1):
        findings += type_findings(cohort, fold.lesions.ids, fold.types[told], run_id=run_id)
        if EMBEDDING in fold.vectors:
            write_embeddings(out / f"fold-{number}" / "held-out", fold.lesions.ids, fold.vectors[EMBEDDING][0])
    inputs: Mapping[str, Any] = {"folds": len(folds), "location": config.location}
    record = run_row(run_id, kind="model", config=config.model_dump(mode="json"), inputs=inputs)
    return {"runs": [record], "findings": findings}


def _pictures(
    cohort: Cohort, folds: list[Fold], found: Mapping[str, Answers], config: RetrievalConfig, out: Path
) -> tuple[Picture, ...]:
    from tumorboard.tasks.retrieval.pictures import draw_all

    return draw_all(out / "pictures", folds, found, config=config)
