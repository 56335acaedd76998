from __future__ import annotations

import pytest
import torch

from tumorboard.models.dual_autoencoder import LEAST_SCALE, build_dual_autoencoder, halvings


def test_both_branches_meet_in_the_bottleneck() -> None:
    torch.manual_seed(0)
    network = build_dual_autoencoder(ct_inputs=6, pet_inputs=4, widths=(4, 6, 8)).eval()
    ct, pet = torch.randn(2, 6, 16, 24), torch.randn(2, 4, 16, 24)
    mean, scale, anatomy = network(ct, pet)
    assert mean.shape == scale.shape == (2, 1, 16, 24)
    assert anatomy.shape == (2, 1, 8, 12)
    assert float(scale.detach().min()) > LEAST_SCALE * 0.999
    assert halvings((4, 6, 8)) == 2
    assert not torch.equal(network(ct, pet * 2)[2], anatomy)  # CT is completed from PET too
    assert not torch.equal(network(ct * 2, pet)[0], mean)


def test_one_branch_does_without_the_other() -> None:
    torch.manual_seed(0)
    network = build_dual_autoencoder(ct_inputs=2, pet_inputs=0, widths=(4, 4)).eval()
    ct = torch.randn(1, 2, 8, 8)
    assert torch.equal(network(ct, torch.zeros(1, 0, 8, 8))[0], network(ct, torch.ones(1, 3, 8, 8))[0])
    only_pet = build_dual_autoencoder(ct_inputs=0, pet_inputs=2, widths=(4, 4)).eval()
    assert only_pet(ct, ct)[0].shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="branch"):
        build_dual_autoencoder(ct_inputs=0, pet_inputs=0)
