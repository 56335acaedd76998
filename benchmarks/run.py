"""Runs every `bench_*.py` beside this file and prints one table: ours, the peer's, the ratio, and the goal.

Each `bench_*.py` has `main() -> list[dict]` with name, ours_s, peer, peer_s, ratio, goal and note: seconds of ours and
of the named peer in one run on one machine, equal results asserted there; `ratio` is ours over the peer's and `goal`
the largest ratio that is good enough (a benchmark of memory says so in its note).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "performance.md"
KEYS = ("name", "ours_s", "peer", "peer_s", "ratio", "goal", "note")


def main(wanted: Sequence[str]) -> int:
    """Run the benchmarks whose file name has one of the words (all without words); 1 when a goal is missed or one of
    them failed, which costs the others nothing."""
    from rich.console import Console
    from rich.table import Table

    rows: list[Mapping[str, Any]] = []
    failed: list[str] = []
    for path in sorted(HERE.glob("bench_*.py")):
        if not wanted or any(word in path.stem for word in wanted):
            print(f"{path.stem} ...", file=sys.stderr, flush=True)
            try:
                rows += [_complete(row, path) for row in _load(path).main()]
            except Exception as error:
                failed.append(f"{path.stem} failed: {type(error).__name__}: {error}")
    table = Table(*(column for column in ("What", "Ours", "Peer", "Peer's", "Ratio", "Goal", "Note")))
    for row in rows:
        style = "" if met(row) else "bold red"
        table.add_row(*cells(row), style=style)
    Console().print(table)
    for words in failed:
        Console().print(words, style="bold red", markup=False)
    if not wanted:
        RESULTS.parent.mkdir(exist_ok=True)
        text = page(rows, machine=machine(), day=datetime.now(UTC).date().isoformat())
        RESULTS.write_text("\n".join([text, *failed]) if failed else text, encoding="utf-8")
    return 0 if all(met(row) for row in rows) and not failed else 1


def page(rows: Sequence[Mapping[str, Any]], *, machine: str, day: str) -> str:
    """The table as Markdown, with the day and the machine."""
    lines = [
        "# Performance against peers",
        "",
        f"{day}, {machine}. Written by `make benchmark`.",
        "Ratio: our time over the peer's, in one run with equal results; a goal that is missed is set in bold.",
        "",
        "| What | Ours | Peer | Peer's | Ratio | Goal | Note |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shown = cells(row)
        if not met(row):
            shown[4] = f"**{shown[4]}**"
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def cells(row: Mapping[str, Any]) -> list[str]:
    """One row in words; empty where there is nothing to compare with."""
    return [
        str(row["name"]),
        _seconds(row["ours_s"]),
        str(row["peer"] or ""),
        _seconds(row["peer_s"]),
        "" if row["ratio"] is None else f"{row['ratio']:.3f}",
        "" if row["goal"] is None else f"{row['goal']:.3f}",
        str(row["note"] or ""),
    ]


def met(row: Mapping[str, Any]) -> bool:
    """Whether the goal is reached; rows without one have nothing to miss."""
    return row["goal"] is None or row["ratio"] is None or row["ratio"] <= row["goal"]


def machine() -> str:
    """The machine in words: processor, cores, memory, Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {model}, {memory_gib:.0f} GiB, {python}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def _complete(row: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    if set(row) != set(KEYS):
        raise ValueError(f"{path.name}: keys {sorted(row)}, expected {sorted(KEYS)}")
    return row


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
