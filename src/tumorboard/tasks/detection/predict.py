"""A trained detector on new CT: boxes with scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.bycase import answers_by_case, kept_model
from tumorboard.tasks.detection import codes
from tumorboard.tasks.detection.cases import Case, find_cases
from tumorboard.tasks.detection.model import DetectionModel
from tumorboard.tasks.detection.prepare import Look, prepare
from tumorboard.tasks.detection.rows import box_rows, run_row
from tumorboard.tasks.detection.scoring import index_boxes
from tumorboard.tasks.result import TaskResult

__all__ = ["predict"]


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Find lesions on every CT of `cohort` with the model in the folder `run`.

    `run_id`: name of the run in the cohort, default the folder's name; nothing is written (`out` is not used). `map`:
    where CTs are looked at (an executor's ``map``). Returns rows of runs and findings. A CT that cannot be read or is
    not in HU gets no boxes; the run's `metrics` name it under ``refused``, and where all were refused the first error
    is raised. DET101 without any CT.
    """
    model = kept_model(DetectionModel.load, run)
    name = run_id or run.resolve().name
    cases = [case for case in find_cases(cohort) if case.readable]
    if not cases:
        raise TumorboardError(codes.NOTHING_TO_LEARN, cohort.name, found="no CT with pixels", expected="one or more")
    findings: list[dict[str, Any]] = []
    refused: list[TumorboardError] = []
    for _, found in answers_by_case(
        partial(_boxed, run_id=name),
        cases,
        load=DetectionModel.load,
        run=run,
        cohort=cohort,
        map=map,
        progress=progress,
    ):
        if isinstance(found, TumorboardError):
            refused.append(found)
        else:
            findings += found
    if len(refused) == len(cases):
        raise refused[0]
    row = run_row(
        name,
        kind="model",
        config=model.config.model_dump(mode="json"),
        inputs={"trained_on": model.facts.get("patients", [])},
        metrics={"refused": {error.where: str(error) for error in refused}},
    )
    return TaskResult([], {"runs": [row], "findings": findings})


def _boxed(model: DetectionModel, cohort: Cohort, case: Case, *, run_id: str) -> list[dict[str, Any]]:
    """Boxes found on one CT, as rows."""
    volume = prepare(cohort.image(case.image_id), model.config.spacing_mm, where=case.image_id)
    look = Look(volume.array, volume.geometry, index_boxes([], None))
    return box_rows(case, look, *model.detect(look), run_id)
