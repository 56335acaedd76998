"""A trained model on new CTs: scores, regions, landmarks, flags, and the relative z of marked lesions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.bodypart.answer import Answer
from tumorboard.tasks.bodypart.cases import Case, find_cases
from tumorboard.tasks.bodypart.model import BodyPartModel
from tumorboard.tasks.bodypart.places import place_rows, relative_locations
from tumorboard.tasks.bodypart.rows import answer_rows, run_row
from tumorboard.tasks.bodypart.slices import body_slices
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
    """Score every CT of `cohort` with the model in the folder `run`; no files are written (`out` is not used).
    `map` is where CTs are scored (an executor's ``map``).

    Returns rows of runs and findings (docs/adr/0126). The run's `metrics` name the CTs that could not be scored under
    ``refused``, those whose slices look reversed, wrongly spaced or without order under ``flagged``, and those that
    look unlike all CTs of training, which are not judged so, under ``unfamiliar``; where no CT could be scored, the
    first error is raised. Errors: BDP104, ENG103, ENG104 for the model; BDP105 without any CT.
    """
    model = kept_model(BodyPartModel.load, run)
    name = run_id or run.resolve().name
    findings: list[dict[str, Any]] = []
    refused: dict[str, TumorboardError] = {}
    flagged: dict[str, list[str]] = {}
    unfamiliar: list[str] = []
    cases = find_cases(cohort)
    for case, scored in answers_by_case(
        _scored, cases, load=BodyPartModel.load, run=run, cohort=cohort, map=map, progress=progress
    ):
        if isinstance(scored, TumorboardError):
            refused[case.image_id] = scored
            continue
        found, box_mm = scored
        findings += answer_rows(case.image_id, found, box_mm, run_id=name)
        if found.check.flags:
            flagged[case.image_id] = list(found.check.flags)
        if not found.check.familiar:
            unfamiliar.append(case.image_id)
    if refused and not findings:
        raise next(iter(refused.values()))
    runs = [
        run_row(
            name,
            kind="model",
            config=model.config.model_dump(mode="json"),
            inputs={"trained_on": model.facts.get("patients", [])},
            metrics={
                "refused": {image: str(error) for image, error in refused.items()},
                "flagged": flagged,
                "unfamiliar": unfamiliar,
                "anatomy": model.anatomy.to_json(),
            },
        )
    ]
    whole = cohort.without_run(name).with_rows(runs=runs, findings=findings)
    findings += place_rows(cohort, relative_locations(whole, run_id=name), run_id=name)
    return TaskResult([], {"findings": findings, "runs": runs})


def _scored(model: BodyPartModel, cohort: Cohort, case: Case) -> tuple[Answer, NDArray[np.float64]]:
    """The answer to one CT, and the box of the body in each of its slices."""
    slices = body_slices(cohort.image(case.image_id), model.config, where=f"image {case.image_id}")
    return model.answer(slices), slices.box_mm
