"""Completion of one modality from the other: no path from what is hidden, and what is missing changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch

from tumorboard.models.clinical_graph import KNOWN, MASKED, MISSING, Node
from tumorboard.models.cross_completion import CrossCompletion, Picture, SurvivalFusion
from tumorboard.models.slice_depth import Lattice, SliceDepthEncoder

NODES = (Node("age", "numeric"), Node("ecog", "ordinal", 3), Node("pdl1", "numeric"))
N, S, P, V = 4, 3, 4, 32


@pytest.fixture(scope="module")
def net() -> SurvivalFusion:
    torch.manual_seed(0)
    image = SliceDepthEncoder(shape=(6, 8, 8), patch=(2, 4, 4), width=16, depth=1, heads=2)
    fusion = SurvivalFusion(CrossCompletion(image=image, nodes=NODES, width=16, depth=1, heads=2), outputs=6, width=16)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return fusion.eval()


def people() -> tuple[Picture, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    picture = Picture(torch.randn(N, S, P, V), torch.ones(N, S, dtype=torch.bool), torch.ones(N, 1))
    values = torch.stack([torch.randn(N), torch.tensor([0.0, 1.0, 2.0, 1.0]), torch.randn(N)], 1)
    return picture, values, torch.full((N, 3), KNOWN)


def lattice() -> Lattice:
    return Lattice(torch.tensor([[0, 2]]).expand(N, -1), torch.tensor([[1, 2]]).expand(N, -1))


WANTED = (torch.tensor([[1, 0, 2]]).expand(N, -1), torch.tensor([[0, 3, 0]]).expand(N, -1))


def test_trap_a_hidden_patch_does_not_reach_its_own_completion(net) -> None:
    """Reference A.d, trap 2: the gradient is exactly 0, with the other modality intact."""
    picture, values, states = people()
    patches = picture.patches.clone().requires_grad_(True)
    shown = Picture(patches, picture.there, picture.channels)
    nodes = net.pair.table(values, states)
    seen = torch.ones(nodes.shape[:2], dtype=torch.bool)
    predicted = net.pair.complete_image(
        shown, lattice=lattice(), shown=torch.ones(N, dtype=torch.bool), wanted=WANTED, other=nodes, other_seen=seen
    )
    assert predicted.shape == (N, 3, V)
    (gradient,) = torch.autograd.grad(predicted.square().sum(), patches)
    touched = gradient.abs().sum(-1) > 0
    assert not touched[:, WANTED[0][0], WANTED[1][0]].any()
    assert touched[:, [0, 0, 2, 2], [1, 2, 1, 2]].all()


def test_the_other_modality_is_read_and_an_absent_one_is_not(net) -> None:
    picture, values, states = people()
    x = values.clone().requires_grad_(True)
    everyone = torch.ones(N, dtype=torch.bool)
    for whole in (True, False):
        nodes = net.pair.table(x, states)
        seen = torch.tensor([True, True, False, False])[:, None].expand(-1, nodes.shape[1])
        predicted = net.pair.complete_image(
            picture,
            lattice=lattice(),
            shown=everyone if whole else ~everyone,
            wanted=WANTED,
            other=nodes,
            other_seen=seen,
        )
        (gradient,) = torch.autograd.grad(predicted.square().sum(), x)
        assert gradient[:2, 0].all() and not gradient[2:].any()
        assert predicted.isfinite().all()


def test_trap_a_masked_cell_does_not_reach_its_own_completion(net) -> None:
    picture, values, states = people()
    states[:, 2] = MASKED
    x = values.clone().requires_grad_(True)
    tokens, seen = net.pair.image_tokens(picture)
    nodes = net.pair.complete_table(x, states, other=tokens, other_seen=seen)
    (gradient,) = torch.autograd.grad(nodes.square().sum(), x)
    assert not gradient[:, 2].any() and gradient[:, 0].all()


def test_trap_everything_hidden_and_everything_missing_have_finite_loss_and_gradient(net) -> None:
    picture, values, states = people()
    hidden = torch.full_like(states, MASKED)
    net.zero_grad()
    alone = net.pair.complete_table(values, hidden, other=None, other_seen=None)
    loss = net.pair.table.completion_loss(alone[:, :-1], values, hidden == MASKED)
    nothing = torch.full_like(states, MISSING)
    empty = net.pair.complete_table(values, nothing, other=None, other_seen=None)
    loss = loss + net.pair.table.completion_loss(empty[:, :-1], values, nothing == MASKED)
    blank = Picture(picture.patches, torch.zeros(N, S, dtype=torch.bool), picture.channels)
    predicted = net.pair.complete_image(
        blank, lattice=lattice(), shown=torch.zeros(N, dtype=torch.bool), wanted=WANTED, other=None, other_seen=None
    )
    total = loss + predicted.square().mean()
    total.backward()
    assert total.isfinite()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def outputs(net: SurvivalFusion, has: torch.Tensor, **changed: torch.Tensor) -> torch.Tensor:
    picture, values, states = people()
    patches = changed.get("patches", picture.patches)
    return net(Picture(patches, picture.there, picture.channels), changed.get("values", values), states, has)


@pytest.mark.parametrize("gone", [0, 1])
def test_trap_what_stands_in_a_missing_modality_changes_no_bit(net, gone) -> None:
    has = torch.ones(N, 2)
    has[:, gone] = 0
    picture, values, _ = people()
    found = []
    for filler in (0.0, 1e9, float("nan")):
        spoilt = {"patches": torch.full_like(picture.patches, filler)} if gone == 0 else {}
        if gone == 1:
            spoilt = {"values": values * 0 + (0.0 if filler != filler else min(filler, 2.0))}
        found.append(outputs(net, has, **spoilt))
    assert all(torch.equal(found[0], other) for other in found[1:])
    assert (found[0] - outputs(net, torch.ones(N, 2))).abs().max() > 1e-3


def test_trap_batch_order_does_not_matter_and_slice_order_does(net) -> None:
    picture, values, states = people()
    whole = outputs(net, torch.ones(N, 2))
    order = torch.tensor([3, 1, 0, 2])
    turned = Picture(picture.patches[order], picture.there, picture.channels)
    torch.testing.assert_close(net(turned, values[order], states, torch.ones(N, 2)), whole[order], rtol=0, atol=1e-5)
    upside = Picture(picture.patches.flip(1), picture.there, picture.channels)
    assert (net(upside, values, states, torch.ones(N, 2)) - whole).abs().max() > 1e-4


def test_an_untrained_fusion_says_the_same_of_everybody() -> None:
    image = SliceDepthEncoder(shape=(6, 8, 8), patch=(2, 4, 4), width=16, depth=1, heads=2)
    fresh = SurvivalFusion(CrossCompletion(image=image, nodes=NODES, width=16, depth=1, heads=2), outputs=6, width=16)
    assert not outputs(fresh.eval(), torch.ones(N, 2)).any()


def test_where_it_looked_adds_up_to_one_over_what_is_there(net) -> None:
    picture, _, _ = people()
    there = picture.there.clone()
    there[0, 2] = False
    tokens, known = net.pair.image_tokens(Picture(picture.patches, there, picture.channels))
    looks = net.pair.looks(tokens, known)
    torch.testing.assert_close(looks.sum(1), torch.ones(N, 4))
    assert not looks.reshape(N, S, P, 4)[0, 2].any()
    some = net.pair.image_tokens(picture, lattice())
    there = net.pair.look_there[[0, 0, 2, 2], [1, 2, 1, 2]]
    expected = torch.softmax(net.pair.look(some[0]) + there, dim=1)
    torch.testing.assert_close(net.pair.looks(*some, lattice()), expected)  # each token has the place it stands at


def test_looks_begin_in_the_middle_of_the_crop_and_widen() -> None:
    image = SliceDepthEncoder(shape=(8, 16, 16), patch=(2, 4, 4), width=16, depth=1, heads=2)
    pair = CrossCompletion(image=image, nodes=(), width=16, depth=1, heads=2)
    with torch.no_grad():
        pair.look.weight.zero_()
    looks = pair.looks(torch.randn(1, 64, 16), torch.ones(1, 64, dtype=torch.bool))[0].reshape(4, 4, 4, 4)
    middle = looks[1:3, 1:3, 1:3].sum(dim=(0, 1, 2))
    assert middle[0] > 0.9 and (middle.diff() < 0).all()
    torch.testing.assert_close(looks[..., -1], torch.full((4, 4, 4), 1 / 64))


def test_what_the_image_says_of_the_table_does_not_read_the_table(net) -> None:
    """Only views of the image go in, so a recorded cell cannot come back as its own guess; without an image it is the
    same for everybody."""
    net = copy.deepcopy(net)
    picture, values, states = people()
    views, seen = net.pair.views(*net.pair.image_tokens(picture))
    net.remember()
    guesses = net.completer(views, seen)
    assert guesses.shape == (N, 3) and guesses.std(dim=0).min() > 0
    hidden = net.pair.complete_table(values * 0 + 1e6, torch.full_like(states, MASKED), other=views, other_seen=seen)
    torch.testing.assert_close(net.pair.table.guesses(hidden[:, :-1]), guesses)
    with torch.no_grad():
        net.pair.table.number_bias.add_(1.0)
    assert torch.equal(net.completer(views, seen), guesses)  # outcomes move the table's branch, not its completions
    net.zero_grad()
    net(picture, values, states, torch.ones(N, 2)).square().sum().backward()
    assert all(p.grad is None for p in net.completer.parameters())
    nobody = net.completer(views, torch.zeros_like(seen))
    assert torch.equal(nobody, nobody[:1].expand(N, -1))


def test_pairs_are_a_guess_times_a_recorded_cell_where_both_are_there() -> None:
    torch.manual_seed(2)
    image = SliceDepthEncoder(shape=(6, 8, 8), patch=(2, 4, 4), width=16, depth=1, heads=2)
    pair = CrossCompletion(image=image, nodes=NODES, width=16, depth=1, heads=2)
    fresh = SurvivalFusion(pair, outputs=6, width=16).eval()
    with torch.no_grad():
        fresh.from_pairs[0, 2, 4] = 1.0  # age as the image would complete it, PD-L1 as recorded, output 4
    picture, values, states = people()
    states[3, 2] = MISSING
    has = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = fresh(picture, values, states, has)
    guess = fresh.completer(*pair.views(*pair.image_tokens(picture)))[0, 0]
    expected = torch.zeros(N, 6)
    expected[0, 4] = guess * values[0, 2]
    torch.testing.assert_close(found, expected)
