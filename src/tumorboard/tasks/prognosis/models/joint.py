"""Several endpoints of one network: discrete hazards in which progression-free survival never exceeds survival, and
Cox's partial likelihood on tensors.

Where an endpoint counts death as an event (PFS, RFS ...) and OS is there too, both come from one chain of states:
event-free, alive after the event, dead. In each interval an event-free patient stays, has the event, or dies without
it; one after the event stays or dies. So S_PFS <= S_OS at every time, by construction.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.prognosis.models.discrete import interval_edges, intervals_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HAZARDS_PER_CHAIN", "Endpoints", "cox_loss", "endpoint_loss"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
DEATH = "OS"
WITH_DEATH = ("PFS", "RFS", "DFS", "EFS")
HAZARDS_PER_CHAIN = 3
_INTERVALS, _EVENTS_PER_INTERVAL = 10, 12
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Endpoints:
    """What is predicted: `names`, and the ends of the intervals in days, `edges` (k,), the same for all of them."""

    names: tuple[str, ...]
    edges: Floats

    @classmethod
    def of(cls, known: Mapping[str, tuple[Bools, Floats]]) -> Endpoints:
        """From endpoint -> (event, time_days) of the training patients; NaN times are unknown. Edges are quantiles of
        all their events."""
        events = [time[event & np.isfinite(time)] for event, time in known.values()]
        together = np.concatenate(events)
        fewest = min(len(found) for found in events)
        count = int(np.clip(fewest // _EVENTS_PER_INTERVAL, 3, _INTERVALS))
        return cls(tuple(known), interval_edges(np.ones(len(together), bool), together, intervals=count))

    @property
    def chained(self) -> str:
        """The endpoint that shares a chain with OS; empty where there is none."""
        found = [name for name in self.names if name in WITH_DEATH]
        return found[0] if found and DEATH in self.names else ""

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for a patient: level and slope over time of every hazard."""
        alone = len(self.names) - (2 if self.chained else 0)
        return 2 * (alone + (HAZARDS_PER_CHAIN if self.chained else 0))

    def intervals(self, event: Bools, time: Floats) -> tuple[NDArray[np.int64], Bools]:
        """Completed intervals and whether the event falls into the next one (`discrete.intervals_of`); -1 completed
        where the time is unknown."""
        known = np.isfinite(time)
        completed, happened = intervals_of(event & known, np.where(known, time, 0.0), self.edges)
        return np.where(known, completed, -1), happened & known

    def survival(self, outputs: Tensor, start: Tensor) -> dict[str, Tensor]:
        """Endpoint -> event-free probability (n, k) at the edges, from `outputs` (n, outputs) and the hazards' logits
        of nobody in particular, `start` (hazards, k)."""
        import torch

        k = start.shape[1]
        slope = torch.linspace(-1, 1, k) if k > 1 else torch.zeros(1)
        logits = start + outputs[:, 0::2, None] + outputs[:, 1::2, None] * slope
        found: dict[str, Tensor] = {}
        used = 0
        if self.chained:
            free, alive = _chain(logits[:, 0], logits[:, 1], logits[:, 2])
            found |= {self.chained: free, DEATH: alive}
            used = HAZARDS_PER_CHAIN
        for name in self.names:
            if name not in found:
                found[name] = torch.nn.functional.logsigmoid(-logits[:, used]).cumsum(1).exp()
                used += 1
        return found


def _chain(event: Tensor, death: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """(n, k) probabilities to be event-free, and to be alive, after each interval."""
    import torch

    stay, moved, _ = torch.softmax(torch.stack([torch.zeros_like(event), event, death]), dim=0)
    lives = torch.sigmoid(-after)
    free, alive_after = torch.ones_like(stay[:, 0]), torch.zeros_like(stay[:, 0])
    frees, alives = [], []
    for k in range(event.shape[1]):
        alive_after = alive_after * lives[:, k] + free * moved[:, k]
        free = free * stay[:, k]
        frees.append(free)
        alives.append(free + alive_after)
    return torch.stack(frees, dim=1), torch.stack(alives, dim=1)


def endpoint_loss(survival: Tensor, completed: Tensor, happened: Tensor) -> Tensor:
    """Mean negative log likelihood of survival (n, k) at the edges: through `completed` (n,) intervals and, where
    `happened`, the event in the next one. Patients of whom nothing is known (-1 completed) do not count."""
    import torch

    whole = torch.cat([torch.ones_like(survival[:, :1]), survival], dim=1)
    known = completed >= 0
    place = completed.clamp(min=0)
    reached = whole.gather(1, place[:, None])[:, 0]
    after = whole.gather(1, (place + happened.long())[:, None])[:, 0]
    likelihood = torch.where(happened, reached - after, reached).clamp(min=_SMALLEST)
    return -(likelihood.log() * known).sum() / known.sum().clamp(min=1)


def cox_loss(risk: Tensor, event: Tensor, time: Tensor) -> Tensor:
    """Negative log partial likelihood of log-risks (n,) with Efron's ties, per event; stable for risks of any size. 0
    without an event. A batch of one patient has no risk set to compare with: 0, with a warning."""
    import torch

    if len(risk) == 1:
        warnings.warn("a batch of one patient has no partial likelihood: its loss is 0", RuntimeWarning, stacklevel=2)
    if len(risk) < 2 or not bool(event.any()):
        return risk.sum() * 0.0
    order = torch.argsort(-time, stable=True)
    eta, hit, when = risk[order], event[order], time[order]
    _, group = torch.unique_consecutive(when, return_inverse=True)
    groups = int(group[-1]) + 1
    at_risk = torch.logcumsumexp(eta, dim=0)
    last = torch.zeros(groups, dtype=torch.long).scatter_reduce(0, group, torch.arange(len(eta)), "amax")
    everybody = at_risk[last][group[hit]]
    deaths = torch.zeros(groups, dtype=eta.dtype).index_add(0, group[hit], torch.ones_like(eta[hit]))[group[hit]]
    earlier = torch.arange(int(hit.sum())) - torch.searchsorted(group[hit].contiguous(), group[hit].contiguous())
    highest = torch.full((groups,), -torch.inf, dtype=eta.dtype).scatter_reduce(
        0, group[hit], eta[hit].detach(), "amax"
    )[group[hit]]
    summed = torch.zeros(groups, dtype=eta.dtype).index_add(0, group[hit], torch.exp(eta[hit] - highest))[group[hit]]
    mine = torch.log(summed) + highest
    rest = everybody + torch.log1p(-(earlier / deaths) * torch.exp((mine - everybody).clamp(max=0.0)))
    return -(eta[hit] - rest).sum() / hit.sum()
