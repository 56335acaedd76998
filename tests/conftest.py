"""Real data for tests: where it is, or a clear reason why a test is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the shared real data (`TUMORBOARD_DATA`, default ../shared/data); skips where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TUMORBOARD_DATA", default))
    if not (folder / "MANIFEST.sha256").is_file():
        pytest.skip(f"real data not found at {folder}; set TUMORBOARD_DATA to run this test")
    return folder
