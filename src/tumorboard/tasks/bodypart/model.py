"""A trained network together with what its scores mean; on disk one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.engine.checkpoints import load_weights, read_checkpoint, write_checkpoint
from tumorboard.models.slice_regressor import build_slice_regressor
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.anatomy import Anatomy
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.curve import DepthCurve, smoothed
from tumorboard.tasks.bodypart.sampling import network_input
from tumorboard.tasks.bodypart.slices import VERSION, BodySlices, body_slices

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["MODEL_FILE", "BodyPartModel", "build_network", "raw_scores"]

MODEL_FILE = "model.safetensors"
_KIND = "bodypart"
_AT_ONCE = 64


def build_network(config: BodyPartConfig) -> Module:
    """The configured network; initial weights come from torch's generator (see `engine.loop.seeded`)."""
    return build_slice_regressor(config.network, inputs=1)


def raw_scores(network: Module, slices: BodySlices, config: BodyPartConfig) -> NDArray[np.float64]:
    """Raw score (n,) of each slice, not smoothed; free up to a rising straight line."""
    import torch

    network.eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(slices), _AT_ONCE):
            hu = np.asarray(slices.hu[start : start + _AT_ONCE], np.float32)
            found.append(network(network_input(torch.from_numpy(hu)[:, None], config)).float().numpy())
    return np.concatenate(found).astype(np.float64)


@dataclass
class BodyPartModel:
    """Network, settings, what scores mean, and how it was trained (`facts`: steps, seconds, patients ...)."""

    network: Module
    config: BodyPartConfig
    anatomy: Anatomy
    facts: Mapping[str, Any]

    def curve(self, slices: BodySlices) -> DepthCurve:
        """Normalised scores along z, smoothed by `smooth_mm`."""
        raw = raw_scores(self.network, slices, self.config)
        score = smoothed(slices.z_mm, self.anatomy.normalised(raw), sigma_mm=self.config.smooth_mm)
        return DepthCurve(slices.z_mm, score)

    def score_volume(self, volume: Volume, *, where: str = "volume") -> DepthCurve:
        """Scores of a CT in HU, stored in any orientation. Errors as in `body_slices`."""
        return self.curve(body_slices(volume, self.config, where=where))

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "preparation": VERSION,
            "config": self.config.model_dump(mode="json"),
            "anatomy": self.anatomy.to_json(),
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=self.network.state_dict(), state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> BodyPartModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, BDP104 for other models, ENG104 for
        weights of another network."""
        path = folder / MODEL_FILE
        checkpoint = read_checkpoint(path)
        state = checkpoint.state
        if state.get("kind") != _KIND or state.get("preparation") != VERSION:
            raise TumorboardError(
                codes.MODEL_UNKNOWN,
                path,
                found=f"a {state.get('kind')} model with preparation {state.get('preparation')}",
                expected=f"a {_KIND} model with preparation {VERSION}",
            )
        config = BodyPartConfig.model_validate(state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.tensors, where=path)
        return cls(network, config, Anatomy.from_json(state["anatomy"]), state["facts"])
