"""A trained model on new X-rays: boxes and lung masks, refusals with their reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anatomy import codes
from tumorboard.tasks.anatomy.cases import find_cases, load_picture
from tumorboard.tasks.anatomy.model import AnatomyModel
from tumorboard.tasks.anatomy.rows import box_rows, mask_row, run_row
from tumorboard.tasks.result import TaskResult

__all__ = ["predict"]


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Predict every X-ray of `cohort` with the model in the folder `run`.

    Parameters
    ----------
    out : for the lung masks; default ``run/predictions``.
    run_id : name of the run in the cohort; default the folder's name.

    Returns rows of runs, images (lung masks) and findings (boxes). An X-ray that cannot be boxed (ANA102 to ANA105,
    files that cannot be read) gets none; the run's `metrics` name it under ``refused``, those that were turned and
    those with doubts under ``remarks``. Where none could be boxed, the first error is raised; ANA102 without any X-ray.
    """
    model = AnatomyModel.load(run)
    name = run_id or run.resolve().name
    cases = find_cases(cohort)
    if not cases:
        raise TumorboardError(codes.NOT_FRONTAL, cohort.name, found="no X-ray", expected="images of modality DX")
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": []}
    refused: list[TumorboardError] = []
    remarks: dict[str, list[str]] = {}
    for done, case in enumerate(cases, start=1):
        try:
            picture = load_picture(cohort, case)
            found = model.predict(picture, case.affine, view=case.view, where=case.image_id)
        except TumorboardError as error:
            refused.append(error)
        else:
            rows["findings"] += box_rows(case, found.boxes, name)
            rows["images"].append(mask_row(case, found.lungs, name, (out or run / "predictions").resolve()))
            if found.remarks:
                remarks[case.image_id] = list(found.remarks)
        if progress is not None:
            progress(done, len(cases))
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
