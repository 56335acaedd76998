"""A trained model on new exams: a map on the PET's grid, and candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anomaly import codes
from tumorboard.tasks.anomaly.exam import Case, find_cases, load_exam
from tumorboard.tasks.anomaly.maps import network_maps
from tumorboard.tasks.anomaly.model import AnomalyModel
from tumorboard.tasks.anomaly.rows import candidate_rows, limit_of, run_row, write_map
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
    """Map every exam of `cohort` that has CT and PET with the model in the folder `run`; maps go below `out` (default
    ``run/predictions``); `map` is where exams are mapped (an executor's ``map``).

    Returns rows of runs, images (role map, z-score) and findings (candidates). Exams that cannot be mapped (ANO101
    without CT, UNT101 with a PET not in SUVbw, ANO105 without a liver where the threshold needs one, unreadable files)
    are named in the run's `metrics` under ``refused``; where none could be, the first error is raised. Patients that
    the model was trained on are named under ``in_fold``. Errors: ANO104, ENG103, ENG104 for the model.
    """
    model = kept_model(AnomalyModel.load, run)
    name = run_id or run.resolve().name
    folder = (out or run / "predictions").resolve()
    images: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    refused: list[TumorboardError] = []
    cases = find_cases(cohort, refused=refused)
    answer = partial(_exam, run_id=name, folder=folder)
    for _, found in answers_by_case(
        answer, cases, load=AnomalyModel.load, run=run, cohort=cohort, map=map, progress=progress
    ):
        if isinstance(found, TumorboardError):
            refused.append(found)
            continue
        images.append(found[0])
        findings += found[1]
    if not images:
        raise (
            refused[0]
            if refused
            else TumorboardError(codes.INPUT_MISSING, cohort.name, found="no exam with a PET", expected="CT and PET")
        )
    trained = list(model.facts.get("patients", []))
    seen = sorted(set(trained) & {case.patient_id for case in cases})
    runs = [
        run_row(
            name,
            kind="model",
            config=model.config.model_dump(mode="json"),
            inputs={"trained_on": trained},
            metrics={
                "refused": {error.where: str(error) for error in refused},
                "in_fold": seen,
                "threshold_z": limit_of(model),
                "threshold_from": "training masks" if model.mask_z is not None else "probability",
            },
        )
    ]
    return TaskResult([], {"runs": runs, "images": images, "findings": findings})


def _exam(
    model: AnomalyModel, cohort: Cohort, case: Case, *, run_id: str, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Map one exam and write the map: its row, and the candidates."""
    exam = load_exam(cohort, case, grid_mm=model.config.grid_mm)
    score = network_maps(model, exam)[model.config.network]
    return write_map(cohort, exam, score, folder, run_id=run_id), candidate_rows(exam, score, model, run_id=run_id)
