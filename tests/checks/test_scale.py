"""A thousand patients: opened in under a second, checked in under twenty."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tumorboard.checks import run_checks
from tumorboard.io.store import open_cohort
from tumorboard.phantom import make_cohort


@pytest.mark.slow
def test_a_thousand_virtual_patients(tmp_path: Path) -> None:
    make_cohort(tmp_path / "many", patients=1000, tables_only=True)
    start = time.perf_counter()
    cohort = open_cohort(tmp_path / "many")
    opened = time.perf_counter()
    found = run_checks(cohort)
    checked = time.perf_counter()
    assert opened - start < 1.0 and checked - opened < 20.0  # issue 2; 0.13 s and 0.23 s when this was written
    assert [f for f in found if f.severity == "error"] == []
