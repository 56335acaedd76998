"""The small network that refines the walker's masks, with what it is given and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.checkpoints import load_weights, read_model, write_checkpoint
from tumorboard.models.unet import build_unet
from tumorboard.tasks.weakmask import codes
from tumorboard.tasks.weakmask.config import WeakMaskConfig
from tumorboard.tasks.weakmask.frame import SHAPE, Frame, quarter_radius
from tumorboard.tasks.weakmask.start import walk

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["MODEL_FILE", "WeakMaskModel", "build_network", "inputs_of", "logits_of"]

MODEL_FILE = "model.safetensors"
_KIND, _VERSION = "weakmask", 1
_LEAST = 0.02
"""Least probability that the walker is taken to mean."""


def inputs_of(patch_hu: NDArray[np.float32], frame: Frame, walked: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network sees, (4, *SHAPE): HU against the middle of the mark (150 HU are 1), HU as such (1000 HU are 1),
    how far inside or outside the body of the mark each sample lies, and the walker's probability."""
    r = quarter_radius(frame, frame.local(frame.samples())).reshape(SHAPE)
    middle = float(np.median(patch_hu[r < 0.6]))
    channels = (
        np.clip((patch_hu - middle) / 150, -2, 2),
        np.clip(patch_hu / 1000, -1, 1),
        np.clip(1 - r, -1, 1),
        walked,
    )
    return np.stack(channels).astype(np.float32)


def build_network(config: WeakMaskConfig) -> Module:
    """Four channels in, one logit out; initial weights come from torch's generator."""
    return build_unet(inputs=4, outputs=1, channels=config.channels, residual_units=1)


def logits_of(network: Module, inputs: Tensor) -> Tensor:
    """Logits (n, 1, *SHAPE): the network corrects the walker's."""
    found: Tensor = network(inputs).float() + inputs[:, 3:].clamp(_LEAST, 1 - _LEAST).logit()
    return found


@dataclass
class WeakMaskModel:
    """Network, settings and how it was trained."""

    network: Module
    config: WeakMaskConfig
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        state = {
            "kind": _KIND,
            "version": _VERSION,
            "config": self.config.model_dump(mode="json"),
            "facts": dict(self.facts),
        }
        write_checkpoint(folder / MODEL_FILE, tensors=self.network.state_dict(), state=state)
        return folder / MODEL_FILE

    @classmethod
    def load(cls, folder: Path) -> WeakMaskModel:
        """Read a run folder. ENG103 for foreign files, WKM103 for other models, ENG104 for weights of another
        network."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": _VERSION}, unknown=codes.MODEL_UNKNOWN)
        config = WeakMaskConfig.model_validate(checkpoint.state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.tensors, where=path)
        return cls(network, config, checkpoint.state["facts"])

    def probability(self, patch_hu: NDArray[np.float32], frame: Frame) -> tuple[NDArray[np.float32], ...]:
        """Probability of lesion in the patch: the blend, and the walker's alone. The network's is the mean over the
        patch and its mirror images, of which none is likelier than the other."""
        import torch

        walked = walk(patch_hu, frame)
        inputs = inputs_of(patch_hu, frame, walked)
        total = np.zeros(SHAPE, np.float32)
        self.network.eval()
        for axes in _MIRRORS:
            flipped = np.ascontiguousarray(np.flip(inputs, tuple(a + 1 for a in axes)))
            with torch.no_grad():
                found = torch.sigmoid(logits_of(self.network, torch.from_numpy(flipped)[None]))[0, 0].numpy()
            total += np.flip(found, axes)
        blend = self.config.blend
        return blend * total / len(_MIRRORS) + (1 - blend) * walked, walked


_MIRRORS: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,))
