"""The loss in closed form: nothing for a right answer, a price for a false lesion, focus on what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.tasks.segmentation.losses import segmentation_loss


def sample(slabs: int) -> torch.Tensor:
    shares = torch.zeros(1, 1, 8, 4, 4)
    shares[:, :, :slabs] = 1
    return shares


def sure(slabs: int) -> torch.Tensor:
    """Logits that call the first `slabs` slabs with certainty."""
    called = sample(slabs)
    return torch.cat([(1 - called) * 40, called * 40], dim=1)


def without_voxels(loss: torch.Tensor, wrong: int, voxels: int) -> float:
    """What is left of the loss without its cross-entropy: 40 nats per wrong voxel."""
    return float(loss) - 40 * wrong / voxels


def test_a_false_lesion_of_usual_size_costs_a_half():
    shares = torch.cat([sample(2), sample(0)])
    right = torch.cat([sure(2), sure(0)])
    assert float(segmentation_loss(right, shares, loss="dice-ce")) == pytest.approx(0, abs=1e-5)
    false = torch.cat([sure(2), sure(2)])
    # Dice 0 for the first sample, 32 / (32 + 32) for the second: their mean is a quarter.
    left = without_voxels(segmentation_loss(false, shares, loss="dice-ce"), wrong=32, voxels=256)
    assert left == pytest.approx(0.25, abs=1e-4)


def test_a_small_lesion_weighs_as_much_as_a_large_one():
    shares = torch.cat([sample(1), sample(6)])
    for missed in ((0, 6), (1, 0)):
        logits = torch.cat([sure(slabs) for slabs in missed])
        wrong = 16 * (7 - sum(missed))
        left = without_voxels(segmentation_loss(logits, shares, loss="dice-ce"), wrong=wrong, voxels=256)
        assert left == pytest.approx(0.5, abs=1e-4)


def test_focal_loss_forgets_what_is_nearly_right():
    """One voxel of probability p alone: (1 - p)^2 of its cross-entropy (Lin et al. 2017, equation 4)."""
    shares = torch.zeros(1, 1, 2, 2, 2)  # no structure: the voxel-wise part alone
    for p in (0.6, 0.9, 0.99):
        logits = torch.zeros(1, 2, 2, 2, 2)
        logits[:, 0] = np.log(p / (1 - p))
        plain, focal = (float(segmentation_loss(logits, shares, loss=loss)) for loss in ("dice-ce", "dice-focal"))
        assert plain == pytest.approx(-np.log(p), rel=1e-5)
        assert focal == pytest.approx(-np.log(p) * (1 - p) ** 2, rel=1e-4)


def test_what_a_lesion_is_called_is_learnt_where_there_is_one():
    """By hand: two lesions of a quarter of the sample each, called by the right name with p = 0.8, nothing else wrong.
    Cross-entropy among all voxels -ln(0.8) / 2, Dice 0.8 of each, cross-entropy of the name -ln(0.8)."""
    shares = torch.cat([sample(2), sample(4) - sample(2)], dim=1)
    logits = torch.zeros(1, 3, 8, 4, 4)
    logits[:, 0] = torch.where(shares.sum(1) > 0, -40.0, 40.0)
    logits[:, 1:] = shares * np.log(4)
    found = float(segmentation_loss(logits, shares, loss="dice-ce"))
    assert found == pytest.approx(-np.log(0.8) / 2 + 0.2 - np.log(0.8), abs=1e-5)


@pytest.mark.parametrize("slabs", [1, 3])
def test_a_name_that_is_never_given_is_still_learnt(slabs):
    """A node called a tumour with certainty: Dice and the cross-entropy of all voxels have next to no gradient there,
    that of the name pulls with the whole weight of its structure, large or small."""
    shares = torch.cat([sample(0), sample(slabs)], dim=1)
    logits = torch.zeros(1, 3, 8, 4, 4)
    logits[:, 0] = torch.where(shares.sum(1) > 0, -12.0, 12.0)
    logits[:, 1] = shares[:, 1] * 6
    logits.requires_grad_(True)
    segmentation_loss(logits, shares, loss="dice-ce").backward()
    pull = -float((logits.grad[:, 2] * shares[:, 1]).sum())
    among_all = slabs / 8
    assert pull == pytest.approx(1 + among_all, abs=0.05)


def test_the_name_of_a_lesion_waits_until_it_is_found():
    """Half found (background as likely as the two names together, which are level): half of ln 2 for each structure."""
    shares = torch.cat([sample(2), sample(4) - sample(2)], dim=1)
    logits = torch.zeros(1, 3, 8, 4, 4)
    logits[:, 0] = torch.where(shares.sum(1) > 0, float(np.log(2)), 40.0)
    found = float(segmentation_loss(logits, shares, loss="dice-ce"))
    # Cross-entropy of all voxels: half of them give the truth 1/4. Dice of each: 2 * 8 / (8 + 8 + 32).
    assert found == pytest.approx(np.log(4) / 2 + (1 - 16 / 48) + np.log(2) / 2, abs=1e-5)
