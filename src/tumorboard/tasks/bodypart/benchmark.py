"""Cross-validation by patient: the regressor beside the place in the volume and a constant.

Every CT is scored by a network that has not seen its patient; what scores mean (ends, boundaries, millimetres) and the
baselines' landmarks are fitted on the same training patients. Volumes are scored whole and as random stretches of
themselves, where the place in the volume says little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.executors import executor
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.answer import Answer
from tumorboard.tasks.bodypart.baselines import (
    CONSTANT,
    FRACTION,
    constant_answer,
    fit_fraction,
    fraction_answer,
    usual_region,
)
from tumorboard.tasks.bodypart.cache import SliceCache, read_slices
from tumorboard.tasks.bodypart.cases import Case, find_cases, landmarks_of
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.evaluate import Scored, score_images
from tumorboard.tasks.bodypart.model import BodyPartModel
from tumorboard.tasks.bodypart.pictures import draw_pictures
from tumorboard.tasks.bodypart.planted import cut, score_flags
from tumorboard.tasks.bodypart.rows import answer_rows, run_row
from tumorboard.tasks.bodypart.slices import BodySlices
from tumorboard.tasks.bodypart.train import prepare_cases, train_network
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation.folds import split_patients

__all__ = ["PARTS", "benchmark"]

PARTS = "parts of volumes"
Judge = Callable[[BodySlices], Answer]


@dataclass(frozen=True)
class FoldJob:
    """What a worker needs; nothing in it knows the held-out patients."""

    number: int
    folder: Path
    cache: Path
    config: Mapping[str, Any]
    keys: tuple[str, ...]
    landmarks: tuple[Mapping[str, float], ...]
    patients: tuple[str, ...]


@dataclass
class _Collected:
    """Answers of one run on held-out volumes, whole and in parts."""

    whole: list[Scored]
    parts: list[Scored]
    flags: list[tuple[str, BodySlices, Judge]]
    part_flags: list[tuple[str, BodySlices, Judge]]
    rows: list[dict[str, Any]]
    answers: dict[str, Answer]


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: BodyPartConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Cross-validate on every CT in HU; models, cache and pictures go below `out`.

    Resumable: finished folds of the same data and settings are taken over. CTs that cannot be prepared are named in the
    run. BDP101 with fewer than two usable patients.
    """
    config = config or BodyPartConfig()
    report = progress or (lambda done, total: None)
    everyone = find_cases(cohort)
    refused: dict[str, str] = {}
    cache = SliceCache(out / "cache", cohort)
    total = 2 * len(everyone) + 100
    keys = prepare_cases(cache, everyone, config, refused=refused, told=lambda done: report(done, total))
    cases = [case for case in everyone if case.image_id in keys]
    centre_of = {case.patient_id: case.centre for case in cases}
    if len(centre_of) < 2:
        raise TumorboardError(
            codes.NOTHING_TO_LEARN, cohort.name, found=f"{len(centre_of)} usable patients", expected="2 or more"
        )
    landmarks = landmarks_of(cohort, config.landmark_runs)
    held_out = split_patients(centre_of, config.folds, seed=config.seed)
    jobs = [_job(n, mine, cases, keys, landmarks, out, config) for n, mine in enumerate(held_out)]
    with executor(config.workers) as pool:
        facts = []
        for number, one in enumerate(pool.map(run_fold, jobs), start=1):
            facts.append(one)
            report(len(everyone) + round(100 * number / len(jobs)), total)
    collected = {run: _Collected([], [], [], [], [], {}) for run in (config.network, FRACTION, CONSTANT)}
    done = len(everyone) + 100
    for job, mine in zip(jobs, held_out, strict=True):
        judges = _judges(job, config)
        for case in (case for case in cases if case.patient_id in mine):
            slices = cache.read(keys[case.image_id])
            part = cut(slices, np.random.default_rng([config.seed, cases.index(case)]))
            for run, judge in judges.items():
                _collect(collected[run], run, case, slices, part, judge, landmarks.get(case.image_id, {}))
            report(done := done + 1, total)
    return _result(collected, config=config, facts=facts, refused=refused, out=out, cache=cache, keys=keys)


