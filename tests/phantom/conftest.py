"""One small virtual cohort for all tests of the phantom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.phantom import make_cohort


@pytest.fixture(scope="session")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Eight patients of four centres, some followed, with organ maps."""
    folder: Path = tmp_path_factory.mktemp("virtual") / "cohort"
    return make_cohort(folder, patients=8, seed=3, organs=True)
