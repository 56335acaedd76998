"""Checkpoints hold what was put in, in the same bytes, and nothing foreign is opened (trap 10)."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file

from tumorboard.core.errors import TumorboardError
from tumorboard.engine.checkpoints import (
    load_optimizer,
    load_weights,
    pack_optimizer,
    read_checkpoint,
    snapshot,
    write_checkpoint,
)


class Bomb:
    """Sets a mark when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return (_explode, ())


def _explode():
    Bomb.exploded = True


def test_same_content_same_bytes_and_back(tmp_path):
    tensors = {"b/x": torch.arange(6.0).reshape(2, 3).t(), "a": torch.tensor([1, 2], dtype=torch.int64)}
    state = {"step": 3, "value": 0.1, "big": 2**127 - 1}
    for name in ("one", "two"):
        write_checkpoint(tmp_path / name, tensors=tensors, state=state)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    back = read_checkpoint(tmp_path / "one")
    assert dict(back.state) == state
    assert torch.equal(back.part("b")["x"], tensors["b/x"]) and torch.equal(back.tensors["a"], tensors["a"])


@pytest.mark.parametrize("kind", ["pickle", "torch", "noise", "empty", "absent", "other program"])
def test_foreign_files_are_refused_and_never_run(tmp_path, kind):
    path = tmp_path / "weights.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif kind == "torch":
        torch.save({"x": Bomb()}, path)
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 4)
    elif kind == "empty":
        path.touch()
    elif kind == "other program":
        save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(TumorboardError, match="ENG103"):
        read_checkpoint(path)
    assert not Bomb.exploded


def test_a_snapshot_does_not_move_with_the_network():
    layer = torch.nn.Linear(2, 2)
    before = snapshot(layer)
    copy = {name: value.clone() for name, value in before.items()}
    with torch.no_grad():
        layer.weight.add_(1)
    assert all(torch.equal(before[name], copy[name]) for name in copy)
    assert not torch.equal(before["weight"], layer.weight)


def test_weights_of_another_network_are_refused():
    with pytest.raises(TumorboardError, match=r"ENG104.*weight"):
        load_weights(torch.nn.Linear(2, 2), snapshot(torch.nn.Linear(3, 2)), where="here")


def test_an_optimizer_goes_on_where_it_stopped(tmp_path):
    def step(layer, optimizer):
        optimizer.zero_grad()
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    whole = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(whole.parameters(), 0.1)
    step(whole, optimizer)
    tensors, numbers = pack_optimizer(optimizer)
    write_checkpoint(tmp_path / "c", tensors=tensors, state={"optimizer": numbers})
    twin = torch.nn.Linear(2, 1)
    twin.load_state_dict(snapshot(whole))
    other = torch.optim.AdamW(twin.parameters(), 0.5)
    back = read_checkpoint(tmp_path / "c")
    load_optimizer(other, back.tensors, back.state["optimizer"])
    for pair in ((whole, optimizer), (twin, other)):
        step(*pair)
    assert torch.equal(whole.weight, twin.weight)
