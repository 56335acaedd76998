"""Makes `hpv_cohorts` importable for the tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cohort():
    from hpv_cohorts import build

    return build()
