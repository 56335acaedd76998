"""The two stages of masked cross-modality learning: completion of what is hidden, then the outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.schedule import TrainingPlan
from tumorboard.tasks.features.slab import SlabSettings
from tumorboard.tasks.prognosis.models.joint import Endpoints
from tumorboard.tasks.prognosis.models.masked_inputs import KNOWN, Inputs

if TYPE_CHECKING:
    from torch import Tensor

    from tumorboard.models.clinical_graph import Node
    from tumorboard.models.cross_completion import Picture
    from tumorboard.models.slice_depth import Lattice

__all__ = [
    "MaskedSettings",
    "Truth",
    "all_views",
    "build_network",
    "picture_of",
    "pretrain",
    "random_lattice",
    "seen_anew",
]

Bools = NDArray[np.bool_]
_AT_ONCE = 32
MASKED = 2
"""As in `models.clinical_graph`."""


@dataclass(frozen=True)
class MaskedSettings:
    """Sizes and training; recorded with a model. Shares are of what is left visible.

    `pairing`: in stage 1 the other modality is the patient's own (``paired``), nobody's (``none``: each modality by
    itself) or another patient's (``shuffled``, a control). `hide_all`: chance that the completed modality is hidden
    whole, `no_other`: that the intact one is; never both. `intact`: share of an intact image's places that one step
    looks at. `table_steps`: stage 1 then goes on with tables alone, completed from images' views as they are. `mirror`:
    images are also learned from in mirror image. Stage 2: `steps` on views of whole images, then the share `together`
    of as many in which the image's branch learns too, at `together_rate` of the learning rate, from the share
    `seen_in_training` of its places. `withhold`: chance that stage 2 does without the image, or without the table.
    """

    slab: SlabSettings = field(default_factory=SlabSettings)
    image: bool = True
    table: bool = True
    patch: tuple[int, int, int] = (4, 8, 8)
    width: int = 32
    depth: int = 1
    heads: int = 2
    dropout: float = 0.1
    pairing: Literal["paired", "none", "shuffled"] = "paired"
    pretraining_steps: int = 150
    table_steps: int = 600
    visible_slices: float = 0.5
    visible_places: float = 0.5
    intact: float = 0.35
    cells_masked: float = 0.4
    hide_all: float = 0.3
    no_other: float = 0.15
    predicted_patches: int = 48
    batch: int = 24
    steps: int = 160
    together: float = 0.2
    together_rate: float = 0.3
    seen_in_training: float = 0.5
    withhold: float = 0.15
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    mirror: bool = True
    likelihood: Literal["hazard", "cox"] = "hazard"

    @property
    def together_steps(self) -> int:
        return round(self.together * self.steps) if self.image else 0

    @property
    def all_steps(self) -> int:
        """Of both stages, where there are images and tables."""
        return self.pretraining_steps + self.table_steps + self.steps + self.together_steps


@dataclass(frozen=True)
class Truth:
    """Outcomes of n patients for several endpoints: (event, time_days) by name, NaN where unknown."""

    endpoints: Endpoints
    known: Mapping[str, tuple[Bools, NDArray[np.float64]]]


def build_network(nodes: list[Node], *, channels: int, outputs: int, settings: MaskedSettings) -> Any:
    """A `SurvivalFusion` of both branches, or of the one there is; untrained."""
    from tumorboard.models.cross_completion import CrossCompletion, SurvivalFusion
    from tumorboard.models.slice_depth import SliceDepthEncoder

    common = {"width": settings.width, "depth": settings.depth, "heads": settings.heads}
    image = (
        SliceDepthEncoder(channels=channels, shape=settings.slab.shape, patch=settings.patch, **common)
        if channels
        else None
    )
    pair = CrossCompletion(image=image, nodes=nodes, dropout=settings.dropout, **common)
    return SurvivalFusion(pair, outputs=outputs, width=settings.width)


def picture_of(inputs: Inputs) -> Picture:
    """Tensors of the images of `inputs`."""
    import torch

    from tumorboard.models.cross_completion import Picture

    assert inputs.patches is not None
    inside, channels = torch.from_numpy(inputs.inside), torch.from_numpy(inputs.channels)
    return Picture(torch.from_numpy(inputs.patches), inside, channels)


def random_lattice(
    random: np.random.Generator, n: int, *, grid: tuple[int, int], shares: tuple[float, float]
) -> Lattice:
    """For each of n volumes its own slices and places, `shares` of the `grid` (slices, places)."""
    import torch

    from tumorboard.models.slice_depth import Lattice

    chosen = []
    for count, share in zip(grid, shares, strict=True):
        kept = max(1, round(share * count))
        order = np.argsort(random.random((n, count)), axis=1)[:, :kept]
        chosen.append(torch.from_numpy(np.sort(order, axis=1)))
    return Lattice(chosen[0], chosen[1])


def hidden_tokens(
    random: np.random.Generator, lattice: Lattice, *, grid: tuple[int, int], count: int
) -> tuple[Tensor, Tensor]:
    """`count` tokens (slices, places), each (n, count), that the lattice does not show."""
    import torch

    n = len(lattice.slices)
    visible = np.zeros((n, *grid), bool)
    rows = np.arange(n)[:, None, None]
    visible[rows, lattice.slices.numpy()[:, :, None], lattice.places.numpy()[:, None, :]] = True
    keys = random.random((n, grid[0] * grid[1])) + visible.reshape(n, -1)
    hidden = grid[0] * grid[1] - int(visible[0].sum())
    order = np.argsort(keys, axis=1)[:, : min(count, hidden)]
    return torch.from_numpy(order // grid[1]), torch.from_numpy(order % grid[1])


def pretrain(network: Any, inputs: Inputs, settings: MaskedSettings, *, seed: int) -> None:
    """Stage 1 in place: each step completes one modality of a batch. Losses are of hidden entries alone; what is hidden
    reaches its own completion by no path."""
    _pretrain(network, inputs, settings, seed=seed)
    network.remember()


def _pretrain(network: Any, inputs: Inputs, settings: MaskedSettings, *, seed: int) -> None:
    """As `pretrain`."""
    from tumorboard.engine.loop import fit

    kinds = [
        kind for kind, there in (("image", network.pair.image), ("table", network.pair.table)) if there is not None
    ]
    able = {kind: np.flatnonzero(inputs.has[:, place] > 0) for place, kind in enumerate(("image", "table"))}
    kinds = [kind for kind in kinds if len(able[kind])]
    if not kinds or not settings.pretraining_steps:
        return

    def draw(random: np.random.Generator) -> Any:
        kind = kinds[int(random.integers(len(kinds)))]
        index = random.choice(able[kind], size=min(settings.batch, len(able[kind])), replace=False)
        mine = seen_anew(inputs.part(index), network, settings, random)
        theirs = mine
        if settings.pairing == "shuffled":
            theirs = seen_anew(inputs.part(random.permutation(index)), network, settings, random)
        return kind, mine, theirs, random

    def loss_of(module: Any, batch: Any) -> Any:
        kind, mine, theirs, random = batch
        work = _complete_image if kind == "image" else _complete_table
        return work(module.pair, mine, theirs, settings, random)

    plan = TrainingPlan(
        settings.pretraining_steps, seed, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay,
        warmup_steps=20, schedule="cosine", precision="float32", ema_decay=None,
    )  # fmt: skip
    network.load_state_dict(fit(network, plan, draw=draw, loss_of=loss_of).weights)
    if settings.table_steps and len(kinds) == 2:
        _complete_tables(network, inputs, able["table"], settings, seed=seed + 2)


def _complete_tables(
    network: Any, inputs: Inputs, able: NDArray[np.int64], settings: MaskedSettings, *, seed: int
) -> None:
    """Stage 1 goes on, in place: tables are completed from views of whole images that stay as they are, which costs
    little; of the images themselves and mirrored, by turns."""
    from tumorboard.engine.loop import fit

    sides = all_views(network, inputs, settings, seed)

    def draw(random: np.random.Generator) -> Any:
        index = random.choice(able, size=min(2 * settings.batch, len(able)), replace=False)
        theirs = random.permutation(index) if settings.pairing == "shuffled" else index
        return index, theirs, sides[int(random.integers(len(sides)))], random

    def loss_of(module: Any, batch: Any) -> Any:
        index, theirs, views, random = batch
        there = inputs.has[theirs, 0]
        return _table_loss(module.pair, inputs.part(index), there, views[theirs], settings, random)

    plan = TrainingPlan(
        settings.table_steps, seed, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay,
        warmup_steps=10, schedule="cosine", precision="float32", ema_decay=0.97,
    )  # fmt: skip
    network.load_state_dict(fit(network, plan, draw=draw, loss_of=loss_of).weights)


def seen_anew(inputs: Inputs, network: Any, settings: MaskedSettings, random: np.random.Generator) -> Inputs:
    encoder = network.pair.image
    return inputs.mirrored(random, encoder.grid, settings.patch) if settings.mirror and encoder is not None else inputs


def _absences(
    random: np.random.Generator, n: int, other: NDArray[Any], settings: MaskedSettings
) -> tuple[Bools, Bools]:
    """Who shows nothing of the completed modality, and whose other modality is left out; never both."""
    there = (other > 0) & (settings.pairing != "none")
    chance = random.random(n)
    return (chance < settings.hide_all) & there, ~there | (chance > 1 - settings.no_other)


def _complete_image(
    pair: Any, mine: Inputs, theirs: Inputs, settings: MaskedSettings, random: np.random.Generator
) -> Tensor:
    import torch

    picture, grid = picture_of(mine), (pair.image.slices, pair.image.places)
    lattice = random_lattice(random, len(mine), grid=grid, shares=(settings.visible_slices, settings.visible_places))
    wanted = hidden_tokens(random, lattice, grid=grid, count=settings.predicted_patches)
    whole, alone = _absences(random, len(mine), theirs.has[:, 1], settings)
    nodes = seen = None
    if pair.table is not None and not alone.all():
        nodes = pair.table(torch.from_numpy(theirs.values), torch.from_numpy(theirs.states))
        seen = torch.from_numpy(~alone)[:, None].expand(-1, nodes.shape[1])
    predicted = pair.complete_image(
        picture, lattice=lattice, shown=torch.from_numpy(~whole), wanted=wanted, other=nodes, other_seen=seen
    )
    rows = torch.arange(len(mine))[:, None]
    error = ((predicted - picture.patches[rows, wanted[0], wanted[1]].to(predicted.dtype)) ** 2).mean(dim=2)
    counts = picture.there.gather(1, wanted[0]).to(error.dtype)
    return (error * counts).sum() / counts.sum().clamp(min=1)


def _complete_table(
    pair: Any, mine: Inputs, theirs: Inputs, settings: MaskedSettings, random: np.random.Generator
) -> Tensor:
    views = None
    if pair.image is not None and theirs.patches is not None and settings.pairing != "none":
        grid = (pair.image.slices, pair.image.places)
        lattice = random_lattice(random, len(mine), grid=grid, shares=(1.0, settings.intact))
        views, _ = pair.views(*pair.image_tokens(picture_of(theirs), lattice), lattice)
    return _table_loss(pair, mine, theirs.has[:, 0], views, settings, random)


def _table_loss(
    pair: Any,
    mine: Inputs,
    there: NDArray[np.float32],
    views: Tensor | None,
    settings: MaskedSettings,
    random: np.random.Generator,
) -> Tensor:
    """Of hidden cells, completed from the rest and, where it is `there`, from the other modality's `views`."""
    import torch

    whole, alone = _absences(random, len(mine), there, settings)
    known = mine.states == KNOWN
    masked = known & ((random.random(known.shape) < settings.cells_masked) | whole[:, None])
    seen = None if views is None else torch.from_numpy(~alone)[:, None].expand(-1, views.shape[1])
    values, hidden = torch.from_numpy(mine.values), torch.from_numpy(masked)
    states = torch.from_numpy(np.where(masked, MASKED, mine.states))
    nodes = pair.complete_table(values, states, other=views, other_seen=seen)
    loss: Tensor = pair.table.completion_loss(nodes[:, :-1], values, hidden)
    return loss


def all_views(network: Any, inputs: Inputs, settings: MaskedSettings, seed: int) -> list[Tensor]:
    """Views (n, views, width) of all images, and of their mirror images; empty without images."""
    import torch

    if network.pair.image is None or inputs.patches is None:
        return []
    random, found = np.random.default_rng(seed), []
    network.eval()
    with torch.no_grad():
        for mirrored in range(2 if settings.mirror else 1):
            parts = []
            for start in range(0, len(inputs), _AT_ONCE):
                part = inputs.part(np.arange(start, min(start + _AT_ONCE, len(inputs))))
                shown = seen_anew(part, network, settings, random) if mirrored else part
                parts.append(network.pair.views(*network.pair.image_tokens(picture_of(shown)))[0])
            found.append(torch.cat(parts))
    return found
