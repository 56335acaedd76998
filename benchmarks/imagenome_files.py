"""Synthetic silver graphs: read into cohorts, checked, written back; equal in content?

    python benchmarks/imagenome_files.py [--graphs 10000] [--workers 2]

The graphs are made first and compared afterwards; both are outside the clock. Prints seconds, graphs a second and the
largest resident memory of a worker. Goal: 10,000 graphs within 60 s on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from harness import machine
from imagenome_synthetic import write_release

from tumorboard.core.cohort import Cohort
from tumorboard.datasets.imagenome.batch import Choice, read_batch
from tumorboard.datasets.imagenome.files import SUFFIX, find_release
from tumorboard.datasets.imagenome.writer import compose_graphs
from tumorboard.engine.executors import executor

__all__ = ["measure", "same_content"]


def round_trip(places: list[str], *, source: Path, out: Path) -> dict[str, Any]:
    """Some patients' graphs -> a cohort (invariants and boxes checked) -> graphs again, written to `out`."""
    start = time.process_time()
    files = [(place, (source / place).read_bytes()) for place in places]
    batch = read_batch(files, choice=Choice(), splits={})
    runs = [{"run_id": "silver", "kind": "import"}]
    cohort = Cohort.build("part", runs=runs, **batch.rows)
    count = 0
    for graph in compose_graphs(cohort):
        (out / f"{graph['image_id']}{SUFFIX}").write_text(json.dumps(graph), encoding="utf-8")
        count += 1
    return {
        "graphs": count,
        "cpu_s": time.process_time() - start,
        "findings": batch.problems.counts,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "process": os.getpid(),
    }


def parts(folder: Path, size: int = 100) -> Iterator[list[str]]:
    """Names of graph files, whole patients, about `size` at a time."""
    release = find_release(folder)
    waiting: list[str] = []
    for group in release.by_patient(release.places):
        waiting += group
        if len(waiting) >= size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def same_content(source: Path, out: Path) -> int:
    """How many graphs of `source` are not equal in content to those in `out`; key order and blanks do not count."""
    different = 0
    for path in source.glob(f"*{SUFFIX}"):
        texts = [json.dumps(json.loads((folder / path.name).read_text()), sort_keys=True) for folder in (source, out)]
        different += texts[0] != texts[1]
    return different


def measure(graphs: int, workers: int, folder: Path) -> dict[str, Any]:
    """Seconds and memory for `graphs` graphs with `workers` processes, in `folder`."""
    size = write_release(folder / "made", graphs)
    source, out = folder / "made" / "silver_dataset" / "scene_graph", folder / "out"
    out.mkdir()
    start = time.perf_counter()
    with executor(workers) as pool:
        results = list(pool.map(partial(round_trip, source=source, out=out), parts(source)))
    seconds = time.perf_counter() - start
    return {
        "graphs": sum(r["graphs"] for r in results),
        "megabytes": size / 1e6,
        "seconds": seconds,
        "cpu_s": sum(r["cpu_s"] for r in results),
        "peak_mib": max(r["peak_mib"] for r in results),
        "different": same_content(source, out),
        "workers": workers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.graphs, options.workers, Path(folder))
    if options.json:
        print(json.dumps({"machine": machine(), **found}, indent=1))
        return
    print(machine())
    print(
        f"{found['graphs']} graphs ({found['megabytes']:.0f} MB) read, checked and written back in "
        f"{found['seconds']:.1f} s ({found['cpu_s']:.1f} CPU-s, {found['workers']} workers), "
        f"{found['different']} different, largest worker {found['peak_mib']:.0f} MiB. Goal: 60 s for 10,000."
    )


if __name__ == "__main__":
    main()
