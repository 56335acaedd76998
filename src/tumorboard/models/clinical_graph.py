"""Graph Transformer of a clinical table: a node per variable, learned edges, and a node that reads all others.

After T2G-Former (Yan et al. 2023), from its description: how strongly one variable reads another depends on the
patient, whether it reads it at all is learned once for all patients. A node without any edge gets a message of exactly
zero (a large negative score on a whole row would leave the softmax as it was, and the node reading everything).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["KNOWN", "MASKED", "MISSING", "ClinicalGraph", "Node", "graph_attention"]

KNOWN, MISSING, MASKED = 0, 1, 2
"""States of a cell: its value is given; nobody knows it; it is hidden in training, to be completed."""


@dataclass(frozen=True)
class Node:
    """A variable: a number, or one of `levels` levels; ordinal levels are steps up from the one below."""

    name: str
    kind: Literal["numeric", "ordinal", "categorical"]
    levels: int = 0


def graph_attention(scores: Tensor, edges: Tensor) -> Tensor:
    """Weights (n, heads, k, k) from scores of the same shape and edges (k, k) of 0 and 1: a softmax over a row's edges;
    a row without an edge is all zero. The gradient reaches `edges` where they are a straight-through estimate."""
    inside = scores.detach().masked_fill(edges.detach() < 0.5, -torch.inf).amax(dim=-1, keepdim=True)
    highest = torch.where(inside.isfinite(), inside, torch.zeros_like(inside))
    strength = edges * torch.exp((scores - highest).clamp(max=0.0))
    total = strength.sum(dim=-1, keepdim=True)
    return strength / torch.where(total > 0, total, torch.ones_like(total))


class _GraphLayer(nn.Module):
    """Messages along the edges, then a small network on every node. The last of the k nodes reads and is never read."""

    def __init__(self, nodes: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.subject = nn.Linear(width, width)
        self.relation = nn.Parameter(torch.ones(heads, width // heads))
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        size = math.ceil(2 * math.log2(nodes + 1))
        self.reads = nn.Parameter(torch.randn(nodes, size))
        self.is_read = nn.Parameter(torch.randn(nodes, size))
        self.threshold = nn.Parameter(torch.tensor(0.5))
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.drop = nn.Dropout(dropout)
        possible = 1 - torch.eye(nodes)
        possible[:, -1] = 0.0
        self.register_buffer("possible", possible, persistent=False)

    def edges(self) -> Tensor:
        """(k, k) of 0 and 1: row reads column. Hard forwards, the sigmoid's gradient backwards."""
        normal = nn.functional.normalize
        soft = torch.sigmoid(normal(self.reads, dim=1) @ normal(self.is_read, dim=1).T + self.threshold)
        hard = (soft > 0.5).to(soft.dtype)
        return (hard + soft - soft.detach()) * self.possible

    def weights(self, x: Tensor) -> Tensor:
        """(n, heads, k, k): how much of its message a row takes from a column."""
        n, k, width = x.shape
        parts = self.subject(self.norm(x)).reshape(n, k, self.heads, -1).transpose(1, 2)
        scores = (parts * self.relation[:, None]) @ parts.transpose(2, 3) / math.sqrt(width // self.heads)
        return graph_attention(scores, self.edges())

    def forward(self, x: Tensor) -> Tensor:
        n, k, width = x.shape
        values = self.value(self.norm(x)).reshape(n, k, self.heads, -1).transpose(1, 2)
        message = (self.weights(x) @ values).transpose(1, 2).reshape(n, k, width)
        x = x + self.drop(self.out(message))
        fed: Tensor = x + self.drop(self.feed(x))
        return fed


class ClinicalGraph(nn.Module):
    """From values (n, m) and states (n, m) to nodes (n, m + 1, width); the last node has read the others.

    A value is a number, or the number of a level. What stands in a cell that is missing or masked is never looked at:
    NaN, 0 and 1e9 give the same bits.
    """

    def __init__(
        self, nodes: Sequence[Node], *, width: int = 48, depth: int = 2, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.nodes = tuple(nodes)
        m = len(self.nodes)
        self.numeric = [j for j, node in enumerate(self.nodes) if node.kind == "numeric"]
        first, kinds, total = [], [], 0
        for node in self.nodes:
            first.append(total)
            count = 0 if node.kind == "numeric" else node.levels
            kinds.append(torch.ones(count, count).tril() if node.kind == "ordinal" else torch.eye(count))
            total += count
        self.register_buffer("first", torch.tensor(first), persistent=False)
        self.register_buffer("is_number", torch.tensor([n.kind == "numeric" for n in self.nodes]), persistent=False)
        self.register_buffer("climb", torch.block_diag(*kinds) if total else torch.zeros(0, 0), persistent=False)
        self.scaled = [j for j, node in enumerate(self.nodes) if node.kind != "categorical"]
        middle = torch.tensor([(n.levels - 1) / 2 if n.kind == "ordinal" else 0.0 for n in self.nodes])
        self.register_buffer("middle", middle, persistent=False)
        self.slope = nn.Parameter(0.3 * torch.randn(m, width))
        self.steps = nn.Parameter(0.3 * torch.randn(total, width))
        self.column = nn.Parameter(0.3 * torch.randn(m, width))
        self.states = nn.Parameter(0.3 * torch.randn(2, width))
        self.reader = nn.Parameter(0.3 * torch.randn(width))
        self.layers = nn.ModuleList(_GraphLayer(m + 1, width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.number_heads = nn.Parameter(0.05 * torch.randn(m, width))
        self.number_bias = nn.Parameter(torch.zeros(m))
        self.level_heads = nn.Parameter(0.05 * torch.randn(total, width))
        self.level_bias = nn.Parameter(torch.zeros(total))

    def embedded(self, values: Tensor, states: Tensor) -> Tensor:
        """Nodes (n, m, width) before they exchange anything; a number's is linear in it."""
        known = states == KNOWN
        clean = torch.where(known, values, torch.zeros_like(values))
        nodes = clean[:, :, None] * self.slope
        if len(self.steps):
            table = self.climb @ self.steps
            rows = (self.first + torch.where(self.is_number, torch.zeros_like(clean), clean).long()).clamp(
                max=len(table) - 1
            )
            nodes = torch.where(self.is_number[:, None], nodes, table[rows])
        hidden = self.states[(states - 1).clamp(min=0)]
        return torch.where(known[:, :, None], nodes, hidden) + self.column

    def forward(self, values: Tensor, states: Tensor) -> Tensor:
        return self.exchange(self.embedded(values, states))

    def exchange(self, embedded: Tensor) -> Tensor:
        """Nodes (n, m + 1, width) after all layers."""
        x = torch.cat([embedded, self.reader.expand(len(embedded), 1, -1)], dim=1)
        for layer in self.layers:
            x = layer(x)
        nodes: Tensor = self.norm(x)
        return nodes

    def completion_loss(self, nodes: Tensor, values: Tensor, masked: Tensor) -> Tensor:
        """Mean loss of the entries that are `masked` (n, m): squared error of standardised numbers, cross-entropy of
        levels. `nodes` (n, m, width). 0 where nothing is masked; only entries whose value is known may be masked."""
        numbers = masked & self.is_number
        clean = torch.where(masked, values, torch.zeros_like(values))
        guess = (nodes * self.number_heads).sum(-1) + self.number_bias
        total = torch.where(numbers, (guess - clean) ** 2, torch.zeros_like(guess)).sum()
        for j in [j for j in range(len(self.nodes)) if j not in set(self.numeric)]:
            rows = masked[:, j]
            if bool(rows.any()):
                logits = self.level_logits(nodes[rows, j], j)
                total = total + nn.functional.cross_entropy(logits, clean[rows, j].long(), reduction="sum")
        return total / masked.sum().clamp(min=1)

    def on_scale(self, values: Tensor, states: Tensor) -> Tensor:
        """(n, scaled) the cells that are numbers or steps, steps counted from their middle; 0 where not known."""
        clean = torch.where(states == KNOWN, values - self.middle, torch.zeros_like(values))
        return clean[:, self.scaled]

    def guesses(self, nodes: Tensor) -> Tensor:
        """(n, scaled) what completed nodes (n, m, width) say of the same cells: of steps, the expected one."""
        numbers = (nodes * self.number_heads).sum(-1) + self.number_bias
        found = []
        for j in self.scaled:
            levels = self.nodes[j].levels
            steps = torch.arange(levels, dtype=nodes.dtype)
            of_steps = torch.softmax(self.level_logits(nodes[:, j], j), dim=-1) @ steps if levels else numbers[:, j]
            found.append(of_steps - self.middle[j])
        return torch.stack(found, dim=1) if found else numbers[:, :0]

    def level_logits(self, node: Tensor, j: int) -> Tensor:
        """(n, levels) of the variable j from its node (n, width)."""
        mine = slice(int(self.first[j]), int(self.first[j]) + self.nodes[j].levels)
        return node @ self.level_heads[mine].T + self.level_bias[mine]

    def edges(self) -> Tensor:
        """(layers, m + 1, m + 1) of 0 and 1: row reads column; the last row is the reader."""
        return torch.stack([layer.edges().detach().round() for layer in self.layers])

    def readings(self, values: Tensor, states: Tensor) -> Tensor:
        """(n, layers, m + 1, m + 1) weights of every patient, mean over heads."""
        x = torch.cat([self.embedded(values, states), self.reader.expand(len(values), 1, -1)], dim=1)
        found = []
        for layer in self.layers:
            found.append(layer.weights(x).mean(dim=1))
            x = layer(x)
        return torch.stack(found, dim=1)
