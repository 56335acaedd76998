"""Two processes (Gloo, on the processor) end with the same weights, those of one process that accumulates."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tumorboard
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.checkpoints import read_checkpoint
from tumorboard.engine.distributed import World, choose_device, joined, moved, world
from tumorboard.engine.loop import LAST, fit

from . import two_processes as shared


def together(folder: Path) -> None:
    """Both processes to their end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    source = str(Path(tumorboard.__file__).parents[1])
    running = [
        subprocess.Popen(
            [sys.executable, shared.__file__, str(folder)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": source},
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=300) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()


def test_two_processes_train_as_one_that_accumulates(tmp_path):
    together(tmp_path)
    ranks = [read_checkpoint(tmp_path / f"weights-{rank}.safetensors").tensors for rank in range(2)]
    alone = fit(shared.network(), shared.plan(2), draw=shared.draw, loss_of=shared.loss_of).weights
    plain = fit(shared.network(), shared.plan(1), draw=shared.draw, loss_of=shared.loss_of).weights
    for name, value in alone.items():
        assert torch.equal(ranks[0][name], ranks[1][name])
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(plain[name], value, atol=1e-3) for name, value in alone.items())
    assert read_checkpoint(tmp_path / LAST).state["step"] == 12  # written once, by the first


@pytest.mark.parametrize("stop_at", [5, 9])
def test_resumed_with_accumulation_equals_uninterrupted(tmp_path, stop_at):
    whole = fit(shared.network(), shared.plan(3), draw=shared.draw, loss_of=shared.loss_of)
    updates = 0

    def interrupted(net, batch):
        nonlocal updates
        updates += net.training
        if updates > 3 * stop_at + 2:  # in the middle of an update
            raise KeyboardInterrupt
        return shared.loss_of(net, batch)

    with pytest.raises(KeyboardInterrupt):
        fit(shared.network(), shared.plan(3), draw=shared.draw, loss_of=interrupted, folder=tmp_path)
    assert read_checkpoint(tmp_path / LAST).state["step"] == stop_at // 4 * 4
    again = fit(shared.network(), shared.plan(3), draw=shared.draw, loss_of=shared.loss_of, folder=tmp_path)
    assert all(torch.equal(again.weights[name], value) for name, value in whole.weights.items())


def test_accumulated_batches_weigh_as_one_large_batch():
    """SGD, one update: the mean of three gradients is the gradient of the three batches together (in float32)."""
    plan = replace(
        shared.plan(3), steps=1, optimizer="sgd", ema_decay=None, clip_norm=None, weight_decay=0.0, precision="float32"
    )
    split = fit(shared.network(), plan, draw=shared.draw, loss_of=shared.loss_of).weights
    seeds = np.random.default_rng(plan.seed).integers(2**63, size=3)
    parts = [shared.draw(np.random.default_rng(seed)) for seed in seeds]
    large = tuple(torch.cat(side) for side in zip(*parts, strict=True))
    joint = fit(
        shared.network(), replace(plan, accumulate=1), draw=lambda random: large, loss_of=shared.loss_of
    ).weights
    for name, value in joint.items():
        torch.testing.assert_close(split[name], value, rtol=1e-5, atol=1e-7)


def test_without_torchrun_there_is_one_process(monkeypatch):
    with joined() as here:
        assert here == world() == World(0, 1, 0) and here.leads
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(TumorboardError, match=r"ENG106.*rank 2 of 2"), joined():
        pass


def test_a_device_is_there_or_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    for word in ("cuda", "tpu"):
        with pytest.raises(TumorboardError, match="ENG106"):
            choose_device(word)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert choose_device("auto") == "cuda:1" and choose_device("cpu") == "cpu"


def test_batches_of_every_shape_are_moved():
    from tumorboard.tasks.segmentation.sampling import Batch

    batch = {"pair": (torch.zeros(2), [torch.ones(1)]), "image": Batch(torch.zeros(1), torch.ones(1)), "name": "x"}
    there = moved(batch, "meta")
    assert there["pair"][0].is_meta and there["pair"][1][0].is_meta and there["image"].target.is_meta
    assert there["name"] == "x" and moved(batch, "cpu") is batch
