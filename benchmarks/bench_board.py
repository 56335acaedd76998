"""The pages of a cohort without images, all written. No peer makes such pages: our time stands alone."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import printed, row

from tumorboard.board.build import build_board
from tumorboard.core.cohort import Cohort

PATIENTS = 300
REPEAT = 3


def main() -> list[dict[str, Any]]:
    """Rows with name, ours_s, peer, peer_s, ratio, goal, note."""
    cohort = made()
    with tempfile.TemporaryDirectory() as text:
        ours = seconds(lambda n: build_board(cohort, Path(text) / f"out{n}"))
    name = f"board, {PATIENTS} patients without images, all pages"
    alone = {"ours_s": ours, "peer_s": None, "ratio": None}
    return [row(name, "", alone, goal=None, note="no peer makes such pages; pages with images: results/board.md")]


def seconds(work: Any) -> float:
    """Median time after one run that is not counted."""
    work(0)
    times = []
    for n in range(1, REPEAT + 1):
        start = time.perf_counter()
        work(n)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def made() -> Cohort:
    rng = np.random.default_rng(0)
    ids = [f"P{n:04d}" for n in range(PATIENTS)]
    patients = [
        {"patient_id": patient, "centre": f"C{rng.integers(5)}", "sex": str(rng.choice(["female", "male"])),
         "age_years": round(float(rng.uniform(30, 90)), 1)}
        for patient in ids
    ]  # fmt: skip
    outcomes = [
        {"patient_id": patient, "endpoint": "OS", "run_id": "expert",
         "survival": {"event": bool(rng.random() < 0.4), "time_days": float(rng.exponential(900) + 1)}}
        for patient in ids
    ]  # fmt: skip
    return Cohort.build("SYNTHETIC", patients=patients, outcomes=outcomes)


if __name__ == "__main__":
    print(printed(main()))
