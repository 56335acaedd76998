"""A trained network with all it needs to answer: threshold, floor of the scale, probability, threshold of masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.checkpoints import load_weights, read_model, write_checkpoint
from tumorboard.models.dual_autoencoder import build_dual_autoencoder
from tumorboard.tasks.anomaly import codes
from tumorboard.tasks.anomaly.channels import (
    CT_CHANNELS,
    PET_CHANNELS,
    ct_channels,
    from_target,
    neighbours,
    pet_channels,
    target,
)
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import AIR_HU, Exam
from tumorboard.tasks.anomaly.masks import Threshold, suspicious

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["MODEL_FILE", "AnomalyModel", "Reconstruction", "build_network"]

MODEL_FILE = "model.safetensors"
VERSION = 1
_KIND = "anomaly"
_SLICES_AT_ONCE = 16

Floats = NDArray[np.float32]


def build_network(config: AnomalyConfig) -> Module:
    """The configured network; initial weights come from torch's generator (see `engine.loop.seeded`)."""
    pet = 0 if config.network == "CT only" else PET_CHANNELS
    return build_dual_autoencoder(ct_inputs=CT_CHANNELS, pet_inputs=pet, widths=config.widths)


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What would be normal, (i, j, k): `mean` and `scale` of the root of SUV, and what was `hidden` to tell it."""

    mean: Floats
    scale: Floats
    hidden: NDArray[np.bool_]


@dataclass
class AnomalyModel:
    """`floor`: least scale of a z-score (fitted). `probability`: slope and offset of the log odds of a smoothed z.
    `mask_z`: threshold of masks, None where no training patient had a tumour drawn. `facts`: patients, steps ..."""

    network: Module
    config: AnomalyConfig
    threshold: Threshold
    floor: float = 0.0
    probability: tuple[float, float] | None = None
    mask_z: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def reconstruct(self, exam: Exam, *, slices: Sequence[int] | None = None) -> Reconstruction:
        """Normal uptake of `exam` (all slices, or these; elsewhere 0 with scale 1), in batches of slices over the box
        round the body."""
        import torch

        masked = self.config.network == "masked dual"
        hidden = suspicious(exam, self.threshold, self.config) if masked else np.zeros(exam.suv.shape, bool)
        if self.config.network == "CT only":
            hidden = np.ones(exam.suv.shape, bool)
        mean, scale = np.zeros_like(exam.suv), np.ones_like(exam.suv)
        box = _body_box(exam.body)
        if box is None:
            return Reconstruction(mean, scale, hidden)
        wanted = np.flatnonzero(exam.body.any(axis=(0, 1))) if slices is None else np.asarray(slices, int)
        root = target(exam.suv[box])
        hu, covered = exam.hu[box], hidden[box]
        edges = [-(-n // self.config.edge_step) * self.config.edge_step for n in root.shape[:2]]
        self.network.eval()
        with torch.no_grad():
            for start in range(0, len(wanted), _SLICES_AT_ONCE):
                at = wanted[start : start + _SLICES_AT_ONCE]
                around = neighbours(at, root.shape[2])
                ct = ct_channels(_stack(hu, around, edges, AIR_HU), self.config.ct_window_hu)
                pet = pet_channels(_stack(root, around, edges, 0.0), _stack(covered, around, edges, False))
                mu, b, _ = self.network(torch.from_numpy(ct), torch.from_numpy(pet))
                for array, answer in ((mean, mu), (scale, b)):
                    part = answer[:, 0, : root.shape[0], : root.shape[1]].numpy()
                    array[box[0], box[1], at] = np.moveaxis(part, 0, 2)
        return Reconstruction(mean, scale, hidden)

    def z_score(self, exam: Exam, *, slices: Sequence[int] | None = None) -> Floats:
        """(root of SUV - mean) / scale, 0 outside the body: above 0, more uptake than normal."""
        found = self.reconstruct(exam, slices=slices)
        return self.z_of(exam, found)

    def z_of(self, exam: Exam, found: Reconstruction) -> Floats:
        z = (target(exam.suv) - found.mean) / np.maximum(found.scale, self.floor)
        return np.where(exam.body, z, 0.0).astype(np.float32)

    def excess_of(self, exam: Exam, found: Reconstruction) -> Floats:
        """SUV above what would be normal, 0 outside the body."""
        return np.where(exam.body, exam.suv - from_target(found.mean), 0.0).astype(np.float32)

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "version": VERSION,
            "config": self.config.model_dump(mode="json"),
            "threshold": {"rule": self.threshold.rule, "suv": self.threshold.suv},
            "floor": self.floor,
            "probability": None if self.probability is None else list(self.probability),
            "mask_z": self.mask_z,
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=self.network.state_dict(), state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> AnomalyModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, ANO104 for other models, ENG104 for
        weights of another network."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": VERSION}, unknown=codes.MODEL_UNKNOWN)
        state = checkpoint.state
        config = AnomalyConfig.model_validate(state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.tensors, where=path)
        odds = state["probability"]
        return cls(
            network,
            config,
            Threshold(state["threshold"]["rule"], state["threshold"]["suv"]),
            state["floor"],
            None if odds is None else (odds[0], odds[1]),
            state["mask_z"],
            state["facts"],
        )


def _body_box(body: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    rows, columns = (np.flatnonzero(body.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    if not len(rows):
        return None
    margin = 2
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def _stack(volume: NDArray[Any], around: NDArray[np.int64], edges: Sequence[int], fill: Any) -> NDArray[Any]:
    """(n, DEPTH, i, j) of slices with their neighbours, filled up to `edges`."""
    part = np.moveaxis(volume[:, :, around], (2, 3), (0, 1))
    pad = [(0, 0), (0, 0), *((0, edge - n) for edge, n in zip(edges, part.shape[2:], strict=True))]
    return np.pad(part, pad, constant_values=fill)
