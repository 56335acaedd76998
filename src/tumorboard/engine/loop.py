"""The training loop: seeded, resumable bit for bit, and keeping a real copy of the best weights.

Stopping (or killing) a training and resuming it from its checkpoint gives the same weights as letting it run:
weights, their running mean, the optimizer, both random generators and the best weights so far are all restored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.engine import codes
from tumorboard.engine.checkpoints import (
    Checkpoint,
    load_optimizer,
    load_weights,
    pack_optimizer,
    read_checkpoint,
    snapshot,
    write_checkpoint,
)
from tumorboard.engine.distributed import average_gradients, latest, moved, world
from tumorboard.engine.precision import autocast, choose_precision
from tumorboard.engine.run_log import RunLog
from tumorboard.engine.schedule import Stopwatch, TrainingPlan

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["Fitted", "fit", "seeded"]

LAST = "last.safetensors"


@dataclass(frozen=True)
class Fitted:
    """The weights to keep (copies), and how they came about. `score` is None when nothing was scored."""

    weights: Mapping[str, Tensor]
    step: int
    score: float | None
    steps: int
    seconds: float
    precision: str


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """torch's generators set to `seed` inside, and as they were outside (initial weights, dropout)."""
    import torch

    with torch.random.fork_rng(devices=[] if device == "cpu" else [device]):
        torch.manual_seed(seed)
        yield


def fit(
    network: Module,
    plan: TrainingPlan,
    *,
    draw: Callable[[np.random.Generator], Any],
    loss_of: Callable[[Module, Any], Tensor],
    score: Callable[[Module], float] | None = None,
    folder: Path | None = None,
    identity: str = "",
    log: RunLog | None = None,
    progress: Callable[[float], None] | None = None,
    spent_s: float = 0.0,
    device: str = "cpu",
) -> Fitted:
    """Train `network` in place and return the best weights (on the CPU, as the network afterwards).

    Within `engine.distributed.joined`, every process calls this with the same arguments: each takes its part of an
    update's batches, all end with the same weights, and the first writes the files. W processes give what one process
    with `accumulate` times W gives, up to rounding.

    Parameters
    ----------
    draw : a batch from a generator; all randomness of sampling and augmentation comes from it.
    loss_of : scalar loss of a batch (forward pass inside; runs under the chosen precision).
    score : higher is better; given the network that holds the weights under test (the running mean, if any).
        The best are kept; without it, the last.
    folder : for `last.safetensors`; a training found there is resumed. None: no checkpoints.
    identity : of data and settings; a checkpoint of another identity or plan is refused (ENG104).
    progress : told the part done, 0 to 1.
    device : where the network is trained, see `engine.distributed.choose_device`.
    spent_s : seconds of the plan's budget that are gone when a new training begins (preparing, starting).

    Errors: ENG103, ENG104 for the checkpoint, ENG105 when the loss stops being finite.
    """
    log = (log if world().leads else None) or RunLog(None)
    network.to(device)
    with seeded(plan.seed, device):
        training = _Training(network, plan, loss_of, score, spent_s, device)
        path = None if folder is None else folder / LAST
        if path is not None and path.exists():
            training.restore(read_checkpoint(path), identity, where=path)
            log.write("resumed", step=training.step, elapsed_s=training.elapsed_s)
        else:
            training.begin(draw, log)
        training.run(draw, path, identity, log, (progress if world().leads else None) or (lambda part: None))
    network.to("cpu")
    return training.result()


