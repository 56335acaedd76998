"""Trained networks together with the preprocessing they belong to; on disk one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.engine.checkpoints import load_weights, read_checkpoint, write_checkpoint
from tumorboard.models.segmentation_networks import build_segmentation_network
from tumorboard.ops.sliding import fit_window, slide
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.inference import Predictor, busiest, choose_predictor
from tumorboard.tasks.segmentation.preprocess import VERSION, Prepared, Preprocessing

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["MODEL_FILE", "SegmentationModel", "build_network"]

MODEL_FILE = "model.safetensors"
_KIND = "segmentation"


def build_network(config: SegmentationConfig, structures: int) -> Module:
    """The configured network: CT, PET and, if wanted, a prior in; background and structures out. Initial weights come
    from torch's generator (see `engine.loop.seeded`)."""
    import torch

    network = build_segmentation_network(
        config.network,
        inputs=config.inputs,
        outputs=structures + 1,
        channels=config.widths,
        residual_units=config.residual_units,
        deep_supervision=config.deep_supervision,
    )
    return network.to(memory_format=torch.channels_last_3d)


@dataclass
class SegmentationModel:
    """Networks (the members of an ensemble, which are averaged), settings, preprocessing, and how they were trained
    (`facts`: steps, precision, patients ...)."""

    networks: tuple[Module, ...]
    config: SegmentationConfig
    preprocessing: Preprocessing
    facts: Mapping[str, Any]
    inference: Mapping[str, Any] = field(default_factory=dict)
    """How the first of `_predictors` was chosen: library, precision, agreement."""
    _predictors: tuple[Predictor, ...] = ()

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "config": self.config.model_dump(mode="json"),
            "preprocessing": self.preprocessing.to_json(),
            "facts": dict(self.facts),
            "members": len(self.networks),
        }
        tensors = {
            f"{number}/{name}": value
            for number, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }
        write_checkpoint(path, tensors=tensors, state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> SegmentationModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, SGM104 for other models, ENG104 for
        weights of another network."""
        path = folder / MODEL_FILE
        checkpoint = read_checkpoint(path)
        state = checkpoint.state
        version = state.get("preprocessing", {}).get("version")
        if state.get("kind") != _KIND or version != VERSION:
            raise TumorboardError(
                codes.MODEL_UNKNOWN,
                path,
                found=f"a {state.get('kind')} with preprocessing version {version}",
                expected=f"a {_KIND} model with preprocessing version {VERSION}",
            )
        # Files of before there was the setting were trained along all axes, and are answered as they were.
        config = SegmentationConfig.model_validate({"mirrored": "all", **state["config"]})
        preprocessing = Preprocessing.from_json(state["preprocessing"])
        networks = []
        for number in range(state.get("members", 1)):
            network = build_network(config, len(preprocessing.structures))
            # Files of one network were once written without the member's number.
            load_weights(
                network, checkpoint.part(str(number)) if "members" in state else checkpoint.tensors, where=path
            )
            networks.append(network)
        return cls(tuple(networks), config, preprocessing, state["facts"])

    def probabilities(self, prepared: Prepared) -> NDArray[np.float32]:
        """Probability of each structure, (structures, i, j, k) on the working grid: windows weighted by a Gaussian
        round their centre, averaged over mirrored inputs and the members of the ensemble."""
        image = prepared.inputs
        axes_of_body = self.config.mirrored_axes(len(self.preprocessing.structures)) if self.config.mirror else ()
        mirrors: list[tuple[int, ...]] = [(), *((axis + 1,) for axis in axes_of_body)]
        window = tuple(self._window(n) for n in image.shape[1:])
        predictors = self._choose(image, window)
        total = np.zeros((len(self.preprocessing.structures) + 1, *image.shape[1:]), np.float32)
        for axes in mirrors:
            turned = np.flip(image, axes)
            for predictor in predictors:
                found = slide(predictor, turned, window=window, overlap=self.config.overlap, outputs=len(total))
                total += np.flip(found, axes)
        mean: NDArray[np.float32] = total[1:] / (len(mirrors) * len(predictors))
        return mean

    def _choose(self, image: NDArray[np.float32], window: tuple[int, ...]) -> tuple[Predictor, ...]:
        """The way to predict with each member, chosen once on the part of the first image with most uptake."""
        if not self._predictors:
            example = busiest(image, window)
            chosen = [choose_predictor(each, example, inference=self.config.inference) for each in self.networks]
            self._predictors, self.inference = tuple(predictor for predictor, _ in chosen), chosen[0][1]
        return self._predictors

    def _window(self, voxels: int) -> int:
        config = self.config
        largest = max(config.window_voxels, config.patch_voxels)
        return fit_window(
            voxels, smallest=config.patch_voxels, largest=largest, step=config.edge_step, overlap=config.overlap
        )
