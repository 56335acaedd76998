"""The benchmark of the graphs measures what it says: all graphs come back, equal in content."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_small_run(tmp_path: Path) -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from imagenome_files import measure
    finally:
        sys.path.remove(str(BENCHMARKS))
    found = measure(25, 1, tmp_path)
    assert (found["graphs"], found["different"]) == (25, 0)
    broken = next((tmp_path / "out").glob("*.json"))
    broken.write_text(broken.read_text().replace("finalreport", "elsewhere"))
    from imagenome_files import same_content

    assert same_content(tmp_path / "made" / "silver_dataset" / "scene_graph", tmp_path / "out") == 1
