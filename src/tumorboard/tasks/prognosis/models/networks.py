"""Small networks on discrete time: logistic hazard and multi-task logistic regression (MTLR)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.prognosis.models.discrete import curve, interval_edges, intervals_of
from tumorboard.tasks.prognosis.models.registry import TableModel, table_model
from tumorboard.tasks.prognosis.patients import Training

__all__ = ["hazard_loss", "hazard_survival", "mtlr_loss", "mtlr_survival"]

Floats = NDArray[np.float64]
_INTERVALS, _WIDTH, _MEMBERS, _EPOCHS, _PATIENCE = 12, 24, 3, 300, 30


def hazard_loss(logits: Any, completed: Any, event: Any) -> Any:
    """Mean negative log likelihood of discrete hazards sigmoid(logits) (n, k): survival through `completed` (n,)
    intervals and, where `event` (n,), the event in the next (Brown 1975; Gensheimer and Narasimhan 2019)."""
    import torch
    from torch.nn.functional import logsigmoid

    k = torch.arange(logits.shape[1])
    survived = (logsigmoid(-logits) * (k < completed[:, None])).sum(1)
    failed = (logsigmoid(logits) * ((k == completed[:, None]) & event[:, None])).sum(1)
    return -(survived + failed).mean()


def hazard_survival(logits: Any) -> Any:
    """(n, k) event-free probability at the end of each interval."""
    from torch.nn.functional import logsigmoid

    return logsigmoid(-logits).cumsum(1).exp()


def _sequences(logits: Any) -> Any:
    """Log probability (n, k + 1) of the event in each interval, and of none of them."""
    import torch

    scores = torch.flip(torch.cumsum(torch.flip(logits, [1]), 1), [1])
    return torch.log_softmax(torch.cat([scores, torch.zeros_like(scores[:, :1])], 1), 1)


def mtlr_loss(logits: Any, completed: Any, event: Any) -> Any:
    """Mean negative log likelihood of MTLR (Yu et al. 2011) with weights `logits` (n, k): the probability of the
    event's interval, or of all intervals that a censored patient has not completed."""
    import torch

    log_p = _sequences(logits)
    k = torch.arange(log_p.shape[1])
    possible = torch.where(event[:, None], k == completed[:, None], k >= completed[:, None])
    return -torch.logsumexp(log_p.masked_fill(~possible, -torch.inf), 1).mean()


def mtlr_survival(logits: Any) -> Any:
    """(n, k) event-free probability at the end of each interval."""
    return 1 - _sequences(logits).exp()[:, :-1].cumsum(1)


@dataclass(frozen=True)
class _Network:
    """Members of an ensemble, as layers of weights (all numpy)."""

    members: tuple[tuple[Floats, ...], ...]
    edges: Floats
    survival_of: Callable[[Any], Any]

    def _at_edges(self, x: Floats) -> Floats:
        import torch

        curves = []
        for first, bias, second, offset in self.members:
            logits = np.maximum(x @ first.T + bias, 0.0) @ second.T + offset
            curves.append(self.survival_of(torch.from_numpy(logits)).numpy())
        return np.clip(np.mean(curves, axis=0), 0.0, 1.0)

    def risk(self, x: Floats) -> Floats:
        return -np.log(np.clip(self._at_edges(x), 1e-6, 1)).sum(axis=1)

    def survival(self, x: Floats, grid: Floats) -> Floats:
        return curve(np.minimum.accumulate(self._at_edges(x), axis=1), self.edges, grid)


def _fit_network(training: Training, loss: Callable[..., Any], survival_of: Callable[[Any], Any]) -> TableModel:
    """Three networks of one hidden layer, each stopped by another fifth of the training patients."""
    event, time = training.event, training.time_days
    edges = interval_edges(event, time, intervals=min(_INTERVALS, max(3, int(event.sum()) // 10)))
    completed, happened = intervals_of(event, time, edges)
    x = np.clip(training.patients.x, -5, 5).astype(np.float32)
    held = stratified_folds(
        event if 5 <= event.sum() <= len(event) - 5 else event * 0, folds=5, seed=training.config.seed
    )
    members = tuple(
        _train(x, completed, happened, held[member], len(edges), loss=loss, seed=training.config.seed + member)
        for member in range(_MEMBERS)
    )
    return _Network(members, edges, survival_of)


def _train(
    x: NDArray[np.float32],
    completed: NDArray[np.int64],
    happened: NDArray[np.bool_],
    held: NDArray[np.int64],
    intervals: int,
    *,
    loss: Callable[..., Any],
    seed: int,
) -> tuple[Floats, ...]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], _WIDTH),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(_WIDTH, intervals),
        )
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)
        kept = np.setdiff1d(np.arange(len(x)), held)
        inputs, done, hit = torch.from_numpy(x), torch.from_numpy(completed), torch.from_numpy(happened)
        best, state, waited = np.inf, None, 0
        for _ in range(_EPOCHS):
            network.train()
            optimiser.zero_grad()
            loss(network(inputs[kept]), done[kept], hit[kept]).backward()
            optimiser.step()
            network.eval()
            with torch.no_grad():
                value = float(loss(network(inputs[held]), done[held], hit[held]))
            if value < best - 1e-5:
                best, waited = value, 0
                state = [p.detach().numpy().astype(np.float64).copy() for p in network.parameters()]
            else:
                waited += 1
                if waited > _PATIENCE:
                    break
    if state is None:
        raise FloatingPointError("the network's loss was never finite")
    return tuple(state)


@table_model("logistic-hazard", "network of the hazard in 12 intervals of time, three members, stopped early")
def _fit_logistic_hazard(training: Training) -> TableModel:
    return _fit_network(training, hazard_loss, hazard_survival)


@table_model("mtlr", "network of multi-task logistic regression over 12 intervals, three members, stopped early")
def _fit_mtlr(training: Training) -> TableModel:
    return _fit_network(training, mtlr_loss, mtlr_survival)
