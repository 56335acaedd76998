"""Makes `bodies` importable, and trains one small model for all tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cohort of six drawn bodies, the folder of a model trained on it, and the model."""
    import bodypart_bodies as bodies

    from tumorboard.tasks.bodypart.config import BodyPartConfig
    from tumorboard.tasks.bodypart.train import train

    folder = tmp_path_factory.mktemp("bodies")
    cohort = bodies.cohort_of(folder / "source")
    model = train(cohort, folder / "run", config=BodyPartConfig(**bodies.LIGHT))
    return cohort, folder / "run", model