def _job(
    number: int,
    held_out: Sequence[str],
    cases: Sequence[Case],
    keys: Mapping[str, str],
    landmarks: Mapping[str, Mapping[str, float]],
    out: Path,
    config: BodyPartConfig,
) -> FoldJob:
    training = [case for case in cases if case.patient_id not in held_out]
    return FoldJob(
        number=number,
        folder=out / f"fold-{number}",
        cache=out / "cache",
        config=config.model_dump(mode="json"),
        keys=tuple(keys[case.image_id] for case in training),
        landmarks=tuple(landmarks.get(case.image_id, {}) for case in training),
        patients=tuple(sorted({case.patient_id for case in training})),
    )


def run_fold(job: FoldJob) -> dict[str, Any]:
    """Train on the job's volumes; returns how training went."""
    config = BodyPartConfig.model_validate(job.config)
    model = train_network(
        job.keys,
        job.cache,
        config=config,
        seed=config.seed + job.number,
        folder=job.folder,
        landmarks=job.landmarks,
        facts={"patients": list(job.patients)},
    )
    return {key: model.facts[key] for key in ("steps", "seconds", "volumes", "slices")}


def _judges(job: FoldJob, config: BodyPartConfig) -> dict[str, Judge]:
    """The fold's network and baselines, each a function from slices to an answer."""
    model = BodyPartModel.load(job.folder)
    training = [read_slices(job.cache, key) for key in job.keys]
    anatomy, usual = fit_fraction(training, job.landmarks), usual_region(training, job.landmarks)
    tolerance = config.tolerance
    return {
        config.network: lambda slices: model.answer(slices, tolerance=tolerance),
        FRACTION: lambda slices: fraction_answer(slices, anatomy, tolerance=tolerance),
        CONSTANT: lambda slices: constant_answer(slices, usual),
    }


def _collect(
    into: _Collected,
    run: str,
    case: Case,
    slices: BodySlices,
    part: BodySlices,
    judge: Judge,
    truth: Mapping[str, float],
) -> None:
    found = judge(slices)
    into.answers[case.image_id] = found
    into.whole.append(_scored(case, found, truth))
    into.parts.append(_scored(case, judge(part), truth))
    if all(patient != case.patient_id for patient, _, _ in into.flags):  # one volume of each patient is spoilt
        into.flags.append((case.patient_id, slices, judge))
        into.part_flags.append((case.patient_id, part, judge))
    if run != CONSTANT:
        into.rows += answer_rows(case.image_id, found, slices.box_mm, run_id=run)


def _scored(case: Case, found: Answer, truth: Mapping[str, float]) -> Scored:
    return Scored(case.patient_id, case.image_id, found.curve, found.regions, found.landmarks, truth)


def _result(
    collected: Mapping[str, _Collected],
    *,
    config: BodyPartConfig,
    facts: list[dict[str, Any]],
    refused: Mapping[str, str],
    out: Path,
    cache: SliceCache,
    keys: Mapping[str, str],
) -> TaskResult:
    scores: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for run, mine in collected.items():
        scores += score_images(mine.whole, run=run, seed=config.seed)
        scores += score_images(mine.parts, run=run, seed=config.seed, subset=PARTS)
        scores += score_flags(mine.flags, run=run, seed=config.seed)
        scores += score_flags(mine.part_flags, run=run, seed=config.seed, subset=PARTS)
        network = run == config.network
        runs.append(
            run_row(
                run,
                kind="model" if network else "baseline",
                config=config.model_dump(mode="json") if network else {},
                inputs={},
                metrics={"folds": facts, "refused": dict(refused)} if network else {},
            )
        )
    mine = collected[config.network]
    flags = {image: answer.check.flags for image, answer in mine.answers.items()}
    stacks = {image: cache.read(key) for image, key in keys.items()}
    pictures = draw_pictures(mine.whole, stacks, flags, out / "pictures")
    notes = tuple(_notes(flags, refused))
    findings = [row for one in collected.values() for row in one.rows]
    return TaskResult(scores, {"runs": runs, "findings": findings}, notes=notes, pictures=tuple(pictures))


def _notes(flags: Mapping[str, Sequence[str]], refused: Mapping[str, str]) -> list[str]:
    found = [f"{image}: {', '.join(words)}" for image, words in flags.items() if words]
    notes = [f"Slices look odd ({'; '.join(found)}): look at these CTs before using their z."] if found else []
    if refused:
        notes.append(f"{len(refused)} CTs could not be scored: {', '.join(refused)}.")
    return notes
