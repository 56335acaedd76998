"""The clinical graph: pruned rows, missing and masked cells, what enters the loss."""

from __future__ import annotations

import pytest
import torch

from tumorboard.models.clinical_graph import KNOWN, MASKED, MISSING, ClinicalGraph, Node, graph_attention

NODES = (
    Node("age", "numeric"),
    Node("ecog", "ordinal", 3),
    Node("histology", "categorical", 4),
    Node("nlr", "numeric"),
)


@pytest.fixture(scope="module")
def net() -> ClinicalGraph:
    torch.manual_seed(0)
    return ClinicalGraph(NODES, width=16, depth=2, heads=2).eval()


def cells() -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.tensor([[0.3, 2.0, 1.0, -1.2], [1.1, 0.0, 3.0, 0.4]])
    return values, torch.full(values.shape, KNOWN)


def test_trap_a_row_without_edges_takes_nothing() -> None:
    """Reference A.d, trap 1: -10000 on the whole row would give .149, .033, .817 here, as if nothing were pruned."""
    scores = torch.tensor([[[[1.0, -0.5, 2.7], [0.0, 1.0, 2.0], [3.0, 1.0, 0.0]]]])
    edges = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    weights = graph_attention(scores, edges)[0, 0]
    assert torch.equal(weights[0], torch.zeros(3))
    assert torch.softmax(scores[0, 0, 0] - 10000.0, 0).tolist() == pytest.approx([0.149, 0.033, 0.817], abs=1e-3)
    expected = torch.softmax(torch.tensor([0.0, 2.0]), 0)
    torch.testing.assert_close(weights[1], torch.tensor([expected[0], 0.0, expected[1]]))
    torch.testing.assert_close(weights[2], torch.tensor([0.0, 1.0, 0.0]))


def test_pruned_rows_give_no_message_in_a_layer_and_no_nan_in_the_gradient(net) -> None:
    layer = ClinicalGraph(NODES, width=16, depth=1, heads=2).eval().layers[0]
    with torch.no_grad():
        layer.threshold.fill_(-9.0)  # nobody reads anybody
    assert not layer.edges().any()
    x = torch.randn(2, 5, 16, requires_grad=True)
    assert not layer.weights(x).any()
    layer(x).square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    assert layer.reads.grad is not None and layer.reads.grad.isfinite().all()


def test_nobody_reads_the_reader_or_itself_and_edges_learn(net) -> None:
    edges = net.edges()
    assert edges.shape == (2, 5, 5) and set(edges.unique().tolist()) <= {0.0, 1.0}
    assert not edges[:, :, -1].any() and not torch.diagonal(edges, dim1=1, dim2=2).any()
    values, states = cells()
    net.zero_grad()
    net(values, states)[:, -1].square().sum().backward()
    assert net.layers[1].reads.grad.abs().sum() > 0
    readings = net.readings(values, states)
    assert readings.shape == (2, 2, 5, 5)
    torch.testing.assert_close(readings.sum(-1), (edges.sum(-1) > 0).float().expand(2, -1, -1))


def test_trap_missing_is_bit_equal_whatever_stands_in_the_cell(net) -> None:
    """Reference A.d, trap 3."""
    values, states = cells()
    states[0, 0] = states[0, 2] = MISSING
    states[1, 3] = MASKED
    found = []
    for filler in (0.0, 1e9, float("nan"), -3.0):
        spoilt = values.clone()
        spoilt[0, 0] = spoilt[0, 2] = spoilt[1, 3] = filler
        found.append(net(spoilt, states))
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_trap_missing_masked_and_zero_are_three_things(net) -> None:
    values, states = cells()
    values[0, 0] = 0.0
    outputs = []
    for state in (KNOWN, MISSING, MASKED):
        changed = states.clone()
        changed[0, 0] = state
        outputs.append(net(values, changed)[0, -1])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (outputs[i] - outputs[j]).abs().max() > 1e-4


def test_trap_no_gradient_from_a_masked_value_and_no_loss_of_others(net) -> None:
    """Reference A.d, trap 2, for the table."""
    values, states = cells()
    states[0, 3] = MASKED
    masked = states == MASKED
    x = values.clone().requires_grad_(True)
    nodes = net(x, states)
    (gradient,) = torch.autograd.grad(nodes.square().sum(), x)
    assert gradient[0, 3] == 0 and gradient[1, 3] != 0
    loss = net.completion_loss(nodes[:, :-1], values, masked)
    guess = (nodes[0, 3] * net.number_heads[3]).sum() + net.number_bias[3]
    torch.testing.assert_close(loss, (guess - values[0, 3]) ** 2)
    spoilt = values.clone()
    spoilt[~masked] = float("nan")
    torch.testing.assert_close(net.completion_loss(nodes[:, :-1], spoilt, masked), loss)
    assert net.completion_loss(nodes[:, :-1], values, torch.zeros_like(masked)) == 0


def test_levels_cost_their_cross_entropy(net) -> None:
    values, states = cells()
    nodes = net(values, states)[:, :-1]
    masked = torch.zeros_like(states, dtype=torch.bool)
    masked[1, 2] = True
    expected = -torch.log_softmax(net.level_logits(nodes[[1], 2], 2), -1)[0, 3]
    torch.testing.assert_close(net.completion_loss(nodes, values, masked), expected)
    assert net.level_logits(nodes[:, 1], 1).shape == (2, 3)


def test_ordinal_levels_climb_and_a_number_is_linear(net) -> None:
    values, states = cells()
    rows = []
    for level in range(3):
        values[0, 1] = level
        rows.append(net.embedded(values, states)[0, 1])
    start = int(net.first[1])
    torch.testing.assert_close(rows[2] - rows[1], net.steps[start + 2])
    torch.testing.assert_close(rows[1] - rows[0], net.steps[start + 1])
    low, middle, high = values.clone(), values.clone(), values.clone()
    low[0, 0], middle[0, 0], high[0, 0] = -1.0, 0.0, 1.0
    ends = net.embedded(low, states)[0, 0] + net.embedded(high, states)[0, 0]
    torch.testing.assert_close(ends, 2 * net.embedded(middle, states)[0, 0])


def test_a_table_of_numbers_alone_works() -> None:
    torch.manual_seed(0)
    numbers = ClinicalGraph([Node("a", "numeric"), Node("b", "numeric")], width=8, depth=1, heads=2)
    nodes = numbers(torch.randn(3, 2), torch.zeros(3, 2, dtype=torch.long))
    assert nodes.shape == (3, 3, 8) and nodes.isfinite().all()


def test_cells_on_a_scale_and_what_is_guessed_of_them(net) -> None:
    """Numbers as they are, steps from their middle, levels without an order left out."""
    assert [NODES[j].kind for j in net.scaled] == [n.kind for n in NODES if n.kind != "categorical"]
    values, states = cells()
    states[1, 3], values[1, 3] = MISSING, float("nan")
    place = {NODES[j].name: i for i, j in enumerate(net.scaled)}
    found, guessed = net.on_scale(values, states), net.guesses(net(values, states)[:, :-1])
    assert found.shape == guessed.shape == (2, len(net.scaled)) and guessed.isfinite().all()
    for j in net.scaled:
        i, middle = place[NODES[j].name], (NODES[j].levels - 1) / 2 if NODES[j].levels else 0.0
        assert found[0, i] == values[0, j] - middle
        if NODES[j].levels:
            assert guessed[:, i].abs().max() <= middle
    assert found[1, place[NODES[3].name]] == 0
