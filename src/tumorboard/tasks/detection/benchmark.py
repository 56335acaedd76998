"""Detector and baseline on patients that neither has seen: trained on some patients, scored on the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.executors import executor
from tumorboard.metrics.detection import compare_detectors
from tumorboard.tasks.detection import codes
from tumorboard.tasks.detection.blobs import BLOBS, BlobDetector, fit_blobs
from tumorboard.tasks.detection.cases import Case, find_cases
from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.model import DetectionModel
from tumorboard.tasks.detection.pictures import draw_pictures
from tumorboard.tasks.detection.prepare import Look, PreparedCache
from tumorboard.tasks.detection.rows import box_rows, run_row
from tumorboard.tasks.detection.scoring import Arranged, arrange, score_rows, score_sizes
from tumorboard.tasks.detection.train import train_network, usable
from tumorboard.tasks.result import TaskResult, score_row

__all__ = ["benchmark", "split_patients"]

_TRAINING = 200
_SIZES_AT = 1.0
"""False boxes per volume at which lesions are counted by size."""
Row = dict[str, Any]


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: DetectionConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Train on `1 - test_share` of the patients with marked lesions, score on the others; models, caches, pictures go
    below `out`. Resumable. Scores: sensitivity at false boxes per volume and their mean, by 3-D overlap, with intervals
    over patients, and the paired difference of the means. DET101 with too few patients.
    """
    config = config or DetectionConfig()
    cases = usable(find_cases(cohort))
    patients = sorted({case.patient_id for case in cases})
    if len(patients) < 4:
        raise TumorboardError(
            codes.NOTHING_TO_LEARN, cohort.name, found=f"{len(patients)} usable patients", expected="4 or more"
        )
    held_out = split_patients(patients, config.test_share, seed=config.seed)
    training = [case for case in cases if case.patient_id not in held_out]
    test = _first_exams([case for case in cases if case.patient_id in held_out], config.exams_per_patient)
    total = len(training) + _TRAINING + len(test)
    report = progress or (lambda done, total: None)
    cache = PreparedCache(out / "cache", cohort, config.spacing_mm)
    looks = []
    for done, case in enumerate(training, start=1):
        looks.append(cache.look(case))
        report(done, total)
    detector = config.network
    model = train_network(
        looks,
        [cache.name(case) for case in training],
        config=config,
        folder=out / detector,
        facts={"patients": sorted({case.patient_id for case in training})},
        progress=lambda part: report(len(training) + round(part * _TRAINING), total),
    )
    blobs = fit_blobs(looks)
    rows: dict[str, list[Row]] = {detector: [], BLOBS: []}
    jobs = [(out / detector, blobs, case, cache.look(case), config.boxes_per_volume) for case in test]
    with executor(config.workers) as pool:
        for done, (mine, round_ones) in enumerate(pool.map(_both, jobs), start=1):
            rows[detector] += mine
            rows[BLOBS] += round_ones
            report(len(training) + _TRAINING + done, total)
    inputs = {"trained_on": list(model.facts["patients"]), "scored_on": sorted(held_out)}
    facts = {key: model.facts[key] for key in ("steps", "seconds", "precision")}
    runs = [
        run_row(detector, kind="model", config=config.model_dump(mode="json"), inputs=inputs, metrics=facts),
        run_row(BLOBS, kind="baseline", config={"hu": blobs.hu}, inputs=inputs, metrics={}),
    ]
    arranged = {name: arrange(test, mine, rules=config.rules) for name, mine in rows.items()}
    scores = _scores(arranged, config) + _weaker(rows, test, config)
    scores += score_sizes(arranged[detector], config.rules, run=detector, rate=_SIZES_AT, seed=config.seed)
    pictures = draw_pictures(
        arranged,
        test,
        cache.look,
        out / "pictures",
        shown=detector,
        rules=config.rules,
        seed=config.seed,
        tiles=config.shown,
    )
    lesions = len(arranged[detector].lesions)
    note = (
        f"Trained on {len(patients) - len(held_out)} patients, scored on {len(held_out)} others: {lesions} lesions in "
    )
    note += f"{len(test)} volumes. {config.rules.describe()}."
    return TaskResult(
        scores, {"runs": runs, "findings": [row for mine in rows.values() for row in mine]}, (note,), pictures
    )


def _both(job: tuple[Path, BlobDetector, Case, Look, int]) -> tuple[list[Row], list[Row]]:
    """Boxes of the model in a folder and of the baseline on one volume."""
    folder, blobs, case, look, most = job
    model = DetectionModel.load(folder)
    name = model.config.network
    found = box_rows(case, look, *model.detect(look), name)
    return found, box_rows(case, look, *blobs.detect(look, most=most), BLOBS)


def split_patients(patients: Sequence[str], test_share: float, *, seed: int) -> set[str]:
    """The patients to hold out: `test_share` of them, at least two, leaving at least two."""
    ordered = sorted(patients)
    count = int(np.clip(round(test_share * len(ordered)), 2, len(ordered) - 2))
    drawn = np.random.default_rng(seed).permutation(len(ordered))[:count]
    return {ordered[index] for index in drawn.tolist()}


def _first_exams(cases: Sequence[Case], count: int) -> list[Case]:
    """All cases, or those of every patient's first `count` exams by id."""
    if not count:
        return list(cases)
    exams: dict[str, list[str]] = {}
    for case in cases:
        exams.setdefault(case.patient_id, []).append(case.exam_id)
    kept = {patient: set(sorted(set(listed))[:count]) for patient, listed in exams.items()}
    return [case for case in cases if case.exam_id in kept[case.patient_id]]


def _weaker(rows: dict[str, list[Row]], test: Sequence[Case], config: DetectionConfig) -> list[Row]:
    """Mean sensitivities by rules that ask less of a box, to tell what is not found from what is badly boxed: a third
    of the overlap, overlap over the predicted box, and boxes of key slices alone."""
    rules = config.rules
    others = [
        replace(rules, threshold=rules.threshold / 3),
        replace(rules, overlap="iobb"),
        replace(rules, dimensions=2),
    ]
    return [
        score_rows(arrange(test, mine, rules=other), other, run=name, seed=config.seed)[0]
        for other in others
        for name, mine in rows.items()
    ]


def _scores(arranged: dict[str, Arranged], config: DetectionConfig) -> list[Row]:
    rules, seed, detector = config.rules, config.seed, config.network
    rows = [row for name, mine in arranged.items() for row in score_rows(mine, rules, run=name, seed=seed)]
    one, two = (arranged[name].match(rules) for name in (detector, BLOBS))
    found = compare_detectors(one, two, rules=rules, seed=seed)
    rows.append(
        score_row(
            detector,
            task="detection",
            metric=f"froc_mean_sensitivity minus {BLOBS}",
            label=rules.criterion,
            interval=(found.mean, found.low, found.high),
            n=found.n,
        )
    )
    return rows
