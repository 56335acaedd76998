"""A trained lesion embedding; on disk one safetensors file, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.lesion import LESION_TYPES
from tumorboard.engine.checkpoints import load_weights, read_model, snapshot, write_checkpoint
from tumorboard.tasks.classification.calibration import Calibration
from tumorboard.tasks.retrieval import codes
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.crops import Crops
from tumorboard.tasks.retrieval.features import Scaler, location_and_size
from tumorboard.tasks.retrieval.lesions import Lesions
from tumorboard.tasks.retrieval.types import Logistic, calibrated

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["MODEL_FILE", "Embedded", "LesionModel", "build_network"]

MODEL_FILE = "model.safetensors"
_KIND, _VERSION = "lesion embedding", 1
_FEATURES = 10
_AT_ONCE = 64


@dataclass(frozen=True)
class Embedded:
    """`vectors` (n, d) float32 of unit length, and log weights (n, types) of the head; zeros where `has` is false."""

    vectors: NDArray[np.float32]
    head: NDArray[np.float64]
    has: NDArray[np.bool_]


@dataclass(frozen=True)
class LesionModel:
    """Network, scaling of features, and two calibrated classifiers of types: the network's head, and a logistic
    regression on the vectors. `facts`: patients, steps, where locations came from."""

    network: Module
    config: RetrievalConfig
    scaler: Scaler
    logistic: Logistic
    calibrations: Mapping[str, Calibration]
    facts: Mapping[str, Any]

    def embed(self, lesions: Lesions, crops: Crops) -> Embedded:
        return embed(self.network, crops, inputs_of(lesions, self.scaler), self.config)

    def probabilities(self, found: Embedded) -> dict[str, NDArray[np.float64]]:
        """Calibrated probabilities (n, types) by classifier: ``head``, ``vectors``."""
        weights = {"head": found.head, "vectors": self.logistic.log_weights(found.vectors.astype(float))}
        return {name: calibrated(self.calibrations[name], weights[name]) for name in weights}

    def save(self, folder: Path) -> Path:
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "version": _VERSION,
            "config": self.config.model_dump(mode="json"),
            "scaler": self.scaler.to_json(),
            "logistic": self.logistic.to_json(),
            "calibrations": {name: one.to_json() for name, one in self.calibrations.items()},
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=snapshot(self.network), state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> LesionModel:
        """Read a run folder. ENG103 for foreign files, RET106 for other models."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": _VERSION}, unknown=codes.MODEL_UNKNOWN)
        state = checkpoint.state
        config = RetrievalConfig.model_validate(state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.tensors, where=path)
        calibrations = {name: Calibration.from_json(one) for name, one in state["calibrations"].items()}
        scaler, logistic = Scaler.from_json(state["scaler"]), Logistic.from_json(state["logistic"])
        return cls(network, config, scaler, logistic, calibrations, state["facts"])


def build_network(config: RetrievalConfig) -> Module:
    """The network with random weights of torch's generator."""
    from tumorboard.models.lesion_embedding import LesionEmbedding

    return LesionEmbedding(
        slices=config.slices,
        features=_FEATURES,
        channels=config.channels,
        dimensions=config.dimensions,
        types=len(LESION_TYPES),
    )


def inputs_of(lesions: Lesions, scaler: Scaler) -> NDArray[np.float64]:
    """(n, 10): scaled place and size, and for each whether it is known."""
    values = location_and_size(lesions)
    return np.column_stack([scaler.apply(values), np.isfinite(values).astype(float)])


def embed(network: Module, crops: Crops, features: NDArray[np.float64], config: RetrievalConfig) -> Embedded:
    """Vectors and head of all lesions with pixels, a few dozen at a time."""
    import torch

    network.eval()
    vectors = np.zeros((len(crops.has), config.dimensions), np.float32)
    head = np.zeros((len(crops.has), len(LESION_TYPES)))
    rows, margin, edge = np.flatnonzero(crops.has), config.jitter_px, config.edge_px
    with torch.no_grad():
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            near = crops.near[part, :, margin : margin + edge, margin : margin + edge].astype(np.float32)
            far = crops.far[part].astype(np.float32)
            place = features[part].astype(np.float32)
            found, types = network(torch.from_numpy(near), torch.from_numpy(far), torch.from_numpy(place))
            vectors[part] = found.numpy()
            head[part] = torch.log_softmax(types, dim=1).numpy()
    return Embedded(vectors, head, crops.has)
