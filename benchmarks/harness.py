"""Shared by the benchmarks: interleaved repeats, medians, peak memory of a child process, the machine in words."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["compare", "compared_memory", "machine", "peak_growth_mib", "printed", "row"]


def compare(
    ours: Callable[[], Any], peer: Callable[[], Any], *, repeats: int = 7, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of both and the median of the paired ratios, from runs in turn (ours, peer, peer, ours, ...), so
    that a machine that slows down meanwhile slows both."""
    for _ in range(warm_up):
        ours()
        peer()
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for n in range(repeats):
        order = (("ours", ours), ("peer", peer)) if n % 2 == 0 else (("peer", peer), ("ours", ours))
        for name, function in order:
            start = time.perf_counter()
            result = function()
            seconds[name].append(time.perf_counter() - start)
            del result
    ratios = [a / b for a, b in zip(seconds["ours"], seconds["peer"], strict=True)]
    return {
        "ours_s": statistics.median(seconds["ours"]),
        "peer_s": statistics.median(seconds["peer"]),
        "ratio": statistics.median(ratios),
    }


def peak_growth_mib(program: str, *arguments: str) -> float:
    """Resident memory (MiB) that the second half of `program` adds at its peak, in a process of its own.

    `program` is Python source; a line `# MEASURE` parts preparation from what is measured. The kernel's high-water mark
    is reset there where /proc allows it; where not, the growth of the mark is taken.
    """
    before, after = program.split("# MEASURE\n")
    source = f"{_METER}\n{before}\n_start = _mark()\n{after}\nprint('PEAK', _peak(_start))\n"
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if run.returncode:
        raise RuntimeError(f"the measured process failed:\n{run.stderr[-2000:]}")
    return float(run.stdout.split("PEAK ")[-1])


_METER = """
def _field(name):
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))
def _mark():
    import gc
    gc.collect()
    try:
        with open('/proc/self/clear_refs', 'w') as file:
            file.write('5')
    except OSError:
        return _field('VmHWM')
    return _field('VmRSS')
def _peak(start):
    return _field('VmHWM') - start
"""


def row(name: str, peer: str, timing: dict[str, Any], *, goal: float | None, note: str = "") -> dict[str, Any]:
    """One line of the table in the form that `run.py` collects."""
    return {"name": name, "peer": peer, **timing, "goal": goal, "note": note}


def compared_memory(name: str, peer: str, ours_mib: float, peer_mib: float, *, goal: float | None) -> dict[str, Any]:
    """A line about memory: the ratio and goal are of MiB, which the note gives; there are no seconds."""
    return {
        "name": name,
        "peer": peer,
        "ours_s": None,
        "peer_s": None,
        "ratio": ours_mib / peer_mib,
        "goal": goal,
        "note": f"peak memory, {ours_mib:.0f} MiB against {peer_mib:.0f} MiB",
    }


def printed(rows: Sequence[dict[str, Any]]) -> str:
    """The lines as a plain table, for a benchmark run by itself."""
    lines = [machine(), f"{'what':52} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'goal':>6}  peer; note"]
    for line in rows:
        times = [f"{line[key] * 1e3:9.1f}" if line[key] is not None else " " * 9 for key in ("ours_s", "peer_s")]
        goal = "" if line["goal"] is None else f"{line['goal']:.3f}"
        ratio = "" if line["ratio"] is None else f"{line['ratio']:.3f}"
        lines.append(f"{line['name']:52} {' '.join(times)} {ratio:>7} {goal:>6}  {line['peer']}; {line['note']}")
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores, memory, load and the versions that matter, in one line."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in names if line.startswith("model name")), platform.machine())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{cores} cores of {model}, {memory_gib:.0f} GiB, Python {platform.python_version()}, load {load:.1f}"


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """The lines for another program."""
    return json.dumps(list(rows), indent=1)
