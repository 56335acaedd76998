"""Concordance index against lifelines: 100,000 patients with tied times and tied scores, equal values asserted."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tumorboard.metrics.concordance import concordance

PATIENTS = 100_000
REPEAT = 5


def main() -> list[dict[str, Any]]:
    """One row with name, ours_s, peer, peer_s, ratio, goal, note."""
    from lifelines.utils import concordance_index

    rng = np.random.default_rng(0)
    time_days = rng.integers(1, 3000, PATIENTS).astype(float)
    event = rng.random(PATIENTS) < 0.3
    risk = np.round(rng.normal(size=PATIENTS) - time_days / 1500, 2)
    ours, value = seconds(lambda: concordance(event, time_days, risk).value)
    theirs, expected = seconds(lambda: concordance_index(time_days, -risk, event))
    assert value is not None
    assert abs(value - expected) < 1e-12, (value, expected)
    return [
        {
            "name": f"C-index, {PATIENTS:,} patients with ties",
            "ours_s": ours,
            "peer": "lifelines",
            "peer_s": theirs,
            "ratio": ours / theirs,
            "goal": 1 / 15,
            "note": f"equal within 1e-12; median of {REPEAT}",
        }
    ]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Median time after one run that is not counted, and the result."""
    result = work()
    times = []
    for _ in range(REPEAT):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
