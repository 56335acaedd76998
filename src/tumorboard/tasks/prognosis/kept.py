"""Trained survival models of a cohort's endpoints; on disk one safetensors file, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.variables import Variable
from tumorboard.engine.checkpoints import read_model, write_checkpoint
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.prognosis import codes
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.cox import CoxFit
from tumorboard.tasks.prognosis.models.fusion import PatternCox, Submodel

__all__ = ["MODEL_FILE", "PrognosisModel", "TrainedEndpoint"]

MODEL_FILE = "model.safetensors"
_KIND, _VERSION = "prognosis", 1
_FIT = ("coefficients", "covariance", "centre", "times", "cumulative_hazard")


@dataclass(frozen=True)
class TrainedEndpoint:
    """One endpoint: its regressions by set of modalities, and the encoder they were fitted with."""

    endpoint: str
    model: PatternCox
    encoder: ClinicalEncoder


@dataclass(frozen=True)
class PrognosisModel:
    """Endpoints, settings, and how they were trained (`facts`: patients, steps, seconds)."""

    endpoints: tuple[TrainedEndpoint, ...]
    config: PrognosisConfig
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        import torch

        tensors: dict[str, Any] = {}
        records = []
        for number, trained in enumerate(self.endpoints):
            submodels = []
            for part, submodel in enumerate(trained.model.submodels):
                prefix = f"{number}/{part}"
                arrays = {name: getattr(submodel.fit, name) for name in _FIT}
                arrays |= {"columns": submodel.columns, "scale": submodel.scale}
                tensors |= {f"{prefix}/{name}": torch.from_numpy(np.array(a)) for name, a in arrays.items()}
                submodels.append(
                    {
                        "modalities": list(submodel.modalities),
                        "log_likelihood": submodel.fit.log_likelihood,
                        "iterations": submodel.fit.iterations,
                    }
                )
            records.append(
                {
                    "endpoint": trained.endpoint,
                    "encoder": trained.encoder.to_json(),
                    "variables": [variable.to_json() for variable in trained.model.variables],
                    "horizon_days": trained.model.horizon_days,
                    "submodels": submodels,
                    "choices": [[sorted(has), number] for has, number in trained.model.choices.items()],
                }
            )
        state = {"kind": _KIND, "version": _VERSION, "config": self.config.model_dump(mode="json")}
        path = folder / MODEL_FILE
        write_checkpoint(path, tensors=tensors, state={**state, "endpoints": records, "facts": dict(self.facts)})
        return path

    @classmethod
    def load(cls, folder: Path) -> PrognosisModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, PRG151 for other models, VAR104."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": _VERSION}, unknown=codes.RUN_UNKNOWN)
        state = checkpoint.state
        endpoints = []
        for number, record in enumerate(state["endpoints"]):
            submodels = []
            for part, stored in enumerate(record["submodels"]):
                arrays = {name: t.numpy() for name, t in checkpoint.part(f"{number}/{part}").items()}
                figures = {"log_likelihood": stored["log_likelihood"], "iterations": stored["iterations"]}
                fit = CoxFit(**{name: arrays[name] for name in _FIT}, **figures)
                submodels.append(Submodel(tuple(stored["modalities"]), arrays["columns"], arrays["scale"], fit))
            variables = tuple(Variable.from_json(one) for one in record["variables"])
            choices = {frozenset(has): int(number) for has, number in record["choices"]}
            model = PatternCox(tuple(submodels), choices, variables, record["horizon_days"])
            endpoints.append(TrainedEndpoint(record["endpoint"], model, ClinicalEncoder.from_json(record["encoder"])))
        return cls(tuple(endpoints), PrognosisConfig.model_validate(state["config"]), state["facts"])
