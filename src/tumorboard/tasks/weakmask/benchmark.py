"""Cross-validation by patient: the refined masks beside the walker's and the plain ellipse of the axes.

Experts' masks are read when masks are scored, never before: training and prediction see marks and grey values alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation.folds import split_patients
from tumorboard.tasks.weakmask import codes
from tumorboard.tasks.weakmask.config import WeakMaskConfig
from tumorboard.tasks.weakmask.marks import Mark, by_image, find_marks
from tumorboard.tasks.weakmask.model import WeakMaskModel
from tumorboard.tasks.weakmask.outline import ELLIPSE, NETWORK, WALK, outlines
from tumorboard.tasks.weakmask.predict import mask_rows, run_row
from tumorboard.tasks.weakmask.scoring import lesion_row, score_rows
from tumorboard.tasks.weakmask.train import train_on

__all__ = ["benchmark", "score_marks"]

Progress = Callable[[int, int], None]
_PARTS = 100


def benchmark(
    cohort: Cohort, out: Path, *, config: WeakMaskConfig | None = None, progress: Progress | None = None
) -> TaskResult:
    """Outline every marked lesion that has an expert's mask, by a network that has not seen the patient; results go
    below `out`. Resumable by fold. WKM102 with fewer than two such patients."""
    config = config or WeakMaskConfig()
    marks = find_marks(cohort, labelled=True)
    patients = {mark.patient_id: None for mark in marks}
    if len(patients) < 2:
        raise TumorboardError(codes.TOO_FEW, cohort.name, found=f"{len(patients)}", expected="2 or more")
    held_out = split_patients(patients, config.folds, seed=config.seed)
    report = progress or (lambda done, total: None)
    lesions: list[dict[str, Any]] = []
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": []}
    for number, names in enumerate(held_out):
        training = [mark for mark in find_marks(cohort) if mark.patient_id not in names]
        tell = _Part(report, number, len(held_out))
        model = train_on(cohort, training, out / f"fold-{number}", config=config, progress=partial(tell, 0.0, 0.7))
        tests = [mark for mark in marks if mark.patient_id in names]
        folder = (out / "masks").resolve()
        scored, images, findings = score_marks(cohort, tests, model, folder=folder, progress=partial(tell, 0.7, 0.3))
        lesions += scored
        rows["images"] += images
        rows["findings"] += findings
    rows["runs"] = [
        run_row(NETWORK, kind="model", config=config.model_dump(mode="json"), inputs={"out_of_fold": True}),
        run_row(WALK, kind="baseline", config={}, inputs={}),
        run_row(ELLIPSE, kind="baseline", config={}, inputs={}),
    ]
    note = f"{len(lesions) // 3} marked lesions of {len(patients)} patients; no true mask was used in training."
    return TaskResult(score_rows(lesions, main=NETWORK, seed=config.seed), rows, notes=(note,))


@dataclass(frozen=True)
class _Part:
    """Progress of one fold as a part of all: a stage begins at `start` and takes `share` of the fold."""

    report: Progress
    number: int
    folds: int

    def __call__(self, start: float, share: float, part: float) -> None:
        done = (self.number + start + share * part) / self.folds
        self.report(round(_PARTS * done), _PARTS)


def score_marks(
    cohort: Cohort,
    marks: list[Mark],
    model: WeakMaskModel,
    *,
    folder: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Dice of every mark by every method; with a `folder`, the network's masks are written there and described
    (rows of images and findings)."""
    lesions: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    done = 0
    for volume, group in by_image(cohort, marks):
        read: dict[str, Volume] = {}
        found = {}
        for mark in group:
            by_method = outlines(volume, mark.frame, model)
            found[mark.finding_id] = by_method[NETWORK]
            truth = mark.truth(read, cohort)
            if truth is not None:
                lesions += [lesion_row(name, mark, mask, truth, volume.geometry) for name, mask in by_method.items()]
        if folder is not None:
            more = mask_rows(volume, group, found, run_id=NETWORK, folder=folder)
            images += more[0]
            findings += more[1]
        done += len(group)
        if progress is not None:
            progress(done / len(marks))
    return lesions, images, findings
