"""Cross-validation by patient: the trained network and every baseline on the same parts of the same exams.

Each patient is predicted by the network that has not seen that patient. Baselines that learn something (the inset of
the ellipsoid) learn it from the same training patients. Nothing that is scored has seen voxels outside the part of
the exam on which scores are taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.engine.executors import executor
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.baselines import (
    ELLIPSOID,
    INSETS_MM,
    THRESHOLDS,
    ellipsoid,
    ellipsoid_dice,
    fit_inset,
    threshold_labels,
)
from tumorboard.tasks.segmentation.cache import CaseCache, Fingerprint, take_fingerprint
from tumorboard.tasks.segmentation.cases import Case, find_cases, load_case, structures_of
from tumorboard.tasks.segmentation.comparison import scores_of_runs
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.folds import FoldJob, HeldOut, run_fold, split_centres, split_patients
from tumorboard.tasks.segmentation.gallery import gallery
from tumorboard.tasks.segmentation.members import TrainingJob, resolved, run_member
from tumorboard.tasks.segmentation.predict import measured_rows
from tumorboard.tasks.segmentation.prior_maps import with_fold_maps
from tumorboard.tasks.segmentation.progress import Watch
from tumorboard.tasks.segmentation.rows import mask_path, mask_row, run_row, write_mask
from tumorboard.tasks.segmentation.train import fit_preprocessing
from tumorboard.tasks.segmentation.validation import inner_split

__all__ = ["benchmark"]

Progress = Callable[[int, int], None]
_COARSE_MM = 4.0
"""Voxel edge on which the ellipsoid is fitted."""


def benchmark(
    cohort: Cohort, out: Path, *, config: SegmentationConfig | None = None, progress: Progress | None = None
) -> TaskResult:
    """Cross-validate on every exam with CT, PET and an expert's mask; results and caches go below `out`.

    Resumable: finished folds of the same data and settings are taken over, a stopped one continues. Scores are means
    over patients with bootstrap intervals, out of fold, for all patients and per centre, and paired differences
    between the network and each baseline. With `protocol` leave-one-centre-out, a fold is a centre. SGM102 with fewer
    patients than folds need, SGM105 without centres to leave out; SGM109, SGM110, ANO102, ANO106 for the maps of a
    prior (`prior_maps.with_fold_maps`).
    """
    began = time.perf_counter()
    config = config or SegmentationConfig()
    config = resolved(config)
    cases = find_cases(cohort, labelled=True)
    centre_of = {case.patient_id: case.centre for case in cases}
    if len(centre_of) < 2:
        raise TumorboardError(
            codes.NOTHING_TO_LEARN, cohort.name, found=f"{len(centre_of)} usable patients", expected="2 or more"
        )
    structures = structures_of(cases)
    held_out = (
        split_patients(centre_of, config.folds, seed=config.seed)
        if config.protocol == "kfold"
        else split_centres(centre_of, where=cohort.name)
    )
    watch = Watch(progress, cases=len(cases))
    masks = out / "masks"
    jobs = _jobs(cohort, cases, held_out, out, structures=structures, config=config, watch=watch)
    facts = _train(jobs, config, watch, spent_s=time.perf_counter() - began)
    fits = _draw_baselines(cohort, cases, held_out, masks, structures=structures, watch=watch)
    network = config.network
    inputs = {"out_of_fold": True, "protocol": config.protocol}
    runs = [
        run_row(network, kind="model", config=config.model_dump(mode="json"), inputs=inputs, metrics={"folds": facts})
    ]
    for name in (*THRESHOLDS, ELLIPSOID):
        fitted = {"inset_mm_per_fold": fits} if name == ELLIPSOID else {}
        runs.append(run_row(name, kind="baseline", config=fitted, inputs={}, metrics={}))
    images, findings = [], []
    for run in runs:
        for case in cases:
            path = mask_path(masks, case, run["run_id"])
            images.append(mask_row(path, case, run["run_id"], structures, like=cohort.geometry(case.ct_id)))
            single = run["kind"] == "model"  # a threshold leaves thousands of specks that nobody wants listed
            findings += measured_rows(cohort, case, path, run["run_id"], structures, components=single)
        watch.measured()
    findings += _expert_measures(cohort, cases)
    predicted = cohort.subset(list(centre_of))
    for run in runs:  # results of an earlier benchmark that were added to the cohort
        predicted = predicted.without_run(run["run_id"])
    predicted = predicted.with_rows(runs=runs, images=images)
    scores, scored = scores_of_runs(predicted, network, baselines=[*THRESHOLDS, ELLIPSOID], seed=config.seed)
    pictures = gallery(predicted, network, scored, out / "pictures")
    watch.finished()
    return TaskResult(scores, {"runs": runs, "images": images, "findings": findings}, pictures=pictures)


def _jobs(
    cohort: Cohort,
    cases: Sequence[Case],
    held_out: Sequence[Sequence[str]],
    out: Path,
    *,
    structures: tuple[str, ...],
    config: SegmentationConfig,
    watch: Watch,
) -> list[FoldJob]:
    """One job per fold, with everything it needs in the cache."""
    fingerprints: dict[str, Fingerprint] = {}
    for case in cases:
        fingerprints[case.case_id] = take_fingerprint(cohort, case)
    jobs = []
    for number, patients in enumerate(held_out):
        training = [case for case in cases if case.patient_id not in patients]
        preprocessing = fit_preprocessing([fingerprints[c.case_id] for c in training], structures, config)
        unseen = [case for case in cases if case.patient_id in patients]
        told, training, unseen = with_fold_maps(cohort, training, unseen, out / f"prior-{number}", config=config)
        cache = CaseCache(out / "cache", told)
        tests = []
        for case in unseen:
            whole = cohort.geometry(case.ct_id)
            native = whole.crop(*case.evaluation)
            target = mask_path(out / "masks", case, config.network)
            tests.append(HeldOut(cache.evaluation(case, preprocessing), case.evaluation, native, whole, target))
            watch.prepared()
        learning, choosing = inner_split(training, config.validation, seed=config.seed)
        lesson = TrainingJob(
            folder=out / f"fold-{number}",
            config=config.model_dump(mode="json"),
            preprocessing=preprocessing.to_json(),
            cases=tuple(cache.training(case, preprocessing) for case in learning),
            patients=tuple(sorted({case.patient_id for case in training})),
            seed=config.seed + number,
            validation=tuple(cache.training(case, preprocessing) for case in choosing),
        )
        jobs.append(FoldJob(lesson, tuple(tests)))
    return jobs


def _train(
    jobs: Sequence[FoldJob], config: SegmentationConfig, watch: Watch, *, spent_s: float
) -> list[dict[str, Any]]:
    """Run the folds side by side, one thread each: two networks on one core each cost less than one network on two.
    The members of ensembles are trained first, all folds together; `spent_s` of a time budget are gone."""
    with executor(config.workers) as pool:
        trainings = len(jobs) * config.member_count
        workers = min(getattr(pool, "workers", 1), trainings)
        rounds = -(-trainings // workers)
        on_wall = config.budget_clock == "wall"
        shared = [
            replace(
                job,
                training=replace(
                    job.training, share=1 / (rounds if on_wall else trainings), spent_s=on_wall * spent_s / rounds
                ),
            )
            for job in jobs
        ]
        with watch.training(lambda: float(np.mean([job.training.part_done() for job in shared]))):
            if config.member_count > 1:
                members = [(job.training, number) for number in range(config.member_count) for job in shared]
                list(pool.map(run_member, members))
            return list(pool.map(run_fold, shared))


def _draw_baselines(
    cohort: Cohort,
    cases: Sequence[Case],
    held_out: Sequence[Sequence[str]],
    masks: Path,
    *,
    structures: tuple[str, ...],
    watch: Watch,
) -> list[float]:
    """Write the masks of all baselines; returns the ellipsoid's inset of each fold."""
    dice: dict[str, np.ndarray[Any, Any]] = {}
    for case in cases:
        volumes = load_case(cohort, case, structures=structures).crop(case.evaluation)
        assert volumes.mask is not None and volumes.pet is not None
        whole = cohort.geometry(case.ct_id)
        for name in THRESHOLDS:
            labels = threshold_labels(volumes.pet, name, structures=len(structures))
            write_mask(labels, case.evaluation, whole, mask_path(masks, case, name))
        dice[case.case_id] = ellipsoid_dice(_coarse(volumes.mask))
        watch.drawn()
    insets = []
    for patients in held_out:
        inset_mm = fit_inset([dice[case.case_id] for case in cases if case.patient_id not in patients], INSETS_MM)
        insets.append(inset_mm)
        for case in (case for case in cases if case.patient_id in patients):
            whole = cohort.geometry(case.ct_id)
            shape = ellipsoid(whole.crop(*case.evaluation), inset_mm)
            write_mask(shape, case.evaluation, whole, mask_path(masks, case, ELLIPSOID))
    return insets


def _coarse(mask: Volume) -> Volume:
    grid = mask.geometry
    edges_mm = np.maximum(grid.spacing_mm, _COARSE_MM)
    count = np.maximum(np.rint(grid.extent_mm / edges_mm), 1)
    return resample_to(mask, grid.with_spacing(grid.extent_mm / count), method="nearest", fill=0)


def _expert_measures(cohort: Cohort, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Measurements of the experts' masks, unless the cohort came with findings on them."""
    from tumorboard.core.tables import EXPERT
    from tumorboard.tasks.features.measure import measure_mask

    have = {row["image_id"] for row in cohort.rows("findings", run_id=EXPERT)}
    rows: list[dict[str, Any]] = []
    for case in cases:
        if case.mask_id is None or case.mask_id in have:
            continue
        mask = cohort.image(case.mask_id)
        pet = cohort.image(case.pet_id).require(Unit.SUVBW)
        rows += measure_mask(mask, pet, labels=case.labels, image_id=case.mask_id, run_id=EXPERT)
    return rows
