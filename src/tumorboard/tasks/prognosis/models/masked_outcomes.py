"""Stage 2 of masked cross-modality learning: outcomes of all endpoints, from views of the images and from the tables.

First all but the image's branch learns, on views that stay as they are: a few numbers per patient, so that many steps
cost little and few patients suffice; then everything together, shorter and at a lower rate (as in linear probing before
fine-tuning, Kumar et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.schedule import TrainingPlan
from tumorboard.tasks.prognosis.models.joint import cox_loss, endpoint_loss
from tumorboard.tasks.prognosis.models.masked_inputs import Inputs
from tumorboard.tasks.prognosis.models.masked_training import (
    MaskedSettings,
    Truth,
    all_views,
    picture_of,
    random_lattice,
    seen_anew,
)

__all__ = ["learn_outcomes", "with_start"]

Floats = NDArray[np.float64]


def learn_outcomes(
    network: Any, inputs: Inputs, truth: Truth, settings: MaskedSettings, *, seed: int
) -> Mapping[str, NDArray[Any]]:
    """Stage 2: the weights that predict `truth`, hazards' start values (`start`, (hazards, k)) among them."""
    usable = np.flatnonzero(inputs.has.sum(axis=1) > 0)
    module, loss = _to_learn(network, truth, settings)

    def chosen(random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        index = _balanced(random, usable, truth, settings)
        return index, _withheld(random, inputs.has[index], settings.withhold)

    _learn_heads(module, loss, chosen, inputs, settings, seed)
    if settings.together_steps and network.pair.image is not None and inputs.patches is not None:
        _learn_together(module, loss, chosen, inputs, settings, seed + 1)
    return {name: value.numpy() for name, value in module.state_dict().items()}


def _learn_heads(module: Any, loss: Any, chosen: Any, inputs: Inputs, settings: MaskedSettings, seed: int) -> None:
    """In place: all but the image's branch, on views of whole images that stay as they are; of the images themselves
    and mirrored, by turns."""
    import torch

    sides = all_views(module.network, inputs, settings, seed)

    def draw(random: np.random.Generator) -> Any:
        return *chosen(random), int(random.integers(len(sides))) if sides else None

    def loss_of(module: Any, batch: Any) -> Any:
        index, has, side = batch
        views = None if side is None else sides[side][index]
        cells = torch.from_numpy(inputs.values[index]), torch.from_numpy(inputs.states[index])
        return loss(module, module.network.from_views(views, *cells, torch.from_numpy(has)), index)

    _fit(module, settings, draw, loss_of, steps=settings.steps, rate=settings.learning_rate, seed=seed)


def _learn_together(module: Any, loss: Any, chosen: Any, inputs: Inputs, settings: MaskedSettings, seed: int) -> None:
    """In place: everything, from some places of the images."""
    import torch

    encoder = module.network.pair.image
    grid, shares = (encoder.slices, encoder.places), (1.0, settings.seen_in_training)

    def draw(random: np.random.Generator) -> Any:
        index, has = chosen(random)
        lattice = random_lattice(random, len(index), grid=grid, shares=shares)
        return index, has, seen_anew(inputs.part(index), module.network, settings, random), lattice

    def loss_of(module: Any, batch: Any) -> Any:
        index, has, mine, lattice = batch
        cells = torch.from_numpy(mine.values), torch.from_numpy(mine.states)
        return loss(module, module.network(picture_of(mine), *cells, torch.from_numpy(has), lattice), index)

    rate = settings.together_rate * settings.learning_rate
    _fit(module, settings, draw, loss_of, steps=settings.together_steps, rate=rate, seed=seed)


def _fit(module: Any, settings: MaskedSettings, draw: Any, loss_of: Any, *, steps: int, rate: float, seed: int) -> None:
    from tumorboard.engine.loop import fit

    plan = TrainingPlan(
        steps, seed, learning_rate=rate, weight_decay=settings.weight_decay,
        warmup_steps=10, schedule="cosine", precision="float32", ema_decay=0.97,
    )  # fmt: skip
    module.load_state_dict(fit(module, plan, draw=draw, loss_of=loss_of).weights)


def _to_learn(network: Any, truth: Truth, settings: MaskedSettings) -> tuple[Any, Any]:
    """The network with the hazards of nobody in particular, and the loss of outputs and patients' numbers."""
    import torch

    endpoints = truth.endpoints
    marks = {n: endpoints.intervals(event, time) for n, (event, time) in truth.known.items()}
    if settings.likelihood == "cox":
        module = with_start(network, np.zeros((0, 0)))
        times = {n: (torch.from_numpy(e.copy()), torch.from_numpy(t.copy())) for n, (e, t) in truth.known.items()}

        def partial(_: Any, outputs: Any, index: Any) -> Any:
            total = outputs.sum() * 0.0
            for place, name in enumerate(endpoints.names):
                event, time = (part[index] for part in times[name])
                kept = time.isfinite()
                total = total + (cox_loss(outputs[kept, place], event[kept], time[kept]) if kept.sum() > 1 else 0.0)
            return total / len(endpoints.names)

        return module, partial
    module = with_start(network, start_logits(truth))
    tensors = {n: tuple(torch.from_numpy(np.asarray(a)) for a in pair) for n, pair in marks.items()}

    def likelihood(module: Any, outputs: Any, index: Any) -> Any:
        curves = endpoints.survival(outputs, module.start)
        losses = [endpoint_loss(curves[n], *(part[index] for part in tensors[n])) for n in endpoints.names]
        return sum(losses) / len(losses)

    return module, likelihood


def with_start(network: Any, start: Floats) -> Any:
    """A module of `network` and the parameter `start`."""
    import torch

    module = torch.nn.Module()
    module.network = network
    module.start = torch.nn.Parameter(torch.from_numpy(start.astype(np.float32)))
    return module


def start_logits(truth: Truth) -> Floats:
    """(hazards, k) logits of each interval's observed hazard; deaths without the event, and after it, are guessed from
    survival where endpoints share a chain."""
    endpoints = truth.endpoints
    k = len(endpoints.edges)
    hazards = {}
    for name, (event, time) in truth.known.items():
        completed, happened = endpoints.intervals(event, time)
        at_risk = np.array([(completed > j).sum() + ((completed == j) & happened).sum() for j in range(k)])
        hit = np.array([((completed == j) & happened).sum() for j in range(k)])
        hazards[name] = np.clip((hit + 0.5) / (at_risk + 1.0), 0.01, 0.9)
    rows, chained = [], endpoints.chained
    if chained:
        first, death = hazards[chained], hazards["OS"]
        without = np.minimum(0.25 * death, 0.5 * first)
        stay = 1 - first
        rows += [np.log((first - without) / stay), np.log(without / stay)]
        after = np.clip(1.5 * death, 0.01, 0.9)
        rows.append(np.log(after / (1 - after)))
    rows += [np.log(h / (1 - h)) for n, h in hazards.items() if not (chained and n in (chained, "OS"))]
    return np.array(rows)


def _balanced(
    random: np.random.Generator, usable: NDArray[np.int64], truth: Truth, settings: MaskedSettings
) -> NDArray[np.int64]:
    """A batch; for the partial likelihood four times as large, with the cohort's share of events."""
    if settings.likelihood != "cox":
        return random.choice(usable, size=min(settings.batch, len(usable)), replace=False)
    size = min(4 * settings.batch, len(usable))
    event = truth.known[truth.endpoints.names[0]][0][usable]
    parts = [usable[event], usable[~event]]
    counts = [round(size * len(part) / len(usable)) for part in parts]
    drawn = [random.choice(part, size=min(c, len(part)), replace=False) for part, c in zip(parts, counts, strict=True)]
    return np.concatenate(drawn)


def _withheld(random: np.random.Generator, has: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """`has` (n, 2) with the image or the table taken from some who have both."""
    chance = random.random(len(has))
    left = has.copy()
    both = has.sum(axis=1) == 2
    left[both & (chance < rate), 0] = 0
    left[both & (chance > 1 - rate), 1] = 0
    return left
