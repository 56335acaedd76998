"""Cross-validation by patient: networks that learn what is normal, beside every map that needs no network.

All maps are smoothed alike, cover the same voxels of the body and get their thresholds from the same training patients.
Where the cohort states a part of each exam on which scores are taken, that part is all that the maps may look at, and
the whole exam is scored beside it (subset ``whole crop``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anomaly import codes
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import Case, Exam, Exams, draw_cases, find_cases
from tumorboard.tasks.anomaly.folds import Fold, fit_limits
from tumorboard.tasks.anomaly.maps import BINARY, FREE, SMOOTHED, fit_free, run_names
from tumorboard.tasks.anomaly.normal import normal_slices, require_other_patients
from tumorboard.tasks.anomaly.pictures import SHOWN, draw_pictures
from tumorboard.tasks.anomaly.rows import candidate_rows, run_row, write_map
from tumorboard.tasks.anomaly.scoring import ExamScore, paired_rows, score_exam, score_rows
from tumorboard.tasks.anomaly.sensitivity import Seen, insert_and_look, sensitivity_rows
from tumorboard.tasks.anomaly.train import Training, train_network
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation.folds import split_patients

__all__ = ["STRESS", "WHOLE", "benchmark"]

WHOLE = "whole crop"
STRESS: Mapping[str, Callable[[Exam], Exam]] = {
    "CT moved 6 mm": lambda exam: exam.moved_ct((6.0, 0.0, 0.0)),
    "SUV x 0.8": lambda exam: exam.with_suv(exam.suv * np.float32(0.8)),
    "SUV x 1.2": lambda exam: exam.with_suv(exam.suv * np.float32(1.2)),
}
"""What may be wrong with an exam that is otherwise the same."""

Row = dict[str, Any]


@dataclass
class _Collected:
    """Scores by subset and run, inserted balls, rows of maps and candidates, and pictures' exams."""

    scores: dict[str, dict[str, list[ExamScore]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    images: list[Row] = field(default_factory=list)
    findings: list[Row] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    fold_of: dict[str, int] = field(default_factory=dict)
    shown: list[tuple[Exam, NDArray[Any]]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: AnomalyConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Cross-validate on every exam with CT, PET and an expert's mask; models, maps and pictures go below `out`.

    Resumable: finished trainings of the same data and settings are taken over. Maps of the first network are rows of
    the result, each made by a model that has not seen the patient. ANO102 with fewer than three usable patients.
    """
    config = config or AnomalyConfig()
    everyone = [case for case in find_cases(cohort) if case.mask_id]
    exams = Exams(cohort, everyone, grid_mm=config.grid_mm)
    collected = _Collected()
    cases = _readable(exams, everyone, collected.refused)
    centre_of = {case.patient_id: case.centre for case in cases}
    if len(centre_of) < 3:
        raise TumorboardError(
            codes.NOTHING_TO_LEARN, cohort.name, found=f"{len(centre_of)} usable patients", expected="3 or more"
        )
    held_out = split_patients(centre_of, config.folds, seed=config.seed)
    report = progress or (lambda done, total: None)
    total = len(cases) + len(held_out) * len(config.compare) * 20
    done = 0
    for number, mine in enumerate(held_out):
        fold = _fit_fold(cohort, cases, exams, mine, number, out, config, collected)
        report(done := done + 20 * len(config.compare), total)
        for case in (case for case in cases if case.patient_id in mine):
            collected.fold_of[case.patient_id] = number
            _score_case(cohort, exams[case.exam_id], fold, config, collected, out)
            report(done := done + 1, total)
    return _result(collected, config, out)


def _readable(exams: Exams, cases: Sequence[Case], refused: dict[str, str]) -> list[Case]:
    """The cases that can be loaded; the others go to `refused` with the reason."""
    able = []
    for case in cases:
        try:
            exams[case.exam_id]
            able.append(case)
        except TumorboardError as error:
            refused[case.exam_id] = str(error)
    return able


def _fit_fold(
    cohort: Cohort,
    cases: Sequence[Case],
    exams: Exams,
    held_out: Sequence[str],
    number: int,
    out: Path,
    config: AnomalyConfig,
    collected: _Collected,
) -> Fold:
    """Networks, statistics and thresholds of the patients who are not held out."""
    mine = [case for case in cases if case.patient_id not in held_out]
    mine = draw_cases(mine, config.most_exams, seed=config.seed + number)
    require_other_patients([case.patient_id for case in mine], held_out, where=f"fold {number}")
    training: list[Training] = []
    for case in mine:
        exam = exams[case.exam_id]
        training.append((exam, normal_slices(exam, guard_mm=config.guard_mm)))
    digests = {row["image_id"]: row["sha256"] for row in cohort.rows("images")}
    data = [[digests[i] for i in (case.ct_id, case.pet_id, case.mask_id) if i] for case in mine]
    models = {}
    for name in config.compare:
        settings = config.model_copy(update={"network": name})
        folder = out / f"fold-{number}" / name.replace(" ", "-")
        model = train_network(training, folder, config=settings, seed=config.seed + number, data=data)
        models[str(name)] = model
        facts = {key: model.facts[key] for key in ("steps", "seconds", "normal_slices")}
        collected.facts.append({"fold": number, "network": name, "floor": model.floor, **facts})
    free = fit_free(training, config, seed=config.seed + number)
    masks, normal = fit_limits(free, models, training, config, seed=config.seed + number)
    return Fold(free, models, masks, normal)


def _score_case(
    cohort: Cohort, exam: Exam, fold: Fold, config: AnomalyConfig, collected: _Collected, out: Path
) -> None:
    """All maps of one exam that was held out: the part that is scored, the whole, and what may be wrong with it."""
    part = exam if exam.case.cut is None else exam.cropped()
    maps = _score_view(part, fold, config, collected, "all")
    main = config.compare[0]
    if len(collected.shown) < SHOWN:
        collected.shown.append((part, maps[main]))
    whole = maps
    if exam.case.cut is not None:
        whole = _score_view(exam, fold, config, collected, WHOLE)
    collected.images.append(write_map(cohort, exam, whole[main], (out / "maps").resolve(), run_id=main))
    threshold = fold.masks.get(main)
    model = fold.models[main]
    collected.findings += candidate_rows(exam, whole[main], model, run_id=main, threshold=threshold)
    for name, change in STRESS.items() if config.stress else ():
        _score_view(change(part), fold, config, collected, name)
    if config.insertions:
        random = np.random.default_rng([config.seed, _number(exam.case.exam_id)])
        collected.seen += insert_and_look(exam, fold, guard_mm=config.guard_mm, random=random)


def _number(text: str) -> int:
    from zlib import crc32

    return crc32(text.encode())


def _score_view(
    exam: Exam, fold: Fold, config: AnomalyConfig, collected: _Collected, subset: str
) -> dict[str, NDArray[Any]]:
    maps = fold.maps(exam)
    for run, score in maps.items():
        one = score_exam(
            exam, score, threshold=fold.masks.get(run), slice_mm2=config.slice_mm2, peaks=run not in BINARY
        )
        collected.scores.setdefault(subset, {}).setdefault(run, []).append(one)
    return maps


def _result(collected: _Collected, config: AnomalyConfig, out: Path) -> TaskResult:
    runs = run_names(config)
    networks = [run for run in runs if run not in FREE]
    scores: list[Row] = []
    for subset, by_run in collected.scores.items():
        for run in runs:
            scores += score_rows(run, by_run[run], subset=subset, seed=config.seed)
        for run in networks:
            others = (SMOOTHED, *(other for other in networks if other not in (run, *networks[: networks.index(run)])))
            for other in others:
                mine, theirs = by_run[run], by_run[other]
                scores += paired_rows(run, mine, other, theirs, subset=subset, seed=config.seed)
        for run in ("Gaussian by HU",):
            scores += paired_rows(run, by_run[run], SMOOTHED, by_run[SMOOTHED], subset=subset, seed=config.seed)
    scores += sensitivity_rows(collected.seen, seed=config.seed)
    rows = [_run_row(run, config, collected) for run in runs]
    pictures = draw_pictures(scores, collected.shown, out / "pictures", main=config.compare[0])
    notes = (*_notes(scores, networks), *(f"Left out: {why}" for why in collected.refused.values()))
    tables = {"runs": rows, "images": collected.images, "findings": collected.findings}
    return TaskResult(scores, tables, notes, tuple(pictures))


def _run_row(run: str, config: AnomalyConfig, collected: _Collected) -> Row:
    if run in FREE:
        return run_row(run, kind="baseline", config={}, inputs={})
    facts = [one for one in collected.facts if run.startswith(one["network"])]
    inputs = {"out_of_fold": True, "fold_of": collected.fold_of}
    return run_row(run, kind="model", config=config.model_dump(mode="json"), inputs=inputs, metrics={"folds": facts})


def _notes(scores: Sequence[Row], networks: Sequence[str]) -> list[str]:
    """What each network is against smoothed SUV, in words; a worse one is told as such."""
    notes = []
    for row in scores:
        if row["run"] in networks and row["metric"] == f"voxel_auprc minus {SMOOTHED}" and row["subset"] == "all":
            if row["low"] is None:
                continue
            ahead = "ahead of" if row["low"] > 0 else "behind" if row["high"] < 0 else "not told apart from"
            figures = f"{row['value']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}), n={row['n']}"
            notes.append(f"{row['run']}: {ahead} {SMOOTHED} in voxel AUPRC: {figures}.")
    return notes
