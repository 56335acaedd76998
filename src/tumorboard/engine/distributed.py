"""One training on several processes, as `torchrun` starts them: the same code, and the same weights on every process.

Every process takes its own part of an update's batches, and gradients are averaged between the processes before each
step. Without torchrun's variables (WORLD_SIZE, RANK, LOCAL_RANK) there is one process and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from tumorboard.core.errors import TumorboardError
from tumorboard.engine import codes

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = [
    "DEVICES",
    "World",
    "average_gradients",
    "choose_device",
    "first_before_others",
    "joined",
    "latest",
    "moved",
    "world",
]

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class World:
    """This process among those of one training."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0


def world() -> World:
    """The world of this process: alone, unless inside `joined`."""
    import torch.distributed as dist

    return _environment() if dist.is_available() and dist.is_initialized() else World()


def _environment() -> World:
    """As torchrun's variables say. ENG106 where they contradict each other."""
    rank, size, local = (int(os.environ.get(name, alone)) for name, alone in _VARIABLES)
    if not 0 <= rank < size:
        raise TumorboardError(codes.SETTING, "torchrun", found=f"rank {rank} of {size}", expected="a rank below it")
    return World(rank, size, local)


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


@contextmanager
def joined(device: str = "cpu") -> Iterator[World]:
    """Within it, the processes of the world can speak to each other: by NCCL on GPUs, by Gloo on processors."""
    here = _environment()
    if here.size == 1:
        yield here
        return
    import torch.distributed as dist

    mine = not dist.is_initialized()
    if mine:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", rank=here.rank, world_size=here.size)
    try:
        yield here
    finally:
        if mine:
            dist.destroy_process_group()


@contextmanager
def first_before_others() -> Iterator[World]:
    """The first process goes through its body alone, the others after it: for files that one writes and all read.
    Inside `joined`."""
    here = world()
    if here.size > 1 and not here.leads:
        _wait()
    yield here
    if here.size > 1 and here.leads:
        _wait()


def average_gradients(network: Module) -> None:
    """Mean of the gradients over all processes, in one message."""
    here = world()
    if here.size == 1:
        return
    import torch
    import torch.distributed as dist

    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= here.size
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def latest(seconds: float, device: str = "cpu") -> float:
    """The largest of the processes' values, so that all of them stop at the same step."""
    if world().size == 1:
        return seconds
    import torch
    import torch.distributed as dist

    value = torch.tensor(seconds, dtype=torch.float64, device=device)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return float(value)


def choose_device(wanted: str) -> str:
    """``cpu``, or ``cuda:<local rank>``. ``auto`` takes a GPU where there is one; ENG106 where a GPU is asked for in
    vain."""
    import torch

    if wanted not in DEVICES:
        raise TumorboardError(codes.SETTING, "device", found=repr(wanted), expected=", ".join(DEVICES))
    there = wanted != "cpu" and torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise TumorboardError(codes.SETTING, "device", found="no CUDA device", expected="a GPU, or device=cpu")
    return f"cuda:{_environment().local_rank}" if there else "cpu"


def moved(batch: Any, device: str) -> Any:
    """A batch (tensors in tuples, lists, dicts or dataclasses) on `device`."""
    import torch

    if device == "cpu":
        return batch
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, (tuple, list)):
        return type(batch)(moved(part, device) for part in batch)
    if isinstance(batch, dict):
        return {key: moved(part, device) for key, part in batch.items()}
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{each.name: moved(getattr(batch, each.name), device) for each in fields(batch)})
    return batch


def _wait() -> None:
    import torch.distributed as dist

    dist.barrier()
