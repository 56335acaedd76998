"""Weights and training state on disk: one safetensors file, its JSON state inside, written atomically.

No pickle is ever read or written: a file that is not safetensors, or was written by another program, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorboard.core.errors import Code, TumorboardError
from tumorboard.engine import codes
from tumorboard.io.files import atomic_write_bytes

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

__all__ = [
    "FORMAT_VERSION",
    "Checkpoint",
    "load_optimizer",
    "load_weights",
    "pack_optimizer",
    "read_checkpoint",
    "read_model",
    "snapshot",
    "write_checkpoint",
]

FORMAT_VERSION = 1
_KEY = "tumorboard"


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors, and a state of plain JSON types."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors below ``name/``, without that prefix."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def write_checkpoint(path: Path, *, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and state as one file; the same content gives the same bytes."""
    from safetensors.torch import save

    record = json.dumps({"format_version": FORMAT_VERSION, **state}, sort_keys=True, allow_nan=False)
    owned = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    atomic_write_bytes(path, save(owned, metadata={_KEY: record}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `write_checkpoint` wrote. ENG103 for anything else, ENG104 for another format version."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise _foreign(path, "no such file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            record = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _foreign(path, f"{_kind(path)} ({error})") from error
    if record is None:
        raise _foreign(path, "safetensors written by another program")
    try:
        state = dict(json.loads(record))
    except (ValueError, TypeError, RecursionError) as error:
        raise _foreign(path, f"a state that is no record ({error})") from error
    version = state.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise TumorboardError(
            codes.CHECKPOINT_MISMATCH, path, found=f"format version {version}", expected=str(FORMAT_VERSION)
        )
    return Checkpoint(tensors, state)


def read_model(path: Path, wanted: Mapping[str, Any], *, unknown: Code) -> Checkpoint:
    """`read_checkpoint` of a file whose state has the entries `wanted` (kind of model, version of its preparation ...).
    The error `unknown` where one is another."""
    checkpoint = read_checkpoint(path)
    found = {name: checkpoint.state.get(name) for name in wanted}
    if found != dict(wanted):
        raise TumorboardError(unknown, path, found=_words(found), expected=_words(wanted))
    return checkpoint


def _words(entries: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in entries.items())


def snapshot(module: Module) -> dict[str, Tensor]:
    """A copy of a module's weights and buffers that later training steps do not touch."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def load_weights(module: Module, weights: Mapping[str, Tensor], *, where: str | Path) -> None:
    """Copy weights into a module. ENG104 when a name or shape is missing, extra or different."""
    have = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    if have != given:
        differing = sorted(set(have.items()) ^ set(given.items()))
        raise TumorboardError(
            codes.CHECKPOINT_MISMATCH,
            where,
            found=f"{len(given)} tensors, differing in {[name for name, _ in differing[:3]]}",
            expected=f"the {len(have)} tensors of {type(module).__name__}",
        )
    module.load_state_dict(dict(weights))


def pack_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as flat tensors (``<parameter>/<name>``) and JSON (groups, plain numbers)."""
    import torch

    whole = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, entries in whole["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}/{name}"] = value
            else:
                numbers.setdefault(str(index), {})[name] = value
    return tensors, {"groups": whole["param_groups"], "numbers": numbers}


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Restore what `pack_optimizer` packed."""
    entries: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, name = key.split("/", 1)
        entries.setdefault(int(index), {})[name] = value.clone()
    for index, numbers in state["numbers"].items():
        entries.setdefault(int(index), {}).update(numbers)
    groups = []
    for mine, theirs in zip(optimizer.state_dict()["param_groups"], state["groups"], strict=True):
        # JSON knows no tuples; Adam's betas are one.
        groups.append({k: tuple(v) if isinstance(mine.get(k), tuple) else v for k, v in theirs.items()})
    optimizer.load_state_dict({"state": entries, "param_groups": groups})


def _foreign(path: Path, found: str) -> TumorboardError:
    return TumorboardError(
        codes.CHECKPOINT_FOREIGN, path, found=found, expected="a safetensors file written by tumorboard"
    )


def _kind(path: Path) -> str:
    """What the first bytes look like; nothing is executed."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        return "a zip archive, as torch.save writes (a pickle)"
    if start[:1] == b"\x80":
        return "a pickle"
    return "damaged bytes"
