"""The loss that puts slices in order: neighbours must rise towards the feet, by equal steps or by known distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.sampling import SliceBatch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["distance_loss", "loss_of", "mm_loss", "order_loss", "ordering_loss"]


def order_loss(scores: Tensor, volume: NDArray[np.int64], *, steepness: float = 1.0) -> Tensor:
    """Mean of -log sigmoid(steepness (s[j+1] - s[j])) over neighbours of one volume; scores (n,), head first.

    After Yan et al. (2018): 1 in the formula; a softmax over (d, -d), as in the released code, is steepness 2.
    """
    from torch.nn.functional import softplus

    first = np.flatnonzero(volume[1:] == volume[:-1])
    return softplus(-steepness * (scores[first + 1] - scores[first])).mean()


def distance_loss(scores: Tensor, volume: NDArray[np.int64]) -> Tensor:
    """Mean smooth-L1 of the second difference s[j] - 2 s[j+1] + s[j+2] within volumes (equidistant slices; Yan et al.
    2018). 0 where no volume has three slices."""
    from torch.nn.functional import smooth_l1_loss

    first = np.flatnonzero(volume[2:] == volume[:-2])
    if not len(first):
        return scores.sum() * 0
    second = scores[first] - 2 * scores[first + 1] + scores[first + 2]
    return smooth_l1_loss(second, second.new_zeros(second.shape))


def mm_loss(scores: Tensor, volume: NDArray[np.int64], z_mm: NDArray[np.float64], *, score_mm: float) -> Tensor:
    """Mean smooth-L1 of (s[j+1] - s[j]) - distance / score_mm between neighbours of one volume: known distances in mm,
    an idea of bpreg (Schuhegger 2021)."""
    import torch
    from torch.nn.functional import smooth_l1_loss

    first = np.flatnonzero(volume[1:] == volume[:-1])
    wanted = torch.from_numpy((z_mm[first] - z_mm[first + 1]) / score_mm).to(scores.dtype)
    return smooth_l1_loss(scores[first + 1] - scores[first], wanted)


def ordering_loss(scores: Tensor, batch: SliceBatch, config: BodyPartConfig) -> Tensor:
    """The weighted sum that the settings ask for."""
    order = order_loss(scores, batch.volume, steepness=config.order_steepness)
    if config.distance == "mm":
        distance = mm_loss(scores, batch.volume, batch.z_mm, score_mm=config.score_mm)
    else:
        distance = distance_loss(scores, batch.volume)
    return config.order_weight * order + config.distance_weight * distance


def loss_of(config: BodyPartConfig):  # type: ignore[no-untyped-def]
    """`engine.loop.fit`'s loss of a batch under these settings."""

    def loss(network: Module, batch: SliceBatch) -> Tensor:
        return ordering_loss(network(batch.images).float(), batch, config)

    return loss
