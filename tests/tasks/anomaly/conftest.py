"""Makes `anomaly_bodies` importable, and trains one small model for all tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cohort of six bodies, the folder of a model trained on it, and the model."""
    import anomaly_bodies as bodies

    from tumorboard.tasks.anomaly.config import AnomalyConfig
    from tumorboard.tasks.anomaly.train import train

    folder = tmp_path_factory.mktemp("bodies")
    cohort = bodies.cohort_of(folder / "source")
    model = train(cohort, folder / "run", config=AnomalyConfig(**bodies.LIGHT))
    return cohort, folder / "run", model
