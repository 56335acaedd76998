"""The fusion network: what is missing cannot speak, one patient alone is enough, and it learns."""

from __future__ import annotations

import torch

from tumorboard.engine.loop import seeded
from tumorboard.models.fusion import fusion_network, withhold
from tumorboard.models.image_encoder import image_encoder


def network(channels: int = 2, columns: int = 3, outputs: int = 4) -> torch.nn.Module:
    with seeded(0):
        return fusion_network(channels=channels, columns=columns, outputs=outputs, width=4, features=8).eval()


def batch(n: int = 5, channels: int = 2, columns: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    crops = torch.rand((n, channels, 8, 8, 8), generator=random)
    return crops, torch.randn((n, columns), generator=random), torch.ones((n, channels + 1))


def test_trap_what_stands_in_a_missing_place_does_not_matter() -> None:
    """Reference A.d, traps 2 and 3: bit-equal outputs and a gradient of exactly zero, NaN included."""
    model = network()
    crops, table, has = batch()
    has[:, 0], has[:, 2] = 0, 0
    expected = model(crops, table, has)
    for filler in (0.0, 1e9, float("nan")):
        other, cells = crops.clone(), torch.full_like(table, filler)
        other[:, 0] = filler
        assert torch.equal(model(other, cells, has), expected)
    crops.requires_grad_()
    table.requires_grad_()
    model(crops, table, has).sum().backward()
    assert crops.grad[:, 0].abs().max() == 0 and table.grad.abs().max() == 0
    assert crops.grad[:, 1].abs().max() > 0


def test_missing_is_not_zero_and_patients_do_not_touch_each_other() -> None:
    model = network()
    crops, table, has = batch()
    zeroed = crops.clone()
    zeroed[:, 0] = 0
    missing = has.clone()
    missing[:, 0] = 0
    assert not torch.allclose(model(zeroed, table, has), model(zeroed, table, missing))
    together = model(crops, table, has)
    alone = torch.cat([model(crops[i : i + 1], table[i : i + 1], has[i : i + 1]) for i in range(len(crops))])
    assert torch.allclose(together, alone, atol=1e-5)


def test_either_side_alone_is_a_network() -> None:
    crops, table, has = batch()
    assert network(channels=0)(crops[:, :0], table, has[:, 2:]).shape == (5, 4)
    assert network(columns=0)(crops, table[:, :0], has).shape == (5, 4)
    assert image_encoder(2, width=4, features=6)(crops).shape == (5, 6)


def test_withholding_never_takes_everything_nor_gives_anything() -> None:
    random = torch.Generator().manual_seed(2)
    has = torch.tensor([[1.0, 0.0, 1.0]] * 400 + [[0.0, 0.0, 1.0]] * 100)
    left = withhold(has, channels=2, rate=0.5, draw=torch.rand((500, 4), generator=random))
    assert (left.sum(dim=1) > 0).all() and (left <= has).all()
    assert (left[400:] == has[400:]).all()
    assert 0.2 < float((left[:400, 0] == 0).float().mean()) < 0.8
