"""Image and table in one network: each is completed from what is left of it and from the intact other one; then both,
and what they mean together, become outputs.

After Xing et al. (MICCAI 2025), of whom a figure's caption and summaries are public; what they leave open is our choice
(docs/adr/0174). There is no path from the intact version of a modality to its own completion.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tumorboard.models.clinical_graph import MASKED, MISSING, ClinicalGraph, Node
from tumorboard.models.slice_depth import Lattice, SliceDepthEncoder, attend

__all__ = ["CrossCompletion", "Picture", "SurvivalFusion"]


@dataclass(frozen=True)
class Picture:
    """Patches (n, s, p, voxels) of images, which slices are no padding (n, s), and the channels that there are (n, c)
    as 0 and 1; what stands in the others should be 0."""

    patches: Tensor
    there: Tensor
    channels: Tensor


class _Reading(nn.Module):
    """Queries (n, q, width) read keys (n, k, width); a key of their own says "nothing to read", so that a row without
    any key is no special case."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query, self.norm_key = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.nothing = nn.Parameter(torch.zeros(width))
        self.drop = nn.Dropout(dropout)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, queries: Tensor, keys: Tensor, seen: Tensor) -> Tensor:
        """`seen` (n, k): which keys there are; what stands at the others does not matter."""
        n = len(queries)
        clean = torch.where(seen[:, :, None], keys, torch.zeros_like(keys))
        keys = torch.cat([self.nothing.expand(n, 1, -1), clean], dim=1)
        seen = torch.cat([torch.ones(n, 1, dtype=torch.bool), seen], dim=1)
        key, value = self.key_value(self.norm_key(keys)).chunk(2, dim=-1)
        mixed = attend(self.query(self.norm_query(queries)), key, value, heads=self.heads, seen=seen)
        queries = queries + self.drop(self.out(mixed))
        fed: Tensor = queries + self.drop(self.feed(queries))
        return fed


