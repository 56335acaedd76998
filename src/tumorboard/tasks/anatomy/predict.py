"""A trained model on new X-rays: boxes and lung masks, refusals with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anatomy import codes
from tumorboard.tasks.anatomy.cases import Case, find_cases, load_picture
from tumorboard.tasks.anatomy.model import AnatomyModel
from tumorboard.tasks.anatomy.rows import box_rows, mask_row, run_row
from tumorboard.tasks.bycase import answers_by_case, kept_model
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
    """Predict every X-ray of `cohort` with the model in the folder `run`.

    Parameters
    ----------
    out : for the lung masks; default ``run/predictions``.
    run_id : name of the run in the cohort; default the folder's name.
    map : where X-rays are predicted (an executor's ``map``).

    Returns rows of runs, images (lung masks) and findings (boxes). An X-ray that cannot be boxed (ANA102 to ANA105,
    files that cannot be read) gets none; the run's `metrics` name it under ``refused``, those that were turned and
    those with doubts under ``remarks``. Where none could be boxed, the first error is raised; ANA102 without any X-ray.
    """
    model = kept_model(AnatomyModel.load, run)
    name = run_id or run.resolve().name
    cases = find_cases(cohort)
    if not cases:
        raise TumorboardError(codes.NOT_FRONTAL, cohort.name, found="no X-ray", expected="images of modality DX")
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": []}
    refused: list[TumorboardError] = []
    remarks: dict[str, list[str]] = {}
    answer = partial(_boxed, run_id=name, folder=(out or run / "predictions").resolve())
    for case, found in answers_by_case(
        answer, cases, load=AnatomyModel.load, run=run, cohort=cohort, map=map, progress=progress
    ):
        if isinstance(found, TumorboardError):
            refused.append(found)
            continue
        boxes, mask, said = found
        rows["findings"] += boxes
        rows["images"].append(mask)
        if said:
            remarks[case.image_id] = said
    if refused and not rows["findings"]:
        raise refused[0]
    rows["runs"] = [
        run_row(
            name,
            kind="model",
            config=model.config.model_dump(mode="json"),
            inputs={
                "trained_on": model.facts.get("patients", []),
                "virtual_patients": model.facts.get("virtual_patients"),
            },
            metrics={"refused": {error.where: str(error) for error in refused}, "remarks": remarks},
        )
    ]
    return TaskResult([], rows)


def _boxed(
    model: AnatomyModel, cohort: Cohort, case: Case, *, run_id: str, folder: Path
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """Boxes of one X-ray, its lung mask (written) as a row, and remarks."""
    found = model.predict(load_picture(cohort, case), case.affine, view=case.view, where=case.image_id)
    return box_rows(case, found.boxes, run_id), mask_row(case, found.lungs, run_id, folder), list(found.remarks)
