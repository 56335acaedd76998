from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tumorboard.core.cohort import Cohort

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    from detection_bodies import make_cohort

    return make_cohort(tmp_path_factory.mktemp("bodies"))
