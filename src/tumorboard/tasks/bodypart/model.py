"""A trained network together with what its scores mean; on disk one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.volume import Volume
from tumorboard.engine.checkpoints import load_weights, read_model, write_checkpoint
from tumorboard.models.slice_regressor import build_slice_regressor, in_two
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.anatomy import Anatomy
from tumorboard.tasks.bodypart.answer import Answer, answer
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.curve import DepthCurve, smoothed
from tumorboard.tasks.bodypart.readout import Familiarity, RegionReadout, averaged
from tumorboard.tasks.bodypart.sampling import network_input
from tumorboard.tasks.bodypart.slices import VERSION, BodySlices, body_slices

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["MODEL_FILE", "BodyPartModel", "Raw", "build_network", "raw_scores"]

MODEL_FILE = "model.safetensors"
_KIND = "bodypart"
_FORM = 2
"""Of the file: 2 holds the readout of features."""
_AT_ONCE = 64


def build_network(config: BodyPartConfig) -> Module:
    """The configured network; initial weights come from torch's generator (see `engine.loop.seeded`)."""
    return build_slice_regressor(config.network, inputs=1)


@dataclass(frozen=True, eq=False)
class Raw:
    """What a network says of each slice: raw score (n,), not smoothed and free up to a rising straight line, and
    features (n, d), the mean over neighbours."""

    score: NDArray[np.float64]
    features: NDArray[np.float64]


def raw_scores(network: Module, slices: BodySlices, config: BodyPartConfig) -> Raw:
    """The network's answer for all slices of a volume."""
    import torch

    network.eval()
    pooled, last = in_two(network)
    scores, features = [], []
    with torch.inference_mode():
        for start in range(0, len(slices), _AT_ONCE):
            hu = np.asarray(slices.hu[start : start + _AT_ONCE], np.float32)
            features.append(pooled(network_input(torch.from_numpy(hu)[:, None], config)).float())
            scores.append(last(features[-1]).float().numpy())
    wide = averaged(slices.z_mm, np.concatenate([one.numpy() for one in features]), sigma_mm=config.smooth_mm)
    return Raw(np.concatenate(scores).astype(np.float64), wide)


@dataclass
class BodyPartModel:
    """Network, settings, what scores mean, and how it was trained (`facts`: steps, seconds, patients ...).

    `readout` and `known` are None where training had no landmarks, or too few volumes."""

    network: Module
    config: BodyPartConfig
    anatomy: Anatomy
    facts: Mapping[str, Any]
    readout: RegionReadout | None = None
    known: Familiarity | None = None

    def curve(self, slices: BodySlices) -> DepthCurve:
        """Normalised scores along z, smoothed by `smooth_mm`."""
        return self._curve(slices, raw_scores(self.network, slices, self.config))

    def answer(self, slices: BodySlices, *, tolerance: float | None = None) -> Answer:
        """Scores, regions, landmarks and flags; `tolerance` other than that of the settings."""
        raw = raw_scores(self.network, slices, self.config)
        return answer(
            self._curve(slices, raw),
            self.anatomy,
            tolerance=self.config.tolerance if tolerance is None else tolerance,
            chances=None if self.readout is None else self.readout.probabilities(raw.features),
            familiar=self.known is None or self.known.knows(raw.features),
        )

    def _curve(self, slices: BodySlices, raw: Raw) -> DepthCurve:
        score = smoothed(slices.z_mm, self.anatomy.normalised(raw.score), sigma_mm=self.config.smooth_mm)
        return DepthCurve(slices.z_mm, score)

    def score_volume(self, volume: Volume, *, where: str = "volume") -> DepthCurve:
        """Scores of a CT in HU, stored in any orientation. Errors as in `body_slices`."""
        return self.curve(body_slices(volume, self.config, where=where))

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "form": _FORM,
            "preparation": VERSION,
            "config": self.config.model_dump(mode="json"),
            "anatomy": self.anatomy.to_json(),
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=self._tensors(), state=state)
        return path

    def _tensors(self) -> dict[str, Tensor]:
        import torch

        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        for part, one in (("readout", self.readout), ("known", self.known)):
            if one is not None:
                tensors |= {f"{part}/{name}": torch.from_numpy(value) for name, value in one.arrays().items()}
        return tensors

    @classmethod
    def load(cls, folder: Path) -> BodyPartModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, BDP104 for other models, ENG104 for
        weights of another network."""
        path = folder / MODEL_FILE
        wanted = {"kind": _KIND, "form": _FORM, "preparation": VERSION}
        checkpoint = read_model(path, wanted, unknown=codes.MODEL_UNKNOWN)
        state = checkpoint.state
        config = BodyPartConfig.model_validate(state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.part("network"), where=path)
        readout, known = (
            {name: value.numpy() for name, value in checkpoint.part(part).items()} for part in ("readout", "known")
        )
        return cls(
            network,
            config,
            Anatomy.from_json(state["anatomy"]),
            state["facts"],
            RegionReadout(**readout) if readout else None,
            Familiarity.of(known) if known else None,
        )
