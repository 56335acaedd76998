"""The page of priors: the claim needs every control, and the curve only what was measured at all arms."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("anomaly_prior_report")
    for name in ("anomaly", "anomaly_prior_report"):
        sys.modules.pop(name, None)


def values(level: float, *, spread: float = 0.01) -> dict[str, float]:
    return {f"P{n}": level + spread * (n % 3) for n in range(12)}


def dice(**levels: float) -> dict[tuple[str, int], dict[str, float]]:
    names = {"none": 0.5, "smoothed-suv": 0.5, "suv-2.5": 0.5, "other-patient": 0.5, "anomaly": 0.6}
    found = {(prior, 0): values(levels.get(prior.replace("-", "_"), level)) for prior, level in names.items()}
    return found | {(prior, 2): values(0.4) for prior in ("none", "smoothed-suv", "anomaly")} | {
        ("none", 4): values(0.4)
    }  # fmt: skip


def test_the_claim_needs_every_control(report: ModuleType) -> None:
    assert "ahead of every control" in report.verdict(dice())
    one_level = report.verdict(dice(smoothed_suv=0.6))
    assert "not shown to help" in one_level
    assert "ahead of no prior, SUV > 2.5, another patient's map; not told apart from smoothed SUV" in one_level
    assert one_level.endswith("smoothed SUV.")
    worse = report.verdict(dice(anomaly=0.45))
    assert "not shown to help" in worse and "behind no prior" in worse


def test_differences_are_taken_over_the_same_patients(report: ModuleType) -> None:
    ours, theirs = values(0.6), values(0.5)
    del theirs["P3"]
    assert report.difference(ours, theirs)[0].startswith("+0.100")


def test_the_curve_shows_counts_that_every_arm_has(report: ModuleType) -> None:
    found = dice()
    assert report.counts_of(found) == [2, 0]
    table = report.curve_table(found, [12])
    assert "| 2 | 0.41" in table and "| all (12) | " in table and "| 4 |" not in table
    assert "anomaly map 0.41, 0.61" in report.curve_words(found, [12])


def test_the_picture_of_synthetic_patients_says_so(report: ModuleType, tmp_path: Path) -> None:
    report.draw({"dice": dice(), "all": [12]}, tmp_path / "curve.png", synthetic=True)
    assert (tmp_path / "curve.png").stat().st_size > 5000
