"""A trained model on new exams: masks on the CT grid, with measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti
from tumorboard.tasks.features.measure import measure_mask
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation.cases import Case, CaseVolumes, find_cases, load_case
from tumorboard.tasks.segmentation.model import SegmentationModel
from tumorboard.tasks.segmentation.rows import mask_id, mask_path, mask_row, run_row, write_mask

SMALLEST_LISTED_ML = 0.1
"""Predicted pieces below it get no finding of their own: an unsure network leaves thousands of single voxels."""

__all__ = ["SMALLEST_LISTED_ML", "measured_rows", "predict", "predict_volumes"]


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Predict every exam of `cohort` with the model in the folder `run`.

    Parameters
    ----------
    out : for the masks; default ``run/predictions``.
    run_id : name of the run in the cohort; default the folder's name.

    Returns rows of runs, images and findings. An exam that cannot be predicted (SGM101 without CT or PET, UNT101 with
    a PET not in SUVbw, SGM103, unreadable files) gets no mask; the run's `metrics` name it under ``refused``, and its
    error is raised where no exam could be predicted. Errors: SGM104, ENG103, ENG104 for the model.
    """
    model = SegmentationModel.load(run)
    name = run_id or run.resolve().name
    structures = model.preprocessing.structures
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": []}
    refused: list[TumorboardError] = []
    cases = find_cases(cohort, labelled=False, refused=refused)
    for done, case in enumerate(cases, start=1):
        if progress is not None:
            progress(done, len(cases))
        try:
            labels = predict_volumes(model, load_case(cohort, case))
        except TumorboardError as error:
            refused.append(error)
            continue
        path = mask_path((out or run / "predictions").resolve(), case, name)
        write_mask(labels, ((0, 0, 0), labels.shape), labels.geometry, path)
        rows["images"].append(mask_row(path, case, name, structures, like=cohort.geometry(case.ct_id)))
        rows["findings"] += measured_rows(cohort, case, labels, name, structures)
    if refused and not rows["images"]:
        raise refused[0]
    rows["runs"] = [
        run_row(
            name,
            kind="model",
            config=model.config.model_dump(mode="json"),
            inputs={"trained_on": model.facts.get("patients", [])},
            metrics={"refused": {error.where: str(error) for error in refused}},
        )
    ]
    return TaskResult([], rows)


def predict_volumes(model: SegmentationModel, volumes: CaseVolumes) -> Volume:
    """Label map (uint8) on the grid of the CT."""
    prepared = model.preprocessing.forward(volumes)
    return model.preprocessing.inverse(model.probabilities(prepared), prepared)


def measured_rows(
    cohort: Cohort,
    case: Case,
    mask: Volume | Path,
    run_id: str,
    structures: tuple[str, ...],
    *,
    components: bool = True,
) -> list[dict[str, Any]]:
    """Rows of `findings` for a predicted mask, given as a volume or a written file."""
    labels = read_nifti(mask, unit=Unit.LABEL) if isinstance(mask, Path) else mask
    names = dict(enumerate(structures, start=1))
    pet = cohort.image(case.pet_id)
    return measure_mask(
        labels,
        pet,
        labels=names,
        image_id=mask_id(case, run_id),
        run_id=run_id,
        components=components,
        smallest_ml=SMALLEST_LISTED_ML,
    )