class CrossCompletion(nn.Module):
    """Both branches and the two completions. Either branch may be missing (None): then the other completes itself."""

    def __init__(
        self,
        *,
        image: SliceDepthEncoder | None,
        nodes: Sequence[Node],
        width: int = 48,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        looks: int = 4,
    ) -> None:
        super().__init__()
        self.image = image
        self.table = ClinicalGraph(nodes, width=width, depth=depth, heads=heads, dropout=dropout) if nodes else None
        if image is not None:
            self.mask_token = nn.Parameter(torch.zeros(width))
            self.no_channel = nn.Parameter(torch.zeros(image.channels, width))
            self.image_reads = _Reading(width, heads)
            self.to_voxels = nn.Linear(width, image.voxels)
            self.look = nn.Linear(width, looks)
            self.look_there = nn.Parameter(_middle_first(image.grid, looks))
            self.view_names = nn.Parameter(0.3 * torch.randn(looks + 1, width))
        if self.table is not None:
            self.table_reads = _Reading(width, heads, dropout)

    def image_tokens(self, picture: Picture, lattice: Lattice | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (n, k, width), and which of them there are (n, k)."""
        assert self.image is not None
        offset = (1 - picture.channels) @ self.no_channel
        tokens = self.image.encode(picture.patches, there=picture.there, lattice=lattice, offset=offset)
        seen = picture.there if lattice is None else picture.there.gather(1, lattice.slices)
        return tokens.flatten(1, 2), seen.repeat_interleave(tokens.shape[2], dim=1)

    def looks(self, tokens: Tensor, known: Tensor, lattice: Lattice | None = None) -> Tensor:
        """(n, k, looks) where the image is looked at: shares of the tokens that are there, each look's adding up to 1
        (0 where there is none)."""
        there = self.look_there[None]
        if lattice is not None:
            there = self.look_there[lattice.slices[:, :, None], lattice.places[:, None, :]]
        scores = (self.look(tokens) + there.flatten(1, 2)).masked_fill(~known[:, :, None], -1e4)
        return torch.softmax(scores, dim=1) * known[:, :, None]

    def views(self, tokens: Tensor, known: Tensor, lattice: Lattice | None = None) -> tuple[Tensor, Tensor]:
        """What of an image is read: its tokens as each look sees them and their plain mean, (n, looks + 1, width), and
        which of these there are (n, looks + 1)."""
        looked = self.looks(tokens, known, lattice).transpose(1, 2) @ tokens
        count = known.sum(dim=1)[:, None, None].clamp(min=1)
        mean = torch.where(known[:, :, None], tokens, torch.zeros_like(tokens)).sum(dim=1, keepdim=True) / count
        views = torch.cat([looked, mean], dim=1) + self.view_names
        return views, known.any(dim=1, keepdim=True).expand(-1, views.shape[1])

    def complete_image(
        self,
        picture: Picture,
        *,
        lattice: Lattice,
        shown: Tensor,
        wanted: tuple[Tensor, Tensor],
        other: Tensor | None,
        other_seen: Tensor | None,
    ) -> Tensor:
        """Predicted patches (n, q, voxels) at the `wanted` slices and places (n, q each), from the tokens of the
        `lattice` (nothing of a patient where `shown` (n,) is False) and the `other` modality's intact nodes."""
        assert self.image is not None
        tokens, seen = self.image_tokens(picture, lattice)
        keys, known = [tokens], [seen & shown[:, None]]
        if other is not None and other_seen is not None:
            keys.append(other)
            known.append(other_seen)
        queries = self.mask_token + self.image.positions(*wanted)
        read = self.image_reads(queries, torch.cat(keys, dim=1), torch.cat(known, dim=1))
        predicted: Tensor = self.to_voxels(read)
        return predicted

    def complete_table(
        self, values: Tensor, states: Tensor, *, other: Tensor | None, other_seen: Tensor | None
    ) -> Tensor:
        """Nodes (n, m + 1, width) of a table with masked cells after they have read the intact image's tokens."""
        assert self.table is not None
        nodes = self.table(values, states)
        if other is None or other_seen is None:
            other, other_seen = nodes[:, :0], torch.zeros(len(nodes), 0, dtype=torch.bool)
        completed: Tensor = self.table_reads(nodes, other, other_seen)
        return completed


class _Completer(nn.Module):
    """A copy of what completes tables, which outcomes do not change; without dropout."""

    def __init__(self, pair: CrossCompletion) -> None:
        super().__init__()
        self.table, self.reads = copy.deepcopy(pair.table), copy.deepcopy(pair.table_reads)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> _Completer:  # noqa: FBT001, FBT002 - torch's own signature
        return super().train(False)

    def forward(self, views: Tensor, seen: Tensor) -> Tensor:
        """(n, scaled cells) the table as stage 1 would complete it from an image's views alone: every cell masked."""
        assert self.table is not None
        values = views.new_zeros(len(views), len(self.table.nodes))
        with torch.no_grad():
            nodes = self.reads(self.table(values, torch.full(values.shape, MASKED)), views, seen)
            return self.table.guesses(nodes[:, :-1])


class SurvivalFusion(nn.Module):
    """A `CrossCompletion` and outputs (n, outputs) from it: what the image says, what the table says (also cell by
    cell, additively), and both together, each switched off where its side is missing. Outputs start at 0.

    Together: the image's own factors times the table's, what the table's reader takes from the image, and pairs of
    cells on a scale, one as the image alone would complete it, one as recorded. In stage 1 a completion stays at the
    mean where an image says nothing of a cell, so that few pairs should matter. Outcomes do not change these
    completions (`remember`): else they would bend them to the training patients.
    """

    def __init__(
        self, pair: CrossCompletion, *, outputs: int, width: int = 48, rank: int = 12, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.pair = pair
        self.drop = nn.Dropout(dropout)
        self.presence = nn.Parameter(torch.zeros(2, outputs))
        both = pair.image is not None and pair.table is not None
        if pair.image is not None:
            self.gather = nn.Linear(pair.view_names.numel(), width)
            self.from_image = nn.Linear(width, outputs)
        if pair.table is not None:
            self.from_table = nn.Linear(width, outputs)
            self.from_cells = nn.Parameter(torch.zeros(len(pair.table.nodes), width, outputs))
        if both:
            scaled = len(pair.table.scaled)
            self.image_factor, self.table_factor = nn.Linear(width, rank), nn.Linear(width, rank)
            self.from_both = nn.Linear(rank + width, outputs)
            self.completer = _Completer(pair)
            self.from_guesses = nn.Parameter(torch.zeros(scaled, outputs))
            self.from_pairs = nn.Parameter(torch.zeros(scaled, scaled, outputs))
        for name in ("from_image", "from_table", "from_both"):
            layer = getattr(self, name, None)
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def remember(self) -> None:
        """From now on tables are completed as they are at this moment; called when stage 1 is over."""
        if self.pair.image is not None and self.pair.table is not None:
            self.completer.table.load_state_dict(self.pair.table.state_dict())
            self.completer.reads.load_state_dict(self.pair.table_reads.state_dict())

    def forward(
        self,
        picture: Picture | None,
        values: Tensor,
        states: Tensor,
        has: Tensor,
        lattice: Lattice | None = None,
    ) -> Tensor:
        """`has` (n, 2) of 0 and 1: whether image and table are there. What is not there does not change the outputs."""
        views = None
        if self.pair.image is not None and picture is not None:
            there = picture.there & (has[:, :1] > 0)
            shown = Picture(picture.patches, there, picture.channels)
            views, _ = self.pair.views(*self.pair.image_tokens(shown, lattice), lattice)
        return self.from_views(views, values, states, has)

    def from_views(self, views: Tensor | None, values: Tensor, states: Tensor, has: Tensor) -> Tensor:
        """The same from an image's views (`CrossCompletion.views`)."""
        pair, seen_image, seen_table = self.pair, has[:, :1], has[:, 1:]
        total = has @ self.presence
        image = seen = None
        if views is not None:
            seen = (seen_image > 0).expand(-1, views.shape[1])
            views = torch.where(seen[:, :, None], views, torch.zeros_like(views))
            image = self.gather(views.flatten(1))
            total = total + self.from_image(self.drop(image)) * seen_image
        if pair.table is not None:
            states = torch.where(seen_table > 0, states, torch.full_like(states, MISSING))
            embedded = pair.table.embedded(values, states)
            total = total + torch.einsum("nmw,mwo->no", embedded, self.from_cells) * seen_table
            nodes = pair.table.exchange(embedded)
            total = total + self.from_table(self.drop(nodes[:, -1])) * seen_table
            if image is not None and views is not None and seen is not None:
                guesses = self.completer(views, seen)
                total = total + guesses @ self.from_guesses * seen_image
                read = pair.table_reads(nodes[:, -1:], views, seen)[:, 0]
                product = self.image_factor(image) * self.table_factor(nodes[:, -1])
                together = self.from_both(self.drop(torch.cat([product, read], dim=1)))
                cells = pair.table.on_scale(values, states)
                together = together + torch.einsum("ng,nc,gco->no", guesses, cells, self.from_pairs)
                total = total + together * seen_image * seen_table
        outputs: Tensor = total
        return outputs


def _middle_first(grid: tuple[int, int, int], looks: int) -> Tensor:
    """(slices, places, looks) where looks begin: the first in the patches round the middle of the crop, which is where
    a box round a lesion has it, each further one over twice the distance, the last everywhere."""
    axes = [torch.arange(size) - (size - 1) / 2 for size in grid]
    deep, high, wide = torch.meshgrid(*axes, indexing="ij")
    away = (deep.square() + high.square() + wide.square()).flatten(1)
    widths = [0.5 * 2.0**k for k in range(looks - 1)]
    return torch.stack([*(-away / (2 * width**2) for width in widths), torch.zeros_like(away)], dim=-1)
