"""A trained survival model on new patients: a risk and a curve, or an explicit abstention, for every one of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard import __version__
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.clinical.variables import rows_of
from tumorboard.tasks.features import codes as feature_codes
from tumorboard.tasks.prognosis.kept import PrognosisModel, TrainedEndpoint
from tumorboard.tasks.prognosis.patients import Patients
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
    """Predict every patient of `cohort` with the model in the folder `run`; `out` is not written to, all is rows.

    Each patient is predicted from the modalities he has. One with none of them (FEA103), or with a cell that is no
    value of its variable (VAR101, VAR103), gets a row without score whose `problem` names the code. Errors: PRG151,
    ENG103 for the model.
    """
    from tumorboard.tasks.prognosis.masked_kept import holds_masked, predict_masked

    name = run_id or run.resolve().name
    if holds_masked(run):
        return predict_masked(run, cohort, run_id=name)
    model = PrognosisModel.load(run)
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for done, trained in enumerate(model.endpoints, start=1):
        found, errors = _endpoint(trained, cohort, name, model.config.horizons_days)
        rows += found
        refused |= {f"{patient}, {trained.endpoint}": str(error) for patient, error in errors.items()}
        if progress is not None:
            progress(done, len(model.endpoints))
    record = {
        "run_id": name,
        "task": "prognosis",
        "kind": "model",
        "config": model.config.model_dump_json(),
        "code_version": __version__,
        "inputs": json.dumps({"trained_on": list(model.facts.get("patients", []))}),
        "metrics": json.dumps({"refused": refused}, sort_keys=True),
    }
    return TaskResult([], {"runs": [record], "outcomes": rows})


def _endpoint(
    trained: TrainedEndpoint, cohort: Cohort, run_id: str, horizons_days: tuple[float, ...]
) -> tuple[list[dict[str, Any]], dict[str, TumorboardError]]:
    records = rows_of(cohort, cohort.patient_ids)
    errors: dict[str, TumorboardError] = {}
    rows = []
    for patient_id, record in zip(cohort.patient_ids, records, strict=True):
        common: dict[str, Any] = {"patient_id": patient_id, "endpoint": trained.endpoint, "run_id": run_id}
        try:
            patients = Patients.encoded([record], trained.encoder)
            number = int(trained.model.patterns(patients)[0])
            if number < 0:
                raise TumorboardError(
                    feature_codes.NO_MODALITY,
                    f"patient {patient_id}, {trained.endpoint}",
                    found="none of the model's sets of modalities",
                    expected=" or ".join("+".join(s.modalities) for s in trained.model.submodels[-4:]),
                )
        except TumorboardError as error:
            errors[patient_id] = error
            rows.append({**common, "problem": error.code.id})
            continue
        submodel = trained.model.submodels[number]
        grid = np.unique(np.r_[np.quantile(submodel.fit.times, np.linspace(0.02, 0.98, 25)), horizons_days])
        rows.append(
            {
                **common,
                "score": float(trained.model.risk(patients)[0]),
                "curve_days": grid.tolist(),
                "curve_survival": trained.model.survival(patients, grid)[0].tolist(),
                "raw": json.dumps({"modalities": list(submodel.modalities)}),
            }
        )
    return rows, errors
