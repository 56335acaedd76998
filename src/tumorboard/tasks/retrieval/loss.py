"""Loss of sequences A-B-C-D-E, and of types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorboard.tasks.retrieval.config import RetrievalConfig

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from tumorboard.tasks.retrieval.sampling import Batch

__all__ = ["batch_loss", "sequence_loss"]


def sequence_loss(vectors: Tensor, sequences: Tensor, *, margins: tuple[float, float, float]) -> Tensor:
    """Half the sum of hinges that d(A, B) < d(A, C) < d(A, D) < d(A, E) misses, mean over sequences; d is the square of
    the Euclidean distance of vectors (m, d), sequences (s, 5) hold rows of them.

    `margins`: by which the step to C, to D and to E must be farther than the last step that is there (-1: left out).
    After Yan et al. 2018, whose margins rise from 0.1 to 0.4 as recalled.
    """
    import torch

    anchor = vectors[sequences[:, 0]]
    last = torch.zeros(len(sequences), dtype=vectors.dtype)
    met = torch.zeros(len(sequences), dtype=torch.bool)
    total = vectors.new_zeros(())
    for step, margin in zip(range(1, 5), (0.0, *margins), strict=True):
        there = sequences[:, step] >= 0
        distance = ((anchor - vectors[sequences[:, step].clamp(min=0)]) ** 2).sum(dim=1)
        total = total + (torch.relu(last - distance + margin) * (met & there)).sum()
        last = torch.where(there, distance, last)
        met = met | there
    return total / (2 * max(len(sequences), 1))


def batch_loss(network: Module, batch: Batch, *, config: RetrievalConfig) -> Tensor:
    """Sequences, and the cross-entropy of the type head over lesions of known type."""
    from torch.nn import functional

    vectors, types = network(batch.near, batch.far, batch.features)
    margins = (config.margin_size, config.margin_location, config.margin_type)
    loss = sequence_loss(vectors.float(), batch.sequences, margins=margins)
    known = batch.types >= 0
    if config.type_weight and bool(known.any()):
        loss = loss + config.type_weight * functional.cross_entropy(types.float()[known], batch.types[known])
    return loss
