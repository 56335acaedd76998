"""Endpoints together: PFS never above OS, the likelihood's convention, Cox's on tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.tasks.prognosis.models.joint import Endpoints, cox_loss, endpoint_loss
from tumorboard.tasks.prognosis.models.networks import hazard_loss, hazard_survival

EDGES = np.array([10.0, 20.0, 40.0])


def test_pfs_is_never_above_os_and_both_fall() -> None:
    torch.manual_seed(0)
    endpoints = Endpoints(("OS", "PFS"), EDGES)
    assert endpoints.chained == "PFS" and endpoints.outputs == 6
    curves = endpoints.survival(20 * torch.randn(200, 6), torch.randn(3, 3))
    assert set(curves) == {"OS", "PFS"}
    assert (curves["PFS"] <= curves["OS"] + 1e-6).all()
    for values in curves.values():
        assert (values.diff(dim=1) <= 1e-6).all() and (values <= 1 + 1e-6).all() and (values >= 0).all()


def test_the_chain_by_hand() -> None:
    """One interval after another: stay .5, event .25, death .25; after the event half die."""
    endpoints = Endpoints(("PFS", "OS"), EDGES[:2])
    start = torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5], [1.0, 1.0]]))
    curves = endpoints.survival(torch.zeros(1, 6), start)
    torch.testing.assert_close(curves["PFS"], torch.tensor([[0.5, 0.25]]))
    torch.testing.assert_close(curves["OS"], torch.tensor([[0.75, 0.25 + 0.125 + 0.125]]))


def test_endpoints_that_share_nothing_are_plain_hazards() -> None:
    endpoints = Endpoints(("LRR", "OS"), EDGES)
    assert endpoints.chained == "" and endpoints.outputs == 4
    start = torch.randn(2, 3)
    curves = endpoints.survival(torch.zeros(1, 4), start)
    torch.testing.assert_close(curves["OS"], hazard_survival(start[1:]))


def test_the_likelihood_is_the_house_s_own_of_discrete_hazards() -> None:
    torch.manual_seed(0)
    logits = torch.randn(50, 3)
    completed, event = torch.randint(0, 4, (50,)), torch.rand(50) < 0.5
    event &= completed < 3
    torch.testing.assert_close(
        endpoint_loss(hazard_survival(logits), completed, event), hazard_loss(logits, completed, event)
    )


def test_trap_edges_ends_and_unknown_times() -> None:
    """Reference A.d, trap 6: on an edge; beyond the last; time 0; completed intervals; pmf and tail add up to 1."""
    endpoints = Endpoints(("PFS",), EDGES)
    event = np.array([True, True, True, False, False, True, False])
    time = np.array([20.0, 41.0, 0.0, 20.0, 19.0, np.nan, np.nan])
    completed, happened = endpoints.intervals(event, time)
    assert completed.tolist() == [1, 3, 0, 2, 1, -1, -1]
    assert happened.tolist() == [True, False, True, False, False, False, False]
    curve = torch.tensor([[0.9, 0.6, 0.3]])
    terms = [endpoint_loss(curve, torch.tensor([k]), torch.tensor([True])) for k in range(3)]
    tail = endpoint_loss(curve, torch.tensor([3]), torch.tensor([False]))
    assert sum(torch.exp(-t) for t in [*terms, tail]).item() == pytest.approx(1.0)
    assert endpoint_loss(curve, torch.tensor([2]), torch.tensor([False])).item() == pytest.approx(-np.log(0.6))
    known = endpoint_loss(curve.expand(2, -1), torch.tensor([2, -1]), torch.tensor([False, False]))
    assert known.item() == pytest.approx(-np.log(0.6))
    assert endpoint_loss(curve, torch.tensor([-1]), torch.tensor([False])) == 0


def test_edges_come_from_the_events_of_all_endpoints() -> None:
    pfs = (np.ones(60, bool), np.arange(1.0, 61.0))
    os = (np.arange(60) % 2 == 0, np.arange(1.0, 61.0) + 60)
    endpoints = Endpoints.of({"PFS": pfs, "OS": os})
    assert endpoints.edges[-1] == 119.0 and len(endpoints.edges) == 3  # 30 deaths: 12 an interval, at least 3
    gaps = (np.ones(60, bool), np.where(np.arange(60) < 30, np.nan, 500.0))
    assert np.isfinite(Endpoints.of({"PFS": pfs, "OS": gaps}).edges).all()


# ---- Cox ------------------------------------------------------------------------------------------------------------
def tied(n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.random(n) < 0.6, random.integers(1, 9, n).astype(float), random.standard_normal(n)


def test_trap_efron_with_ties_is_lifelines() -> None:
    """Reference A.d, trap 5: at a coefficient of 1 the partial likelihood is lifelines' (Efron)."""
    from lifelines import CoxPHFitter
    from pandas import DataFrame

    event, time, x = tied()
    fitted = CoxPHFitter().fit(DataFrame({"x": x, "t": time, "e": event}), "t", "e")
    risk = torch.tensor(x * fitted.params_["x"])
    ours = -float(cox_loss(risk, torch.tensor(event), torch.tensor(time))) * event.sum()
    assert ours == pytest.approx(fitted.log_likelihood_, rel=1e-9)


def test_trap_a_constant_does_not_matter_and_large_risks_are_stable() -> None:
    event, time, x = (torch.tensor(a) for a in tied())
    torch.testing.assert_close(cox_loss(x + 700.0, event, time), cox_loss(x, event, time))
    risk = (1000 * x).requires_grad_(True)
    loss = cox_loss(risk, event, time)
    loss.backward()
    assert loss.isfinite() and risk.grad is not None and risk.grad.isfinite().all()


def test_trap_one_patient_warns_and_no_event_is_zero() -> None:
    risk = torch.tensor([0.3], requires_grad=True)
    with pytest.warns(RuntimeWarning, match="batch of one"):
        loss = cox_loss(risk, torch.tensor([True]), torch.tensor([5.0]))
    loss.backward()
    assert loss == 0 and risk.grad == 0
    both = torch.tensor([0.3, 1.0], requires_grad=True)
    none = cox_loss(both, torch.tensor([False, False]), torch.tensor([5.0, 6.0]))
    none.backward()
    assert none == 0 and not both.grad.any()
