"""Slice-Depth Transformer: order, padding, lattices, cost."""

from __future__ import annotations

import pytest
import torch

from tumorboard.models.slice_depth import Lattice, SliceDepthEncoder, attend, whole_lattice


def encoder(**more: object) -> SliceDepthEncoder:
    torch.manual_seed(0)
    built = SliceDepthEncoder(shape=(6, 8, 16), patch=(1, 4, 4), width=16, depth=2, heads=2, **more)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return built.eval()


@pytest.fixture(scope="module")
def net() -> SliceDepthEncoder:
    return encoder()


@pytest.fixture(scope="module")
def volumes() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 1, 6, 8, 16)


def test_patches_are_where_they_were(net, volumes) -> None:
    patches = net.patches(volumes)
    assert patches.shape == (3, 6, 8, 16) and (net.slices, net.places) == (6, 8)
    # slice 2, second row of patches, third column: rows 4-7, columns 8-11
    assert torch.equal(patches[1, 2, 1 * 4 + 2], volumes[1, 0, 2, 4:8, 8:12].reshape(-1))


def test_trap_slice_order_matters_and_batch_order_does_not(net, volumes) -> None:
    """Reference A.d, trap 4. Six slices of eight places: a swapped reshape would show."""
    tokens = net(volumes)
    turned = net(volumes[:, :, [1, 0, 2, 3, 4, 5]])
    assert (turned[:, [1, 0, 2, 3, 4, 5]] - tokens).abs().max() > 1e-3
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(net(volumes[order]), tokens[order], rtol=0, atol=1e-6)


def test_trap_a_token_is_attended_within_its_slice_then_along_depth(volumes) -> None:
    """After one block a token knows its slice, and of other slices its own place with what that place read there."""
    one = encoder().eval()
    one.blocks = one.blocks[:1]
    x = volumes[:1].clone().requires_grad_(True)
    tokens = one(x)
    (gradient,) = torch.autograd.grad(tokens[0, 2, 5].square().sum(), x)
    assert (one.patches(gradient).abs().sum(-1) > 0).all()  # through its place in each slice, everything
    # without the first attention, other slices are reached at the same place alone
    one.blocks[0].within = _Nothing()
    (gradient,) = torch.autograd.grad(one(x)[0, 2, 5].square().sum(), x)
    reached = one.patches(gradient)[0].abs().sum(-1) > 0
    assert reached[:, 5].all() and not reached[:, [0, 1, 2, 3, 4, 6, 7]].any()


class _Nothing(torch.nn.Module):
    def forward(self, x: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        return x


def test_trap_padding_with_masked_slices_leaves_the_tokens(net, volumes) -> None:
    """Reference A.d, trap 4: equal to 1e-6 whatever stands in the padding."""
    short = volumes[:, :, :4]
    for filler in (0.0, 1e6, float("nan")):
        padded = torch.cat([short, torch.full((3, 1, 2, 8, 16), filler)], dim=2)
        there = torch.tensor([True] * 4 + [False] * 2).expand(3, -1)
        torch.testing.assert_close(net(padded, there=there)[:, :4], net(short), rtol=0, atol=1e-6)


def test_a_volume_without_a_slice_gives_no_nan(net, volumes) -> None:
    tokens = net(volumes, there=torch.zeros(3, 6, dtype=torch.bool))
    assert tokens.isfinite().all()


def test_trap_what_the_lattice_leaves_out_reaches_nothing(net, volumes) -> None:
    lattice = Lattice(torch.tensor([[0, 2, 5]]).expand(3, -1), torch.tensor([[1, 6]]).expand(3, -1))
    x = volumes.clone().requires_grad_(True)
    tokens = net(x, lattice=lattice)
    assert tokens.shape == (3, 3, 2, 16)
    (gradient,) = torch.autograd.grad(tokens.square().sum(), x)
    touched = net.patches(gradient).abs().sum(-1) > 0
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[torch.tensor([[0], [2], [5]]), torch.tensor([1, 6])] = True
    assert torch.equal(touched, expected.expand(3, -1, -1))


def test_the_whole_lattice_is_the_intact_volume(net, volumes) -> None:
    torch.testing.assert_close(net(volumes, lattice=whole_lattice(3, slices=6, places=8)), net(volumes))


def test_joint_attention_has_the_same_weights_and_mixes_all_tokens(volumes) -> None:
    joint = encoder(attention="joint")
    assert {n: p.shape for n, p in joint.named_parameters()} == {n: p.shape for n, p in encoder().named_parameters()}
    assert (joint(volumes) - encoder()(volumes)).abs().max() > 1e-3


def test_attention_by_hand() -> None:
    query, key = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    value = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]]])
    seen = torch.tensor([[True, True, False]])
    weight = torch.softmax(torch.tensor([1.0, 0.0]) / 2**0.5, 0)
    expected = weight[0] * value[0, 0] + weight[1] * value[0, 1]
    torch.testing.assert_close(attend(query, key, value, heads=1, seen=seen)[0, 0], expected)


def test_patches_must_divide_the_volume() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        SliceDepthEncoder(shape=(5, 8, 8), patch=(2, 4, 4))


def test_a_patch_tells_its_mean_and_spread_by_channel() -> None:
    built = SliceDepthEncoder(channels=2, shape=(1, 2, 2), patch=(1, 2, 2), width=4, depth=1, heads=2)
    patch = torch.tensor([1.0, 3.0, 1.0, 3.0, 5.0, 5.0, 5.0, 9.0])
    torch.testing.assert_close(built.levels(patch), torch.tensor([2.0, 6.0, 1.0, 3.0**0.5]))
