"""Sequences A-B-C-D-E: ever less similar to A by size, by place, by type (after Yan et al., CVPR 2018).

B has A's type, place and size; C its type and place but another size; D its type at another place; E another type.
Lesions of unknown type are in no sequence. A step that no lesion fits is left out of its sequence (marked -1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.crops import Crops
from tumorboard.tasks.retrieval.lesions import Lesions

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "SequenceSampler"]

Indices = NDArray[np.int64]
_NEAR_OF = 20
"""Every second E is the nearest in place of so many drawn ones (ours): neighbouring types are the difficult ones."""


@dataclass(frozen=True)
class Batch:
    """Inputs of m lesions (near, far (m, slices, y, x) HU; features (m, f)), their type numbers (m,), and sequences
    (s, 5) of places among them, -1 where a step is left out."""

    near: Tensor
    far: Tensor
    features: Tensor
    types: Tensor
    sequences: Tensor


class SequenceSampler:
    """Draws batches from training lesions. `types` (n,): numbers, -1 for unknown; `features` (n, f) scaled."""

    def __init__(
        self,
        lesions: Lesions,
        crops: Crops,
        features: NDArray[np.float64],
        *,
        types: Indices,
        config: RetrievalConfig,
    ) -> None:
        self.crops, self.config = crops, config
        self.features = features.astype(np.float32)
        self.types = types
        self.places = lesions.locations
        self.sizes = np.log(np.maximum(lesions.axes_mm, 1.0))
        _, self.patients = np.unique(lesions.patients, return_inverse=True)
        self.usable = crops.has & (types >= 0)
        self.by_type = [np.flatnonzero(self.usable & (types == t)) for t in np.unique(types[self.usable])]

    def __call__(self, rng: np.random.Generator) -> Batch:
        """A batch of `config.sequences` sequences; every type begins as many."""
        sequences = [self.sequence(self._anchor(rng), rng) for _ in range(self.config.sequences)]
        return self._batch(np.array(sequences, np.int64), rng)

    def sequence(self, a: int, rng: np.random.Generator) -> list[int]:
        """Rows A, B, C, D, E; -1 where no lesion fits. B, C and D are of other patients: a patient's lesions are alike
        for other reasons."""
        config = self.config
        place = np.linalg.norm(self.places - self.places[a], axis=1)
        size = np.abs(self.sizes - self.sizes[a]).max(axis=1)
        same = self.usable & (self.types == self.types[a]) & (self.patients != self.patients[a])
        near, far = ~(place > config.near_location), place > config.far_location  # what is not known is not different
        alike, unlike = ~(size > config.near_size), size > config.far_size
        steps = [same & near & alike, same & near & unlike, same & far]
        chosen = [_one(np.flatnonzero(step), rng) for step in steps]
        return [a, *chosen, self._other(a, place, rng)]

    def _other(self, a: int, place: NDArray[np.float64], rng: np.random.Generator) -> int:
        others = np.flatnonzero(self.usable & (self.types != self.types[a]))
        if len(others) and rng.random() < 0.5:
            others = rng.choice(others, min(_NEAR_OF, len(others)), replace=False)
            return int(others[np.argmin(np.nan_to_num(place[others], nan=1.0))])
        return _one(others, rng)

    def _anchor(self, rng: np.random.Generator) -> int:
        mine = self.by_type[int(rng.integers(len(self.by_type)))]
        return int(mine[rng.integers(len(mine))])

    def _batch(self, sequences: Indices, rng: np.random.Generator) -> Batch:
        import torch

        rows = np.unique(sequences[sequences >= 0])
        places = np.where(sequences >= 0, np.searchsorted(rows, np.maximum(sequences, 0)), -1)
        margin, edge = self.config.jitter_px, self.config.edge_px
        near = np.empty((len(rows), *self.crops.far.shape[1:]), np.float32)
        for place, row in enumerate(rows):
            dy, dx = rng.integers(0, 2 * margin + 1, 2)
            near[place] = self.crops.near[row, :, dy : dy + edge, dx : dx + edge]
        noise = rng.normal(0, 12, (len(rows), 1, 1, 1)).astype(np.float32)  # scanners differ by a few HU
        return Batch(
            torch.from_numpy(near + noise),
            torch.from_numpy(self.crops.far[rows].astype(np.float32) + noise),
            torch.from_numpy(self.features[rows]),
            torch.from_numpy(self.types[rows]),
            torch.from_numpy(places),
        )


def _one(rows: NDArray[Any], rng: np.random.Generator) -> int:
    return int(rows[rng.integers(len(rows))]) if len(rows) else -1
