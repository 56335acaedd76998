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


def test_every_benchmark_has_a_main_that_gives_rows() -> None:
    for path in BENCHMARKS.glob("bench_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
        assert mains and mains[0].returns is not None, path.name
        assert ast.unparse(mains[0].returns).startswith("list["), path.name


def test_one_that_fails_costs_the_others_nothing(
    runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bench_a.py").write_text("def main():\n    raise OSError('no disk')\n", encoding="utf-8")
    (tmp_path / "bench_b.py").write_text(f"def main():\n    return [{ROW!r}]\n", encoding="utf-8")
    monkeypatch.setattr(runner, "HERE", tmp_path)
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "page.md")
    assert runner.main([]) == 1
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| read | 12.3 ms" in page and "bench_a failed: OSError: no disk" in page
    assert "no disk" in capsys.readouterr().out
