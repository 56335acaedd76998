"""What the network is trained to: lung fields, corners of boxes, exchanged sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorboard.tasks.anatomy.sampling import Batch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["loss_of", "standardised"]

_EDGE_IN_SIGHT = 0.1
"""Boxes that reach further than this beyond the window are not learnt from."""


def standardised(inputs: Tensor) -> Tensor:
    """Each picture with mean 0 and spread 1."""
    spread = inputs.std((2, 3), keepdim=True).clamp_min(1e-3)
    return (inputs - inputs.mean((2, 3), keepdim=True)) / spread


def loss_of(network: Module, batch: Batch) -> Tensor:
    """Cross-entropy and Dice of the lungs, distance and overlap (GIoU, Rezatofighi et al. 2019) of the boxes, and
    cross-entropy of exchanged sides."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits, corners, side = network(standardised(batch.inputs))
    total = 0.3 * binary_cross_entropy_with_logits(side, batch.mirrored)
    if bool(batch.has_lungs.any()):
        total = total + _lung_loss(logits[batch.has_lungs], batch.lungs[batch.has_lungs])
    whole = ((batch.boxes > -_EDGE_IN_SIGHT) & (batch.boxes < 1 + _EDGE_IN_SIGHT)).all(-1)  # false for NaN
    if bool(whole.any()):
        total = total + _box_loss(corners[whole], batch.boxes[whole])
    return total


def _lung_loss(logits: Tensor, lungs: Tensor) -> Tensor:
    import torch

    background = (1 - lungs.sum(1, keepdim=True)).clamp_min(0)
    logs = torch.log_softmax(logits, 1)
    entropy = -(torch.cat([background, lungs], 1) * logs).sum(1).mean()
    found = logs[:, 1:].exp()
    dice = 2 * (found * lungs).sum((2, 3)) / (found.sum((2, 3)) + lungs.sum((2, 3))).clamp_min(1e-6)
    return entropy + 1 - dice[lungs.sum((2, 3)) > 1].mean() if bool((lungs.sum((2, 3)) > 1).any()) else entropy


def _box_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Corners (k, 4): distance in parts of the box's sides, and 1 - GIoU."""
    import torch

    sides = (truth[:, 2:] - truth[:, :2]).clamp_min(0.02)
    distance = ((found - truth).abs() / torch.cat([sides, sides], 1).clamp_min(0.05)).mean()
    low, high = torch.maximum(found[:, :2], truth[:, :2]), torch.minimum(found[:, 2:], truth[:, 2:])
    shared = (high - low).clamp_min(0).prod(1)
    mine = (found[:, 2:] - found[:, :2]).clamp_min(0).prod(1)
    union = mine + (truth[:, 2:] - truth[:, :2]).prod(1) - shared
    hull = (torch.maximum(found[:, 2:], truth[:, 2:]) - torch.minimum(found[:, :2], truth[:, :2])).clamp_min(0).prod(1)
    giou = shared / union.clamp_min(1e-6) - (hull - union) / hull.clamp_min(1e-6)
    return distance + (1 - giou).mean()
