"""Training of the fusion network for any outcome: what goes in, how it is varied, how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.engine.schedule import TrainingPlan
from tumorboard.tasks.features.blocks import withheld
from tumorboard.tasks.features.crops import CHANNELS, CropSettings, crops_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FusionNet", "NetworkInputs", "NetworkSettings", "fit_network", "network_inputs"]

Floats = NDArray[np.float64]
Loss = Callable[["Tensor", NDArray[np.int64]], "Tensor"]
"""Scalar loss from logits (b, outputs) and the numbers of the patients of the batch."""


@dataclass(frozen=True)
class NetworkSettings:
    """Size and training of a network; recorded with it. `withhold`: chance that training hides a modality."""

    crop: CropSettings = field(default_factory=lambda: CropSettings(80.0, 4.0))
    width: int = 8
    features: int = 16
    dropout: float = 0.3
    withhold: float = 0.15
    batch: int = 24
    steps: int = 240
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    members: int = 1


@dataclass(frozen=True)
class NetworkInputs:
    """`crops` float16 (n, channels, i, j, k), `table` float32 (n, p), `has` float32 (n, channels + 1)."""

    crops: NDArray[np.float16]
    table: NDArray[np.float32]
    has: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.has)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Patients (n,) of whom anything is there."""
        return np.asarray(self.has.sum(axis=1) > 0)


def network_inputs(
    cohort: Cohort | None,
    rows: Sequence[Mapping[str, Any]],
    table: Floats,
    known: NDArray[np.bool_],
    *,
    masks: str,
    settings: NetworkSettings,
    image: bool = True,
) -> NetworkInputs:
    """Inputs of the patients of `rows`: `table` (n, p) encoded clinical variables, `known` (n,) whether any of them is
    known. Modalities that a record withholds are left out."""
    n = settings.crop.voxels
    ids = [str(row["patient_id"]) for row in rows]
    if image and cohort is not None:
        crops = crops_of(cohort, ids, masks=masks, settings=settings.crop)
        gone = np.array([[name in withheld(row) for name in CHANNELS] for row in rows], bool).reshape(-1, len(CHANNELS))
        values, there = crops.values, crops.has & ~gone
    else:
        values, there = np.zeros((len(rows), 0, n, n, n), np.float16), np.zeros((len(rows), 0), bool)
    has = np.column_stack([there, known]).astype(np.float32)
    return NetworkInputs(values, np.clip(table, -4, 4).astype(np.float32), has)


@dataclass(frozen=True)
class FusionNet:
    """Trained members; weights as plain arrays, so that they can be kept without pickle."""

    members: tuple[Mapping[str, NDArray[Any]], ...]
    channels: int
    columns: int
    outputs: int
    settings: NetworkSettings

    def logits(self, inputs: NetworkInputs) -> list[Floats]:
        """Of each member (n, outputs): mean over the crop and its mirror image."""
        import torch

        found = []
        for weights in self.members:
            network = _network(self.channels, self.columns, self.outputs, self.settings)
            network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
            network.eval()
            parts = []
            with torch.no_grad():
                for start in range(0, len(inputs), 64):
                    crops, table, has = _tensors(inputs, np.arange(start, min(start + 64, len(inputs))))
                    both = [network(c, table, has) for c in ((crops, crops.flip(2)) if self.channels else (crops,))]
                    parts.append(torch.stack(both).mean(dim=0).double().numpy())
            found.append(np.concatenate(parts) if parts else np.zeros((0, self.outputs)))
        return found


def fit_network(
    inputs: NetworkInputs,
    loss: Loss,
    *,
    outputs: int,
    settings: NetworkSettings,
    seed: int,
    folder: Path | None = None,
    identity: str = "",
) -> FusionNet:
    """Train the members on all patients of `inputs` of whom anything is there. With a `folder` each member's training
    can be killed and resumed (`member-0/last.safetensors` ...)."""
    channels, columns = inputs.crops.shape[1], inputs.table.shape[1]
    members = tuple(
        _member(
            inputs,
            loss,
            outputs,
            settings,
            seed + 1000 * n,
            None if folder is None else folder / f"member-{n}",
            identity,
        )
        for n in range(settings.members)
    )
    return FusionNet(members, channels, columns, outputs, replace(settings))


def _member(
    inputs: NetworkInputs,
    loss: Loss,
    outputs: int,
    settings: NetworkSettings,
    seed: int,
    folder: Path | None,
    identity: str,
) -> Mapping[str, NDArray[Any]]:
    import torch

    from tumorboard.engine.loop import fit, seeded
    from tumorboard.models.fusion import withhold

    channels = inputs.crops.shape[1]
    usable = np.flatnonzero(inputs.seen)

    def draw(random: np.random.Generator) -> Any:
        index = random.choice(usable, size=min(settings.batch, len(usable)), replace=False)
        crops, table, has = _tensors(inputs, index)
        crops = _varied(crops, random)
        chances = torch.from_numpy(random.random((len(index), channels + 2)).astype(np.float32))
        return crops, table, withhold(has, channels=channels, rate=settings.withhold, draw=chances), index

    def loss_of(network: Any, batch: Any) -> Any:
        crops, table, has, index = batch
        return loss(network(crops, table, has).float(), index)

    with seeded(seed):
        network = _network(channels, inputs.table.shape[1], outputs, settings)
    plan = TrainingPlan(
        settings.steps, seed, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay,
        warmup_steps=10, schedule="cosine",
    )  # fmt: skip
    fitted = fit(network, plan, draw=draw, loss_of=loss_of, folder=folder, identity=identity)
    return {name: value.numpy() for name, value in fitted.weights.items()}


def _network(channels: int, columns: int, outputs: int, settings: NetworkSettings) -> Any:
    from tumorboard.models.fusion import fusion_network

    return fusion_network(
        channels=channels, columns=columns, outputs=outputs,
        width=settings.width, features=settings.features, dropout=settings.dropout,
    )  # fmt: skip


def _tensors(inputs: NetworkInputs, index: NDArray[np.int64]) -> tuple[Any, Any, Any]:
    import torch

    crops = torch.from_numpy(inputs.crops[index].astype(np.float32))
    return crops, torch.from_numpy(inputs.table[index]), torch.from_numpy(inputs.has[index])


def _varied(crops: Any, random: np.random.Generator) -> Any:
    """Mirrored left to right, moved by up to two voxels along each axis."""
    if random.random() < 0.5:
        crops = crops.flip(2)
    shift = [int(s) for s in random.integers(-2, 3, 3)]
    return crops.roll(shift, dims=(2, 3, 4))
