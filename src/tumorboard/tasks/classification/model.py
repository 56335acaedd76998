"""Trained classifiers of a cohort's endpoints; on disk one safetensors file, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Variable
from tumorboard.engine.checkpoints import read_model, write_checkpoint
from tumorboard.tasks.classification import codes
from tumorboard.tasks.classification.answers import Answers
from tumorboard.tasks.classification.calibration import Calibration
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.fitting import FittedModel
from tumorboard.tasks.classification.models.registry import Classifier, restore_model
from tumorboard.tasks.clinical.encoding import ClinicalEncoder

__all__ = ["MODEL_FILE", "ClassificationModel", "Trained"]

MODEL_FILE = "model.safetensors"
_KIND, _VERSION = "classification", 1
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """One endpoint: the fitted model, its classes, its encoder, stages to be read as N0 or nodes, and patients whose
    values stand for "not known" in explanations."""

    endpoint: str
    classes: tuple[str, ...]
    fitted: FittedModel
    encoder: ClinicalEncoder
    staged: Mapping[str, Variable]
    background: Floats
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ClassificationModel:
    """One trained model per endpoint, the settings, and how it was trained (`facts`: patients, steps, and after
    training the seconds it took)."""

    endpoints: tuple[Trained, ...]
    config: ClassificationConfig
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`. CLS105 for a model that cannot be kept."""
        import torch

        tensors: dict[str, Any] = {}
        records = []
        for number, trained in enumerate(self.endpoints):
            members = []
            for place, (name, weight, member) in enumerate(trained.fitted.members):
                settings, arrays = _state(name, member)
                members.append({"name": name, "weight": weight, "settings": settings})
                tensors |= {f"{number}/{place}/{key}": torch.from_numpy(np.array(v)) for key, v in arrays.items()}
            tensors[f"{number}/background"] = torch.from_numpy(np.array(trained.background))
            records.append(
                {
                    "endpoint": trained.endpoint,
                    "classes": list(trained.classes),
                    "name": trained.fitted.name,
                    "members": members,
                    "calibration": trained.fitted.calibration.to_json(),
                    "answers": trained.fitted.answers.to_json(),
                    "encoder": trained.encoder.to_json(),
                    "staged": {name: variable.to_json() for name, variable in trained.staged.items()},
                    "notes": list(trained.notes),
                }
            )
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "version": _VERSION,
            "config": self.config.model_dump(mode="json"),
            "endpoints": records,
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=tensors, state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> ClassificationModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, CLS104 for other models."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": _VERSION}, unknown=codes.MODEL_UNKNOWN)
        state = checkpoint.state
        arrays = {name: tensor.numpy() for name, tensor in checkpoint.tensors.items()}
        endpoints = tuple(_trained(record, number, arrays, path) for number, record in enumerate(state["endpoints"]))
        return cls(endpoints, ClassificationConfig.model_validate(state["config"]), state["facts"])


def _state(name: str, member: Classifier) -> tuple[dict[str, Any], dict[str, Floats]]:
    state = member.state()
    if state is None:
        raise TumorboardError(codes.MODEL_NOT_KEPT, name, found="no state to write", expected="settings and arrays")
    return state


def _trained(record: Mapping[str, Any], number: int, arrays: Mapping[str, Floats], path: Path) -> Trained:
    members = []
    for place, member in enumerate(record["members"]):
        prefix = f"{number}/{place}/"
        mine = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
        restored = restore_model(member["name"], member["settings"], mine)
        if restored is None:
            raise TumorboardError(
                codes.MODEL_UNKNOWN, path, found=f"a member {member['name']!r}", expected="models that can be kept"
            )
        members.append((str(member["name"]), float(member["weight"]), restored))
    fitted = FittedModel(
        record["name"],
        tuple(members),
        Calibration.from_json(record["calibration"]),
        Answers.from_json(record["answers"]),
    )
    return Trained(
        record["endpoint"],
        tuple(record["classes"]),
        fitted,
        ClinicalEncoder.from_json(record["encoder"]),
        {name: Variable.from_json(variable) for name, variable in record["staged"].items()},
        arrays[f"{number}/background"],
        tuple(record["notes"]),
    )
