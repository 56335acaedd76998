"""How long a training lasts and how its learning rate moves."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.engine import codes
from tumorboard.engine.precision import PRECISIONS

__all__ = ["Stopwatch", "TrainingPlan"]

SCHEDULES = ("poly", "cosine", "constant")
CLOCKS = ("wall", "cpu")
OPTIMIZERS = ("adamw", "sgd")


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of one training.

    Parameters
    ----------
    steps : number of updates. Reached first on any machine that is fast enough, and then the result depends on
        the seed alone. None: the time alone ends the training.
    budget_minutes : upper limit of time; where it is the tighter one, the learning rate falls with the time
        instead of the steps. None: no limit.
    budget_clock : ``wall``, or ``cpu`` for processor time divided by threads (not disturbed by other programs).
    optimizer : adamw, or sgd with `momentum`.
    learning_rate : after warm-up; it falls by `schedule`: poly ((1 - t)^0.9), cosine, or constant.
    warmup_steps : of linear rise.
    clip_norm : largest norm of the gradient; None leaves it alone.
    ema_decay : of the running mean of the weights that is scored and kept; None keeps the weights themselves.
    score_every, checkpoint_every : in steps; 0 means at the end only.
    accumulate : batches per update, on each process.
    patience : scorings in a row without a better one that end the training; 0 waits for the end.
    """

    steps: int | None
    seed: int
    optimizer: str = "adamw"
    momentum: float = 0.9
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 30
    schedule: str = "poly"
    clip_norm: float | None = 5.0
    ema_decay: float | None = 0.99
    precision: str = "auto"
    budget_minutes: float | None = None
    budget_clock: str = "wall"
    score_every: int = 0
    checkpoint_every: int = 100
    accumulate: int = 1
    patience: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("schedule", SCHEDULES),
            ("budget_clock", CLOCKS),
            ("precision", PRECISIONS),
            ("optimizer", OPTIMIZERS),
        ):
            if getattr(self, name) not in known:
                raise TumorboardError(
                    codes.SETTING, f"training {name}", found=repr(getattr(self, name)), expected=", ".join(known)
                )
        lengths = [length for length in (self.steps, self.budget_minutes) if length is not None]
        if not lengths or min(lengths) <= 0:
            raise TumorboardError(
                codes.SETTING,
                "training length",
                found=f"{self.steps} steps, {self.budget_minutes} minutes",
                expected="at least one step or more than no time",
            )

        if self.accumulate < 1 or self.patience < 0:
            raise TumorboardError(
                codes.SETTING,
                "training",
                found=f"accumulate {self.accumulate}, patience {self.patience}",
                expected="1 or more, 0 or more",
            )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def progress(self, step: int, elapsed_s: float) -> float:
        """Part of the training that is over, 0 to 1: by steps or by time, whichever is further."""
        by_time = 0.0 if self.budget_minutes is None else elapsed_s / (60 * self.budget_minutes)
        by_steps = 0.0 if self.steps is None else step / self.steps
        return min(1.0, max(by_steps, by_time))

    def rate(self, step: int, progress: float) -> float:
        """Learning rate of the update number `step` (from 0) at `progress`."""
        fall = {"poly": (1 - progress) ** 0.9, "cosine": 0.5 * (1 + math.cos(math.pi * progress)), "constant": 1.0}
        return self.learning_rate * min(1.0, (step + 1) / max(self.warmup_steps, 1)) * fall[self.schedule]


class Stopwatch:
    """Seconds on the clock of a plan, `before_s` (of earlier sittings) included."""

    def __init__(self, clock: str, *, before_s: float = 0.0) -> None:
        self._read = time.perf_counter if clock == "wall" else _cpu_per_thread
        self._start = self._read() - before_s

    def __call__(self) -> float:
        return self._read() - self._start


def _cpu_per_thread() -> float:
    import torch

    return time.process_time() / torch.get_num_threads()
