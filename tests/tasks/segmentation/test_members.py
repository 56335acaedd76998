"""Ensembles: trained side by side or in turn, stopped and resumed, within a time, and one model in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import tumorboard
from tumorboard.engine.checkpoints import read_checkpoint, write_checkpoint
from tumorboard.engine.run_log import read_log
from tumorboard.io.store import save_cohort
from tumorboard.tasks.segmentation import members
from tumorboard.tasks.segmentation.cases import find_cases, load_case
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.model import MODEL_FILE, SegmentationModel
from tumorboard.tasks.segmentation.train import train


def weights(folder):
    return read_checkpoint(folder / MODEL_FILE).tensors


def same(a, b):
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def pair(spheres, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("pair")
    return out, train(spheres, out, config=tiny.model_copy(update={"members": 2}))


def test_an_ensemble_is_the_mean_of_its_members(pair, spheres, tiny, tmp_path):
    out, model = pair
    assert len(model.networks) == 2 and model.facts["steps"] == 24
    assert [member["seed"] for member in model.facts["members"]] == [0, 1000]
    prepared = model.preprocessing.forward(load_case(spheres, find_cases(spheres, labelled=True)[0]))
    alone = [
        SegmentationModel((network,), model.config, model.preprocessing, {}).probabilities(prepared)
        for network in model.networks
    ]
    assert not np.allclose(alone[0], alone[1], atol=1e-3)
    np.testing.assert_allclose(model.probabilities(prepared), (alone[0] + alone[1]) / 2, atol=1e-6)
    again = SegmentationModel.load(out)
    np.testing.assert_array_equal(again.probabilities(prepared), model.probabilities(prepared))
    # The first member is the network that a single training of this seed gives.
    single = train(spheres, tmp_path, config=tiny)
    assert same(single.networks[0].state_dict(), model.networks[0].state_dict())
    assert sorted(path.name for path in out.glob("**/*.safetensors")) == [MODEL_FILE]


def test_a_stopped_ensemble_goes_on_where_it_was(pair, spheres, tiny, tmp_path, monkeypatch):
    """Stopped in the second member, after its checkpoint: the first is taken over, the second resumed, same weights."""
    out, _ = pair
    config = tiny.model_copy(update={"members": 2})
    calls, real = 0, members._train_member

    def stopped(job, number):
        nonlocal calls
        if number == 0:
            return real(job, number)
        from tumorboard.tasks.segmentation.sampling import PatchSampler

        def draw(self, random):
            nonlocal calls
            calls += 1
            if calls > 8:
                raise KeyboardInterrupt
            return original(self, random)

        original = PatchSampler.__call__
        with monkeypatch.context() as patch:
            patch.setattr(PatchSampler, "__call__", draw)
            return real(job, number)

    with monkeypatch.context() as patch:
        patch.setattr(members, "_train_member", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(spheres, tmp_path, config=config)
    assert not (tmp_path / MODEL_FILE).exists()
    first = (tmp_path / "member-0" / MODEL_FILE).stat().st_mtime_ns
    assert read_checkpoint(tmp_path / "member-1" / "last.safetensors").state["step"] == 5
    seen = []
    monkeypatch.setattr(members, "_train_member", lambda job, n: seen.append(_time(job, n)) or real(job, n))
    train(spheres, tmp_path, config=config)
    assert first in seen and same(weights(tmp_path), weights(out))
    assert any(line["event"] == "resumed" for line in read_log(tmp_path / "member-1" / "log.jsonl"))


def _time(job, number):
    path = job.folders[number] / MODEL_FILE
    return path.stat().st_mtime_ns if path.exists() else None


def test_a_budget_alone_ends_a_training_in_time(spheres, tiny, tmp_path):
    config = tiny.model_copy(update={"steps": None, "budget_minutes": 4 / 60, "members": 1})
    assert config.length is None
    began = time.perf_counter()
    model = train(spheres, tmp_path, config=config)
    assert time.perf_counter() - began < 60  # a loaded machine; the training itself stopped by its own clock:
    assert 0 < model.facts["seconds"] < 8
    log = read_log(tmp_path / "log.jsonl")
    assert log[0]["plan"]["steps"] is None and log[-1]["event"] == "finished"


def test_what_preparing_took_is_gone_from_the_budget(spheres, tiny, tmp_path, monkeypatch):
    """Preparing longer than the budget leaves one step, not none and not a training that starts afresh."""
    config = tiny.model_copy(update={"steps": None, "budget_minutes": 0.5 / 60, "members": 1})
    real = members.train_members
    monkeypatch.setattr(
        "tumorboard.tasks.segmentation.train.train_members",
        lambda job: (time.sleep(0.6), seen.append(job), real(job))[2],
    )
    seen = []
    clock = time.perf_counter
    monkeypatch.setattr("tumorboard.tasks.segmentation.train.time.perf_counter", lambda: clock() + 0.6 * len(ticks))
    ticks = []

    def tick(*_):
        ticks.append(1)

    model = train(spheres, tmp_path, config=config, progress=tick)
    assert model.facts["steps"] == 1 and seen[0].spent_s > 0.5


@pytest.mark.parametrize(
    "settings, length, count",
    [
        ({}, 1600, 1),
        ({"steps": "20"}, 20, 1),
        ({"budget_minutes": "9"}, None, 2),
        ({"budget_minutes": "15"}, None, 4),
        ({"budget_minutes": "15", "steps": "20", "members": "3"}, 20, 3),
        ({"budget_minutes": "15", "device": "cuda", "members": "1"}, None, 1),
    ],
)
def test_length_and_members_follow_the_budget(settings, length, count, monkeypatch):
    monkeypatch.setattr("tumorboard.tasks.segmentation.config.cores", lambda: 2)
    config = SegmentationConfig.model_validate(settings)
    assert (config.length, config.member_count) == (length, count)


def test_models_of_one_network_from_before_are_read(spheres, tiny, tmp_path):
    train(spheres, tmp_path, config=tiny.model_copy(update={"steps": 1}))
    new = read_checkpoint(tmp_path / MODEL_FILE)
    state = {key: value for key, value in new.state.items() if key != "members"}
    plain = {name.removeprefix("0/"): value for name, value in new.tensors.items()}
    (tmp_path / "old").mkdir()
    write_checkpoint(tmp_path / "old" / MODEL_FILE, tensors=plain, state=state)
    old = SegmentationModel.load(tmp_path / "old")
    assert same(old.networks[0].state_dict(), SegmentationModel.load(tmp_path).networks[0].state_dict())


@pytest.mark.slow
def test_an_ensemble_of_processes_is_the_ensemble_in_turn(pair, spheres, tiny, tmp_path):
    out, _ = pair
    model = train(spheres, tmp_path, config=tiny.model_copy(update={"members": 2, "workers": 2}))
    assert same(weights(tmp_path), weights(out))
    assert json.dumps(model.facts["members"])  # plain numbers


@pytest.mark.slow
def test_torchrun_trains_the_network_of_one_process_that_accumulates(spheres, tiny, tmp_path):
    save_cohort(spheres, tmp_path / "cohort")
    words = {key: value for key, value in tiny.model_dump(mode="json").items() if value is not None} | {"members": 1}
    settings = [f"{key}={','.join(map(str, v)) if isinstance(v, list) else v}" for key, v in words.items()]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tumorboard", "train"]
    command += ["segmentation", str(tmp_path / "cohort"), "--out", str(tmp_path / "two")]
    command += [word for setting in settings for word in ("--set", setting)]
    environment = {**os.environ, "PYTHONPATH": str(Path(tumorboard.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *command], env=environment, check=True, timeout=580)
    train(spheres, tmp_path / "one", config=tiny.model_copy(update={"accumulate": 2, "members": 1}))
    two, one = weights(tmp_path / "two"), weights(tmp_path / "one")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
