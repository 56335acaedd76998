"""Event times: closed forms, order of endpoints, published survival, planted effects."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.phantom.cohort import draw_patients
from tumorboard.phantom.outcomes import (
    EDGES_YEARS,
    ETA_SD,
    MEAN_EXP_ETA,
    RECURRENCE_PER_YEAR,
    SHARES,
    ceilings,
    harrell,
    recurrence_days,
    rfs_risk,
)

ALL_CENTRES = ("VA", "VB", "VC", "VD", "VE", "VF", "VG", "VH")


def test_recurrence_inverts_the_cumulative_hazard() -> None:
    # By hand: .093 * .5 + .135 * .5 = .114 has accumulated after one year at exp(eta) / mean exp(eta) = 1.
    eta = np.log(MEAN_EXP_ETA)
    assert recurrence_days(eta, 0.093 * 0.5) == pytest.approx(0.5 * 365.25)
    assert recurrence_days(eta, 0.114) == pytest.approx(365.25)
    assert recurrence_days(eta + np.log(2), 0.114 * 2) == pytest.approx(365.25)
    # Beyond the last edge: sum of the first seven pieces, then .007 per year.
    to_five = float((RECURRENCE_PER_YEAR[:-1] * np.diff(EDGES_YEARS)).sum())
    assert recurrence_days(eta, to_five + 0.014) == pytest.approx(7 * 365.25)


def test_overall_survival_is_never_shorter(crowd) -> None:
    for p in crowd:
        assert p.course.os_days >= p.course.rfs_days > 0
        if p.course.os_event:
            assert p.course.rfs_event


def test_planted_signal_has_its_size_and_shares(crowd) -> None:
    parts = {name: np.array([getattr(p.signal, name) for p in crowd]) for name in SHARES}
    eta = sum(parts.values())
    assert eta.std() == pytest.approx(ETA_SD, rel=0.06)
    for name, share in SHARES.items():
        assert parts[name].var() / ETA_SD**2 == pytest.approx(share, rel=0.12)
    # The image part is not in the table: what the two share is chance (SD of r is 1 / sqrt(n) = .025).
    assert abs(np.corrcoef(parts["image"], parts["table"])[0, 1]) < 0.08
    assert np.exp(eta).mean() == pytest.approx(MEAN_EXP_ETA, rel=0.08)


def kaplan_meier(years: np.ndarray, event: np.ndarray, at: list[float]) -> np.ndarray:
    order = np.argsort(years)
    years, event = years[order], event[order]
    survival = np.cumprod(1 - event / np.arange(len(years), 0, -1))
    return survival[np.searchsorted(years, at, side="right") - 1]


@pytest.mark.slow
def test_survival_is_that_of_the_published_cohort() -> None:
    """S at 1, 3, 5 years of RADCURE (phantom.md 5): RFS .857/.713/.639, OS .920/.779/.695, censoring .97/.75/.49."""
    crowd = draw_patients(5000, seed=11, centres=ALL_CENTRES)
    rfs = np.array([p.course.rfs_days for p in crowd]) / 365.25
    event = np.array([p.course.rfs_event for p in crowd])
    dead = np.array([p.course.os_event for p in crowd])
    os_years = np.array([p.course.os_days for p in crowd]) / 365.25
    assert kaplan_meier(rfs, event, [1, 3, 5]) == pytest.approx([0.857, 0.713, 0.639], abs=0.04)
    assert kaplan_meier(os_years, dead, [1, 3, 5]) == pytest.approx([0.920, 0.779, 0.695], abs=0.04)
    assert kaplan_meier(rfs, ~event, [1, 3, 5]) == pytest.approx([0.97, 0.75, 0.49], abs=0.04)
    assert_cox_covers(crowd)


def assert_cox_covers(crowd) -> None:
    """A Cox model of recurrence (other deaths censor) finds the planted coefficient 1 of each part within
    its interval."""
    import pandas as pd
    from lifelines import CoxPHFitter

    rng = np.random.default_rng(4)
    eta = np.array([p.signal.eta for p in crowd])
    days = recurrence_days(eta, rng.exponential(size=len(crowd)))
    limit = rng.uniform(1, 8, len(crowd)) * 365.25
    frame = pd.DataFrame({name: [getattr(p.signal, name) for p in crowd] for name in SHARES})
    frame["days"], frame["event"] = np.minimum(days, limit), days <= limit
    table = CoxPHFitter().fit(frame, "days", "event").summary
    for name in SHARES:
        assert table.loc[name, "coef lower 95%"] < 1.0 < table.loc[name, "coef upper 95%"], name


def test_harrell_by_hand() -> None:
    event = np.array([True, False, True])
    days = np.array([10.0, 20.0, 30.0])
    # Usable pairs: (0, 1) and (0, 2). Scores 3, 1, 3: the first is right, the second a tie.
    assert harrell(event, days, np.array([3.0, 1.0, 3.0])) == pytest.approx(0.75)


def test_ceilings_are_ordered(crowd) -> None:
    eta = np.array([p.signal.eta for p in crowd])
    age = np.array([p.person.age_years for p in crowd])
    scores = {
        "best": rfs_risk(eta, age),
        "eta": eta,
        "table": np.array([p.signal.table for p in crowd]),
        "image": np.array([p.signal.image for p in crowd]),
        "noise": np.random.default_rng(0).normal(size=len(eta)),
    }
    found = ceilings(scores, eta=eta, age_years=age, seed=0, repeats=4)
    c = {name: value["c_index"] for name, value in found.items()}
    assert c["best"] > c["eta"] > c["table"] > c["image"] > c["noise"] + 0.03
    assert c["noise"] == pytest.approx(0.5, abs=0.03)
    assert 0.64 < c["best"] < 0.72