class _Training:
    def __init__(
        self,
        network: Module,
        plan: TrainingPlan,
        loss_of: Callable[[Module, Any], Tensor],
        score: Callable[[Module], float] | None,
        spent_s: float,
        device: str,
    ) -> None:
        import copy

        import torch

        self.network, self.plan, self.loss_of, self.score_of = network, plan, loss_of, score
        self.device, self.missed = device, 0
        common = {"lr": plan.learning_rate, "weight_decay": plan.weight_decay}
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(network.parameters(), momentum=plan.momentum, **common)
            if plan.optimizer == "sgd"
            else torch.optim.AdamW(network.parameters(), **common)
        )
        self.mean = None if plan.ema_decay is None else copy.deepcopy(network)
        self.random = np.random.default_rng(plan.seed)
        self.precision = "float32"
        self.step, self.elapsed_s = 0, spent_s
        self.best: dict[str, Tensor] | None = None
        self.best_step, self.best_score = 0, -math.inf

    @property
    def kept(self) -> Module:
        """The network whose weights are scored and returned."""
        return self.network if self.mean is None else self.mean

    def begin(self, draw: Callable[[np.random.Generator], Any], log: RunLog) -> None:
        import torch

        # A draw of its own, so that choosing the precision does not move the training's generator.
        batch = moved(draw(np.random.default_rng(self.plan.seed)), self.device)
        self.network.eval()
        with torch.no_grad():
            self.precision, why = choose_precision(self.plan.precision, lambda: self.loss_of(self.network, batch))
        log.write("started", plan=self.plan.to_json(), precision=self.precision, why=why)

    def run(
        self,
        draw: Callable[[np.random.Generator], Any],
        path: Path | None,
        identity: str,
        log: RunLog,
        progress: Callable[[float], None],
    ) -> None:
        plan = self.plan
        clock = Stopwatch(plan.budget_clock, before_s=self.elapsed_s)
        done = plan.progress(self.step, self.elapsed_s)
        while (done < 1.0 and not self._tired) or self.best is None:  # one step at least, however late it is
            loss = self._update(draw, plan.rate(self.step, done))
            self.elapsed_s = clock() if plan.budget_minutes is None else latest(clock(), self.device)
            done = plan.progress(self.step, self.elapsed_s)
            if self.step % 10 == 0 or done >= 1.0:
                log.write("step", step=self.step, loss=loss, elapsed_s=round(self.elapsed_s, 3))
                progress(done)
            if done >= 1.0 or _due(self.step, plan.score_every):
                self._judge(log)
            ends = done >= 1.0 or self._tired
            if path is not None and world().leads and (ends or _due(self.step, plan.checkpoint_every)):
                self.save(path, identity)
        log.write("finished", step=self.step, elapsed_s=round(self.elapsed_s, 3), best_step=self.best_step)

    @property
    def _tired(self) -> bool:
        """Whether the score has not risen for too long."""
        return 0 < self.plan.patience <= self.missed

    def _batches(self, draw: Callable[[np.random.Generator], Any]) -> Iterator[Any]:
        """This process's batches of one update. Where there are several in all, each has a generator of its own, so
        that they are the same whoever draws them."""
        here, mine = world(), self.plan.accumulate
        if here.size * mine == 1:
            yield moved(draw(self.random), self.device)
            return
        seeds = self.random.integers(2**63, size=here.size * mine)
        for seed in seeds[here.rank * mine : (here.rank + 1) * mine]:
            yield moved(draw(np.random.default_rng(seed)), self.device)

    def _update(self, draw: Callable[[np.random.Generator], Any], rate: float) -> float:
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        value = 0.0
        for batch in self._batches(draw):
            with autocast(self.precision, torch.device(self.device).type):
                loss = self.loss_of(self.network, batch) / self.plan.accumulate
            value += float(loss.detach())
            if not math.isfinite(value):
                raise TumorboardError(
                    codes.TRAINING_DIVERGED, f"step {self.step}", found=f"a loss of {value}", expected="a finite number"
                )
            loss.backward()
        average_gradients(self.network)
        if self.plan.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        self.optimizer.step()
        self.step += 1
        self._average()
        return value

    def _average(self) -> None:
        """Running mean of the weights; its memory grows with the steps, so that early weights fade soon."""
        import torch

        if self.mean is None or self.plan.ema_decay is None:
            return
        decay = min(self.plan.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mine, theirs in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)
            for mine, theirs in zip(self.mean.buffers(), self.network.buffers(), strict=True):
                mine.copy_(theirs)

    def _judge(self, log: RunLog) -> None:
        """Keep a copy of the weights when they are the best so far (without a score, the latest are)."""
        import torch

        value = None
        if self.score_of is not None:
            self.kept.eval()
            # Scoring must not move the generator that training draws dropout from.
            with torch.no_grad(), torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
                value = float(self.score_of(self.kept))
            log.write("scored", step=self.step, score=value)
        if value is None or value > self.best_score or self.best is None:
            self.best, self.best_step = snapshot(self.kept), self.step
            self.best_score = -math.inf if value is None else value
            self.missed = 0
        else:
            self.missed += 1

    def save(self, path: Path, identity: str) -> None:
        import torch

        optimizer, numbers = pack_optimizer(self.optimizer)
        parts = {"network": snapshot(self.network), "optimizer": optimizer, "best": self.best or {}}
        if self.mean is not None:
            parts["mean"] = snapshot(self.mean)
        tensors = {f"{part}/{name}": value for part, entries in parts.items() for name, value in entries.items()}
        tensors["random/torch"] = torch.get_rng_state()
        if self.device != "cpu":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.device)
        state = {
            "identity": identity,
            "plan": self.plan.to_json(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "precision": self.precision,
            "missed": self.missed,
            "best_step": self.best_step,
            "best_score": self.best_score if math.isfinite(self.best_score) else None,
            "optimizer": numbers,
            "random": self.random.bit_generator.state,
        }
        write_checkpoint(path, tensors=tensors, state=state)

    def restore(self, checkpoint: Checkpoint, identity: str, *, where: Path) -> None:
        import torch

        state = checkpoint.state
        if "plan" not in state or state["identity"] != identity or state["plan"] != self.plan.to_json():
            raise TumorboardError(
                codes.CHECKPOINT_MISMATCH,
                where,
                found="a training with other data, settings or plan",
                expected="the training that is to be resumed",
            )
        load_weights(self.network, checkpoint.part("network"), where=where)
        if self.mean is not None:
            load_weights(self.mean, checkpoint.part("mean"), where=where)
        load_optimizer(self.optimizer, checkpoint.part("optimizer"), state["optimizer"])
        self.random.bit_generator.state = state["random"]
        torch.set_rng_state(checkpoint.tensors["random/torch"])
        if self.device != "cpu" and "random/cuda" in checkpoint.tensors:
            torch.cuda.set_rng_state(checkpoint.tensors["random/cuda"], self.device)
        self.step, self.elapsed_s, self.precision = state["step"], state["elapsed_s"], state["precision"]
        self.best = checkpoint.part("best") or None
        self.best_step, self.missed = state["best_step"], state["missed"]
        self.best_score = -math.inf if state["best_score"] is None else state["best_score"]

    def result(self) -> Fitted:
        assert self.best is not None  # the last step is always judged
        score = self.best_score if math.isfinite(self.best_score) else None
        best = {name: value.cpu() for name, value in self.best.items()}
        return Fitted(best, self.best_step, score, self.step, self.elapsed_s, self.precision)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
