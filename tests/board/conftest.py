"""Makes `browser` and `cubes` importable."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cubes import build_cubes


@pytest.fixture
def make_cohort(tmp_path: Path) -> Any:
    """make_cohort(ct=, pet=, masks=) -> cohort of three patients with these images below `tmp_path`."""
    return partial(build_cubes, tmp_path)
