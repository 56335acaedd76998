"""The table of benchmarks: goals, words, and rows of the agreed form."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def runner() -> Any:
    spec = importlib.util.spec_from_file_location("benchmarks_run", BENCHMARKS / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROW = {"name": "read", "ours_s": 0.0123, "peer": "nibabel", "peer_s": 2.0, "ratio": 0.4, "goal": 0.6, "note": ""}


def test_a_missed_goal_is_set_in_bold(runner: Any) -> None:
    page = runner.page([ROW, ROW | {"name": "slow", "ratio": 0.7}], machine="2 cores", day="2026-01-01")
    assert "| read | 12.3 ms | nibabel | 2 s | 0.400 | 0.600 |  |" in page
    assert "**0.700**" in page
    assert "2026-01-01, 2 cores" in page


def test_a_row_of_another_form_is_refused(runner: Any) -> None:
    with pytest.raises(ValueError, match="keys"):
        runner._complete({"name": "x"}, Path("bench_x.py"))


def test_every_benchmark_has_a_main() -> None:
    for path in BENCHMARKS.glob("bench_*.py"):
        names = {n.name for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)}
        assert "main" in names, path.name
