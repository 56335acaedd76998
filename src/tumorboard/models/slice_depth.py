"""Slice-Depth Transformer: a volume as tokens of 3-D patches that attend within their slice, then along depth.

After Xing et al. (MICCAI 2025), of whose network only the idea is public; sizes, positions and masking are our choices
(docs/adr/0173). A token sees first the tokens of its slice (or slab of slices), then those at the same in-plane place
in the other slices; so cost grows linearly with the slices' tokens, not with their square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["Lattice", "SliceDepthEncoder", "attend", "whole_lattice"]


@dataclass(frozen=True)
class Lattice:
    """The tokens that are shown: `slices` (n, s) and in-plane `places` (n, p), both ascending numbers; every shown
    place of every shown slice. What is left out never enters the network."""

    slices: Tensor
    places: Tensor


def whole_lattice(n: int, *, slices: int, places: int) -> Lattice:
    """All tokens of n volumes."""
    return Lattice(torch.arange(slices).expand(n, -1), torch.arange(places).expand(n, -1))


def attend(query: Tensor, key: Tensor, value: Tensor, *, heads: int, seen: Tensor | None = None) -> Tensor:
    """Attention of several heads: query (b, q, width), key and value (b, k, width) -> (b, q, width). `seen` (b, k) says
    which keys there are; every row needs one."""
    b, q, width = query.shape
    parts = [x.reshape(b, -1, heads, width // heads).transpose(1, 2) for x in (query, key, value)]
    mask = None if seen is None else seen[:, None, None, :]
    mixed = scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
    return mixed.transpose(1, 2).reshape(b, q, width)


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        query, key, value = self.into(self.norm(x)).chunk(3, dim=-1)
        mixed: Tensor = x + self.out(attend(query, key, value, heads=self.heads, seen=seen))
        return mixed


class _Block(nn.Module):
    """Attention twice, then a small network on every token. `joint`: both times over all tokens, for comparison."""

    def __init__(self, width: int, heads: int, *, joint: bool) -> None:
        super().__init__()
        self.joint = joint
        self.within = _SelfAttention(width, heads)
        self.along = _SelfAttention(width, heads)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """x (n, s, p, width), `there` (n, s)."""
        n, s, p, width = x.shape
        if self.joint:
            seen = there.repeat_interleave(p, dim=1)
            x = self.along(self.within(x.reshape(n, s * p, width), seen), seen).reshape(n, s, p, width)
        else:
            x = self.within(x.reshape(n * s, p, width)).reshape(n, s, p, width)
            deep = x.transpose(1, 2).reshape(n * p, s, width)
            seen = None if bool(there.all()) else there.repeat_interleave(p, dim=0)
            x = self.along(deep, seen).reshape(n, p, s, width).transpose(1, 2)
        fed: Tensor = x + self.feed(x)
        return fed


class SliceDepthEncoder(nn.Module):
    """From volumes (n, channels, slices, rows, columns) to tokens (n, s, p, width).

    `shape` of the volumes in voxels and `patch` of a token (slices, rows, columns), which must divide it. The same
    weights serve the intact volume and any lattice of it.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        shape: tuple[int, int, int] = (24, 96, 96),
        patch: tuple[int, int, int] = (2, 16, 16),
        width: int = 48,
        depth: int = 2,
        heads: int = 4,
        attention: Literal["factorised", "joint"] = "factorised",
    ) -> None:
        super().__init__()
        if any(size % edge for size, edge in zip(shape, patch, strict=True)):
            raise ValueError(f"patches of {patch} do not divide volumes of {shape}")
        self.patch, self.channels = patch, channels
        self.grid = (shape[0] // patch[0], shape[1] // patch[1], shape[2] // patch[2])
        self.voxels = channels * patch[0] * patch[1] * patch[2]
        self.embed = nn.Linear(self.voxels, width)
        self.level = nn.Linear(2 * channels, width)
        self.slice_position = nn.Parameter(_waves(self.grid[0], width))
        rows, columns = _waves(self.grid[1], width // 2), _waves(self.grid[2], width - width // 2)
        plane = [torch.cat([row, column]) for row in rows for column in columns]
        self.place_position = nn.Parameter(torch.stack(plane))
        self.blocks = nn.ModuleList(_Block(width, heads, joint=attention == "joint") for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    @property
    def slices(self) -> int:
        """Tokens along depth."""
        return self.grid[0]

    @property
    def places(self) -> int:
        """Tokens in a slice."""
        return self.grid[1] * self.grid[2]

    def patches(self, volumes: Tensor) -> Tensor:
        """(n, channels, slices, rows, columns) -> (n, s, p, voxels of a patch). Fewer slices than the network has
        positions for are fine."""
        n, channels, slices, rows, columns = volumes.shape
        deep, high, wide = self.patch
        x = volumes.reshape(n, channels, slices // deep, deep, rows // high, high, columns // wide, wide)
        return x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(n, slices // deep, -1, channels * deep * high * wide)

    def levels(self, patches: Tensor) -> Tensor:
        """Mean and spread of every channel in a patch, (..., 2 channels): how dense it is need not be found among the
        voxels' weights."""
        parts = patches.unflatten(-1, (self.channels, -1))
        mean = parts.mean(dim=-1)
        square = parts.square().mean(dim=-1)
        return torch.cat([mean, (square - mean.square()).clamp(min=1e-6).sqrt()], dim=-1)

    def positions(self, slices: Tensor, places: Tensor) -> Tensor:
        """Position vectors (..., width) of tokens by their slice and place."""
        return self.slice_position[slices] + self.place_position[places]

    def forward(self, volumes: Tensor, *, there: Tensor | None = None, lattice: Lattice | None = None) -> Tensor:
        """Tokens (n, s, p, width) of all of the volumes or of a lattice. `there` (n, slices of tokens) is False where
        slices are padding: what stands there does not reach the other tokens. A volume without any slice gives tokens
        without a meaning (never NaN)."""
        return self.encode(self.patches(volumes), there=there, lattice=lattice)

    def encode(
        self,
        patches: Tensor,
        *,
        there: Tensor | None = None,
        lattice: Lattice | None = None,
        offset: Tensor | None = None,
    ) -> Tensor:
        """The same from `patches` (n, s, p, voxels) of any precision; `offset` (n, width) is added to all tokens of a
        volume."""
        n, slices, places, _ = patches.shape
        if there is None:
            there = torch.ones(n, slices, dtype=torch.bool)
        chosen = lattice or whole_lattice(n, slices=slices, places=places)
        if lattice is not None:
            patches = shown(patches, lattice)
            there = there.gather(1, lattice.slices)
        clean = torch.where(there[:, :, None, None], patches, torch.zeros_like(patches))
        there = there | ~there.any(dim=1, keepdim=True)
        values = clean.to(self.embed.weight.dtype)
        x = self.embed(values) + self.level(self.levels(values))
        x = x + self.positions(chosen.slices[:, :, None], chosen.places[:, None, :])
        if offset is not None:
            x = x + offset[:, None, None]
        for block in self.blocks:
            x = block(x, there)
        tokens: Tensor = self.norm(x)
        return tokens


def shown(patches: Tensor, lattice: Lattice) -> Tensor:
    """Patches (n, s', p', voxels) of a lattice."""
    n = torch.arange(len(patches))[:, None, None]
    return patches[n, lattice.slices[:, :, None], lattice.places[:, None, :]]


def _waves(count: int, width: int) -> Tensor:
    """Sines and cosines of `count` positions (Vaswani et al. 2017) as a start; the network may move them."""
    place = torch.arange(count, dtype=torch.float32)[:, None]
    rates = torch.exp(-torch.arange(0, width, 2) * 4.0 / width)
    angles = place * rates
    return 0.5 * torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(count, -1)[:, :width]
