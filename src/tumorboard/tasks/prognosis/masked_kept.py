"""A trained masked cross-modality model on disk, and its predictions for new patients; one safetensors file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard import __version__
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.engine.checkpoints import read_checkpoint, read_model, write_checkpoint
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.features import codes as feature_codes
from tumorboard.tasks.features.slab import SlabSettings
from tumorboard.tasks.prognosis import codes
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.cox import CoxFit
from tumorboard.tasks.prognosis.kept import MODEL_FILE
from tumorboard.tasks.prognosis.models.joint import Endpoints
from tumorboard.tasks.prognosis.models.masked import MaskedModel, fit_masked
from tumorboard.tasks.prognosis.models.masked_inputs import Cells, Scaling
from tumorboard.tasks.prognosis.models.masked_training import MaskedSettings
from tumorboard.tasks.prognosis.patients import Patients, Training
from tumorboard.tasks.result import TaskResult

__all__ = ["holds_masked", "load_masked", "predict_masked", "save_masked", "train_masked"]

_KIND, _VERSION = "masked-crossmodal", 2
_FIT = ("coefficients", "covariance", "centre", "times", "cumulative_hazard")


def train_masked(cohort: Cohort, outcomes: list[Survival], out: Path, *, config: PrognosisConfig) -> MaskedModel:
    """Fit one network to all of `outcomes` together, on the patients of the first, and write it below `out`."""
    first = outcomes[0]
    training = Training.of(
        rows_of(cohort, first.patient_ids),
        first.event,
        first.time_days,
        variables=covariates_of(cohort, config.covariates),
        config=config,
        cohort=cohort,
        endpoint=first.endpoint,
    )
    started = time.perf_counter()
    model = fit_masked(training)
    facts = {
        "patients": sorted(first.patient_ids),
        "steps": model.settings.all_steps,
        "seconds": round(time.perf_counter() - started, 1),
        "model": _KIND,
    }
    kept = replace(model, facts=facts)
    save_masked(kept, out, config=config)
    return kept


def save_masked(model: MaskedModel, folder: Path, *, config: PrognosisConfig) -> Path:
    """Write `model.safetensors` below `folder`."""
    import torch

    tensors = {f"weights/{name}": torch.from_numpy(np.array(value)) for name, value in model.weights.items()}
    tensors["edges"] = torch.from_numpy(model.endpoints.edges.copy())
    for name, fit in model.baselines.items():
        tensors |= {f"cox/{name}/{part}": torch.from_numpy(np.array(getattr(fit, part))) for part in _FIT}
    state = {
        "kind": _KIND,
        "version": _VERSION,
        "settings": asdict(model.settings),
        "cells": model.cells.to_json(),
        "scaling": None if model.scaling is None else asdict(model.scaling),
        "endpoints": list(model.endpoints.names),
        "endpoint": model.endpoint,
        "cox": {name: [fit.log_likelihood, fit.iterations] for name, fit in model.baselines.items()},
        "config": config.model_dump(mode="json"),
        "facts": dict(model.facts),
    }
    path = folder / MODEL_FILE
    write_checkpoint(path, tensors=tensors, state=state)
    return path


def holds_masked(folder: Path) -> bool:
    """Whether the model of a run folder is of this kind. ENG103 for a file of another program."""
    return read_checkpoint(folder / MODEL_FILE).state.get("kind") == _KIND


def load_masked(folder: Path) -> tuple[MaskedModel, Mapping[str, Any]]:
    """The model and its state. ENG103 for foreign files, PRG151 for other models."""
    checkpoint = read_model(folder / MODEL_FILE, {"kind": _KIND, "version": _VERSION}, unknown=codes.RUN_UNKNOWN)
    state = checkpoint.state
    said = dict(state["settings"])
    slab = SlabSettings(said["slab"]["rule"], tuple(said["slab"]["shape"]), tuple(said["slab"]["spacing_mm"]))
    settings = MaskedSettings(**{**said, "slab": slab, "patch": tuple(said["patch"])})
    scaling = None if state["scaling"] is None else Scaling(**{k: tuple(v) for k, v in state["scaling"].items()})
    baselines = {}
    for name, (likelihood, iterations) in state["cox"].items():
        arrays = {part: tensor.numpy() for part, tensor in checkpoint.part(f"cox/{name}").items()}
        baselines[name] = CoxFit(**arrays, log_likelihood=likelihood, iterations=iterations)
    weights = {name: tensor.numpy() for name, tensor in checkpoint.part("weights").items()}
    endpoints = Endpoints(tuple(state["endpoints"]), checkpoint.tensors["edges"].numpy())
    cells = Cells.from_json(state["cells"])
    return MaskedModel(
        weights, settings, cells, scaling, endpoints, state["endpoint"], baselines, state["facts"]
    ), state


def predict_masked(run: Path, cohort: Cohort, *, run_id: str) -> TaskResult:
    """A risk and a curve of every endpoint for every patient of `cohort`, each from the modalities he has; a row whose
    `problem` names the code for one with none of them (FEA103), or with a cell that is no value (VAR101, VAR103)."""
    model, state = load_masked(run)
    config = PrognosisConfig.model_validate(state["config"])
    grid = np.unique(np.r_[np.linspace(0, model.endpoints.edges[-1], 26)[1:], config.horizons_days])
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for patient_id, record in zip(cohort.patient_ids, rows_of(cohort, cohort.patient_ids), strict=True):
        mine = Patients(np.zeros((1, 0)), (record,), (), (), cohort)
        common = {"patient_id": patient_id, "run_id": run_id}
        try:
            has = model.inputs(mine).has[0] > 0
            if not has.any():
                raise TumorboardError(
                    feature_codes.NO_MODALITY, f"patient {patient_id}", found="nothing", expected="an image or a table"
                )
            curves = model.curves(mine, grid)
        except TumorboardError as error:
            refused[patient_id] = str(error)
            rows += [{**common, "endpoint": name, "problem": error.code.id} for name in model.endpoints.names]
            continue
        used = [name for name, there in zip(("image", "table"), has, strict=True) if there]
        for name, values in curves.items():
            rows.append(
                {
                    **common,
                    "endpoint": name,
                    "score": float(model.of(name).risk(mine)[0]),
                    "curve_days": grid.tolist(),
                    "curve_survival": values[0].tolist(),
                    "raw": json.dumps({"modalities": used}),
                }
            )
    record = {
        "run_id": run_id,
        "task": "prognosis",
        "kind": "model",
        "config": config.model_dump_json(),
        "code_version": __version__,
        "inputs": json.dumps({"trained_on": state["facts"].get("patients", [])}),
        "metrics": json.dumps({"refused": refused}, sort_keys=True),
    }
    return TaskResult([], {"runs": [record], "outcomes": rows})
