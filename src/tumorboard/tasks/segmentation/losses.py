"""What a segmentation network is trained on: soft Dice beside a voxel-wise loss, at one or several resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LossName", "dice_and_cross_entropy", "segmentation_loss", "supervised_loss"]

LossName = Literal["dice-ce", "dice-focal"]
_FOCUS = 2.0
"""Exponent of the focal loss (Lin et al. 2017)."""


def supervised_loss(logits: Sequence[Tensor], shares: Tensor, *, loss: LossName = "dice-ce") -> Tensor:
    """`segmentation_loss` at every resolution, finest first, each counting half of the one before.

    `shares` (n, structures, i, j, k) of the finest; coarser truths are their means, again shares of a voxel.
    """
    from torch.nn.functional import avg_pool3d

    total, weights = shares.new_zeros(()), 0.0
    for level, coarse in enumerate(logits):
        if level:
            shares = avg_pool3d(shares, 2)
        total = total + segmentation_loss(coarse.float(), shares, loss=loss) / 2**level
        weights += 1 / 2**level
    return total / weights


def dice_and_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """`segmentation_loss` with cross-entropy."""
    return segmentation_loss(logits, shares, loss="dice-ce")


def segmentation_loss(logits: Tensor, shares: Tensor, *, loss: LossName) -> Tensor:
    """Cross-entropy or focal loss per voxel, plus soft Dice loss.

    `logits` (n, 1 + structures, i, j, k), background first; `shares` (n, structures, i, j, k) of each voxel. Dice is
    taken per sample and structure where the structure is present: a small lesion counts as much as a large one, and
    there is no smoothing term that would reward an empty answer (Milletari et al. 2016; Isensee et al. 2021). Where a
    structure is absent, what is called by its name costs as much as it would in a sample of the batch's mean volume of
    that structure: p / (p + volume), 0 for an empty answer.

    With several structures, also cross-entropy of the name of a lesion where there is one, every structure counting the
    same: lesions are a few voxels in a hundred, so that their cross-entropy among all voxels says next to nothing, and
    the gradient of Dice vanishes once a name is never given. A voxel counts by how far it is found, one minus the
    probability of the background: a network that draws nothing yet learns to draw first (docs/adr/0188).
    """
    import torch

    background = (1 - shares.sum(1, keepdim=True)).clamp_min(0)
    truth = torch.cat([background, shares], dim=1)
    log_probability = torch.log_softmax(logits, dim=1)
    surprise = -truth * log_probability
    if loss == "dice-focal":
        surprise = surprise * (1 - log_probability.exp()) ** _FOCUS
    voxelwise = surprise.sum(1).mean()
    space = (2, 3, 4)
    volume = shares.sum(space)
    present = volume > 0.5
    if not bool(present.any()):
        return voxelwise
    probability = log_probability[:, 1:].exp()
    called = probability.sum(space)
    dice = 2 * (probability * shares).sum(space) / (called + volume).clamp_min(1e-6)
    usual = (volume * present).sum(0) / present.sum(0).clamp_min(1)
    false = called / (called + usual).clamp_min(1e-6)
    scored = present | (usual > 0)
    overlap = torch.where(present, 1 - dice, false)[scored.expand_as(present)].mean()
    if shares.shape[1] == 1:
        return voxelwise + overlap
    found = 1 - log_probability[:, :1].exp().detach()
    naming = -(found * torch.log_softmax(logits[:, 1:], dim=1) * shares).sum(space) / volume.clamp_min(1e-6)
    return voxelwise + overlap + naming[present].mean()
