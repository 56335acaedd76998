"""Seeds, resumption and the best weights (trap 10), on a network of a few weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tumorboard.core.errors import TumorboardError
from tumorboard.engine import precision
from tumorboard.engine.checkpoints import read_checkpoint, snapshot
from tumorboard.engine.loop import LAST, fit, seeded
from tumorboard.engine.run_log import RunLog, read_log
from tumorboard.engine.schedule import TrainingPlan

PLAN = TrainingPlan(steps=12, seed=3, learning_rate=0.05, warmup_steps=2, ema_decay=0.9, checkpoint_every=4)


def network(seed: int = 3) -> torch.nn.Module:
    with seeded(seed):
        return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.3), torch.nn.ReLU(), torch.nn.Linear(8, 1))


def draw(random: np.random.Generator):
    x = torch.from_numpy(random.normal(size=(5, 3)).astype(np.float32))
    return x, x.sum(1, keepdim=True)


def loss_of(net, batch):
    return ((net(batch[0]) - batch[1]) ** 2).mean()


def same(a, b) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_same_seed_same_weights_whatever_happened_before():
    first = fit(network(), PLAN, draw=draw, loss_of=loss_of)
    torch.manual_seed(999)
    torch.rand(5)
    second = fit(network(), PLAN, draw=draw, loss_of=loss_of)
    other = fit(network(4), dataclasses.replace(PLAN, seed=4), draw=draw, loss_of=loss_of)
    assert same(first.weights, second.weights) and not same(first.weights, other.weights)


def test_training_leaves_the_callers_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    fit(network(), PLAN, draw=draw, loss_of=loss_of)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("stop_at", [5, 8, 11])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, stop_at):
    plan = dataclasses.replace(PLAN, score_every=3)

    def score(net):
        torch.rand(3)  # scoring may use the generator; training must not notice
        return -float(loss_of(net, draw(np.random.default_rng(0))))

    whole = fit(network(), plan, draw=draw, loss_of=loss_of, score=score)
    calls = 0

    def interrupted(random):
        nonlocal calls
        calls += 1
        if calls > stop_at + 1:  # the first draw only chooses the precision
            raise KeyboardInterrupt
        return draw(random)

    with pytest.raises(KeyboardInterrupt):
        fit(network(), plan, draw=interrupted, loss_of=loss_of, score=score, folder=tmp_path)
    assert read_checkpoint(tmp_path / LAST).state["step"] == stop_at // 4 * 4
    resumed = fit(network(seed=77), plan, draw=draw, loss_of=loss_of, score=score, folder=tmp_path)
    assert same(whole.weights, resumed.weights)
    assert (whole.step, whole.score, whole.steps) == (resumed.step, resumed.score, resumed.steps)


def test_best_weights_are_those_that_were_scored_and_not_the_last():
    seen = []

    def score(net):
        seen.append(snapshot(net))
        return [0.2, 0.9, 0.1, 0.3][len(seen) - 1]

    result = fit(network(), dataclasses.replace(PLAN, score_every=3), draw=draw, loss_of=loss_of, score=score)
    assert (result.step, result.score) == (6, 0.9)
    assert same(result.weights, seen[1]) and not same(result.weights, seen[3])


def test_without_a_score_the_running_mean_at_the_end_is_kept():
    net = network()
    result = fit(net, PLAN, draw=draw, loss_of=loss_of)
    assert result.step == PLAN.steps and result.score is None
    assert not same(result.weights, snapshot(net))
    plain = fit(net := network(), dataclasses.replace(PLAN, ema_decay=None), draw=draw, loss_of=loss_of)
    assert same(plain.weights, snapshot(net))


@pytest.mark.parametrize("change", [{"identity": "other data"}, {"plan": dataclasses.replace(PLAN, steps=13)}])
def test_a_checkpoint_of_another_training_is_refused(tmp_path, change):
    fit(network(), PLAN, draw=draw, loss_of=loss_of, folder=tmp_path, identity="data")
    plan = change.get("plan", PLAN)
    with pytest.raises(TumorboardError, match="ENG104"):
        fit(network(), plan, draw=draw, loss_of=loss_of, folder=tmp_path, identity=change.get("identity", "data"))


def test_an_infinite_loss_stops_the_training():
    with pytest.raises(TumorboardError, match="ENG105"):
        fit(network(), PLAN, draw=draw, loss_of=lambda net, batch: loss_of(net, batch) * float("inf"))


def test_a_budget_ends_a_training_with_a_fallen_learning_rate(tmp_path):
    plan = dataclasses.replace(PLAN, steps=10**9, budget_minutes=0.3 / 60)
    result = fit(network(), plan, draw=draw, loss_of=loss_of, log=RunLog(tmp_path / "log.jsonl"))
    assert 0 < result.steps < 10**9 and result.seconds < 5
    assert read_log(tmp_path / "log.jsonl")[-1]["event"] == "finished"
    assert plan.rate(100, plan.progress(100, 0.3)) == 0.0
    assert plan.rate(100, plan.progress(100, 0.15)) == pytest.approx(0.05 * 0.5**0.9)


def test_bfloat16_needs_the_processor_and_agreement(monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: False)
    assert precision.choose_precision("auto", lambda: torch.ones(()))[0] == "float32"
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: True)
    assert precision.choose_precision("auto", lambda: torch.ones(()))[0] == "bfloat16"

    def differs():
        return torch.tensor(2.0 if torch.is_autocast_enabled("cpu") else 1.0)

    chosen, why = precision.choose_precision("auto", differs)
    assert chosen == "float32" and why["relative_difference"] == 1.0
    with pytest.raises(TumorboardError, match="ENG106"):
        precision.choose_precision("float8", differs)


def test_a_log_cut_short_is_read_and_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    log = RunLog(path, clock=lambda: "t")
    log.write("step", loss=float("nan"))
    with path.open("a") as file:
        file.write('{"time": "t", "ev')
    RunLog(path, clock=lambda: "t").write("resumed", step=1)
    assert read_log(path) == [
        {"time": "t", "event": "step", "loss": None},
        {"time": "t", "event": "resumed", "step": 1},
    ]


def test_sgd_resumes_with_its_momentum(tmp_path):
    plan = dataclasses.replace(PLAN, optimizer="sgd", learning_rate=0.01, checkpoint_every=5)
    whole = fit(network(), plan, draw=draw, loss_of=loss_of)
    adam = fit(network(), dataclasses.replace(plan, optimizer="adamw"), draw=draw, loss_of=loss_of)

    def stopping(net, batch, calls=[0]):  # noqa: B006
        calls[0] += 1
        if calls[0] == 9:
            raise KeyboardInterrupt
        return loss_of(net, batch)

    with pytest.raises(KeyboardInterrupt):
        fit(network(), plan, draw=draw, loss_of=stopping, folder=tmp_path)
    resumed = fit(network(), plan, draw=draw, loss_of=loss_of, folder=tmp_path)
    assert same(whole.weights, resumed.weights) and not same(whole.weights, adam.weights)
    with pytest.raises(TumorboardError, match="optimizer"):
        dataclasses.replace(plan, optimizer="lbfgs")
