"""Makes the generator of synthetic graphs (`benchmarks/imagenome_synthetic.py`) importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
