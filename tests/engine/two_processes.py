"""One of two processes of a training, for test_distributed: two_processes.py FOLDER, RANK etc. in the environment."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from tumorboard.engine.checkpoints import write_checkpoint
from tumorboard.engine.distributed import joined
from tumorboard.engine.loop import fit, seeded
from tumorboard.engine.schedule import TrainingPlan


def network() -> torch.nn.Module:
    with seeded(3):
        return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def draw(random: np.random.Generator):
    x = torch.from_numpy(random.normal(size=(5, 3)).astype(np.float32))
    return x, x.sum(1, keepdim=True)


def loss_of(net, batch):
    return ((net(batch[0]) - batch[1]) ** 2).mean()


def plan(accumulate: int) -> TrainingPlan:
    return TrainingPlan(steps=12, seed=3, learning_rate=0.05, warmup_steps=2, checkpoint_every=4, accumulate=accumulate)


def main(folder: Path) -> None:
    with joined() as world:
        fitted = fit(network(), plan(1), draw=draw, loss_of=loss_of, folder=folder)
        write_checkpoint(folder / f"weights-{world.rank}.safetensors", tensors=fitted.weights, state={})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
