"""A trained network together with the preprocessing it belongs to; on disk one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.engine.checkpoints import load_weights, read_checkpoint, write_checkpoint
from tumorboard.engine.precision import autocast, choose_precision
from tumorboard.models.segmentation_networks import build_segmentation_network
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.preprocess import VERSION, Prepared, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["MODEL_FILE", "SegmentationModel", "build_network"]

MODEL_FILE = "model.safetensors"
_KIND = "segmentation"


def build_network(config: SegmentationConfig, structures: int) -> Module:
    """The configured network: CT and PET in, background and structures out. Initial weights come from torch's
    generator (see `engine.loop.seeded`)."""
    import torch

    network = build_segmentation_network(
        config.network,
        inputs=2,
        outputs=structures + 1,
        channels=config.widths,
        residual_units=config.residual_units,
        deep_supervision=config.deep_supervision,
    )
    return network.to(memory_format=torch.channels_last_3d)


@dataclass
class SegmentationModel:
    """Network, settings, preprocessing, and how it was trained (`facts`: steps, precision, patients ...)."""

    network: Module
    config: SegmentationConfig
    preprocessing: Preprocessing
    facts: Mapping[str, Any]
    _precision: str | None = None

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "config": self.config.model_dump(mode="json"),
            "preprocessing": self.preprocessing.to_json(),
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=self.network.state_dict(), state=state)
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
        config = SegmentationConfig.model_validate(state["config"])
        preprocessing = Preprocessing.from_json(state["preprocessing"])
        network = build_network(config, len(preprocessing.structures))
        load_weights(network, checkpoint.tensors, where=path)
        return cls(network, config, preprocessing, state["facts"])

    def probabilities(self, prepared: Prepared) -> NDArray[np.float32]:
        """Probability of each structure, (structures, i, j, k) on the working grid: windows weighted by a Gaussian
        round their centre, averaged over mirrored inputs."""
        import torch

        self.network.eval()
        image = torch.from_numpy(prepared.inputs)[None]
        mirrors: list[tuple[int, ...]] = [(), (2,), (3,), (4,)] if self.config.mirror else [()]
        with torch.no_grad():
            if self._precision is None:
                self._precision, _ = choose_precision(self.config.precision, lambda: self._slide(image).mean())
            with autocast(self._precision):
                total = sum(self._slide(image.flip(axes)).flip(axes) for axes in mirrors)
        mean: NDArray[np.float32] = (total[0] / len(mirrors)).numpy()  # type: ignore[index]
        return mean

    def _slide(self, image: Tensor) -> Tensor:
        from monai.inferers.utils import sliding_window_inference

        window = [self._window(n, self.config.edge_step) for n in image.shape[2:]]
        return sliding_window_inference(
            image, window, 1, self._foreground, overlap=self.config.overlap, mode="gaussian", padding_mode="constant"
        )

    def _window(self, voxels: int, step: int) -> int:
        whole = -(-voxels // step) * step
        return min(max(whole, self.config.patch_voxels), max(self.config.window_voxels, self.config.patch_voxels))

    def _foreground(self, window: Tensor) -> Tensor:
        import torch

        window = window.contiguous(memory_format=torch.channels_last_3d)
        return torch.softmax(self.network(window).float(), dim=1)[:, 1:]
