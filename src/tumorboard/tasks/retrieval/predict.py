"""A trained embedding on the lesions of a cohort, or a matrix made elsewhere, as a run of the cohort."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.confine import confined
from tumorboard.ops.search import checked
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.retrieval import codes
from tumorboard.tasks.retrieval.crops import crops_of
from tumorboard.tasks.retrieval.lesions import find_lesions
from tumorboard.tasks.retrieval.model import MODEL_FILE, LesionModel
from tumorboard.tasks.retrieval.rows import run_row, type_findings
from tumorboard.tasks.retrieval.store import MATRIX, read_embeddings, write_embeddings

__all__ = ["predict"]


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Embed every marked lesion of `cohort` with the model in the folder `run`, and tell its type.

    A folder with `embeddings.npy` and `findings.txt` (or `.parquet`) instead of a model is imported as it is. The
    vectors go to ``out/<run_id>`` (default ``run/predictions``); rows: the run, and the types told. Lesions without
    pixels have no vector; the run's `metrics` name their images under ``refused``. Errors: RET102 when no lesion has
    pixels, RET104 for a matrix that does not fit, RET106 for another model.
    """
    name = run_id or run.resolve().name
    folder = confined((out or run / "predictions").resolve(), name)
    if not (run / MODEL_FILE).is_file() and (run / MATRIX).is_file():
        return _imported(run, cohort, folder, name)
    model = LesionModel.load(run)
    lesions = find_lesions(cohort, location=model.config.location)
    crops = crops_of(cohort, lesions, model.config, progress=progress)
    if not crops.has.any():
        found = next(iter(crops.problems.values()), f"{len(lesions)} lesions, none with pixels")
        raise TumorboardError(codes.NO_IMAGES, cohort.name, found=found, expected="marked lesions in images")
    found_all = model.embed(lesions, crops)
    rows = np.flatnonzero(found_all.has)
    ids = [lesions.ids[i] for i in rows]
    write_embeddings(folder, ids, found_all.vectors[rows])
    told = model.probabilities(found_all)["head"][rows]
    without = sorted({lesions.images[i] for i in np.flatnonzero(~found_all.has)})
    metrics = {"refused": {image: crops.problems.get(image, f"{image}: no pixels") for image in without}}
    inputs = {"trained_on": model.facts.get("patients", []), "location": model.config.location}
    config = model.config.model_dump(mode="json")
    record = run_row(name, kind="model", config=config, inputs=inputs, metrics=metrics)
    return TaskResult([], {"runs": [record], "findings": type_findings(cohort, ids, told, run_id=name)})


def _imported(run: Path, cohort: Cohort, folder: Path, name: str) -> TaskResult:
    """Vectors of another program, checked: every id is a finding of the cohort, every vector has a direction."""
    found = read_embeddings(run)
    known = set(cohort.findings["finding_id"].to_pylist())
    strange = [one for one in found.ids if one not in known]
    if strange:
        text = f"{len(strange)} ids that are no findings, such as {strange[0]!r}"
        raise TumorboardError(codes.EMBEDDINGS_UNFIT, run, found=text, expected=f"findings of {cohort.name}")
    write_embeddings(folder, found.ids, checked(found.vectors, "cosine", str(run)))
    inputs: dict[str, Any] = {"file": MATRIX, "lesions": len(found.ids), "dimensions": int(found.vectors.shape[1])}
    return TaskResult([], {"runs": [run_row(name, kind="import", config={}, inputs=inputs)]})
