"""Makes `chests` importable, and trains one small model for all tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cohort of six drawn chests and the folder of a model trained on it."""
    import chests

    from tumorboard.tasks.anatomy.config import AnatomyConfig
    from tumorboard.tasks.anatomy.train import train

    folder = tmp_path_factory.mktemp("drawn")
    cohort = chests.cohort_of(folder / "source")
    model = train(cohort, folder / "run", config=AnatomyConfig(**chests.LIGHT))
    return cohort, folder / "run", model
