"""Axes from masks against closed forms, and responses of virtual patients against what was planted. SYNTHETIC.

    python benchmarks/response_virtual.py COHORT --out OUT [--date DATE] [--machine TEXT] [--write]

COHORT: virtual patients followed by CT (`tumorboard phantom COHORT --region body-ct --patients 64 --exams 3 --spacing 2
--seed 7`). Exams are aligned by the planted landmarks, and a lesion outside the field of the baseline is not counted as
new, since the response was planted for the whole body. `--write` puts the report and a picture into benchmarks/results.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.io.store import open_cohort
from tumorboard.metrics.recist import slice_axes
from tumorboard.tasks.response.benchmark import benchmark
from tumorboard.tasks.response.config import ResponseConfig

TARGET = Path(__file__).parent / "results" / "response_virtual.md"
PIXELS = ((0.4, 0.6), (0.6, 0.8), (0.8, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shapes", type=int, default=300)
    parser.add_argument("--date", default="")
    parser.add_argument("--machine", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    lines = ["# Axes and responses (SYNTHETIC)\n"]
    if arguments.date or arguments.machine:
        lines.append(f"{arguments.date} {arguments.machine}\n".strip() + "\n")
    lines += ellipses(arguments.shapes)
    start = time.process_time()
    cohort = open_cohort(arguments.cohort)
    result = benchmark(cohort, arguments.out, config=ResponseConfig(anchors="truth", outside="ignored"))
    lines += responses(result.scores, len(cohort))
    lines.append(f"\nMarks and masks of all patients, with the figures: {time.process_time() - start:.0f} CPU-seconds.")
    lines.append("\n![Responses from masks against those planted](response_virtual.png)\n")
    print("\n".join(lines))
    if arguments.write:
        TARGET.write_text("\n".join(lines), encoding="utf-8")
        shutil.copyfile(arguments.out / "pictures" / "agreement-masks.png", TARGET.with_suffix(".png"))


def ellipses(shapes: int) -> list[str]:
    """Error of both axes by pixel size: long axes of 10 to 100 mm, ratio from 0.35, a quarter of them along a row."""
    lines = ["## Axes of ellipses from their pixels\n"]
    lines.append("| pixels, mm | shapes | long: mean, SD | short: mean, SD | beyond 0.5 mm | largest | ms each |")
    lines.append("|---|---|---|---|---|---|---|")
    for low, high in PIXELS:
        rng = np.random.default_rng(7)
        start = time.process_time()
        errors = np.array([_error(rng, low, high) for _ in range(shapes)])
        spent = 1000 * (time.process_time() - start) / shapes
        mean, spread = errors.mean(axis=0), errors.std(axis=0)
        beyond = int((np.abs(errors) > 0.5).any(axis=1).sum())
        lines.append(
            f"| {low} to {high} | {shapes} | {mean[0]:+.3f}, {spread[0]:.3f} | {mean[1]:+.3f}, {spread[1]:.3f} "
            f"| {beyond} | {np.abs(errors).max():.2f} | {spent:.1f} |"
        )
    return lines


def _error(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    long_mm = float(np.exp(rng.uniform(np.log(10), np.log(100))))
    short_mm = max(long_mm * float(rng.uniform(0.35, 1)), 5.0)
    spacing = rng.uniform(low, high, 2)
    angle = float(rng.choice([0.0, rng.uniform(0, np.pi)], p=[0.25, 0.75]))
    size = [int(long_mm / s) + 8 for s in spacing]
    x, y = (s * (np.arange(n) - n // 2 + rng.uniform(-0.5, 0.5)) for n, s in zip(size, spacing, strict=True))
    x, y = np.meshgrid(x, y, indexing="ij")
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    found = slice_axes((2 * u / long_mm) ** 2 + (2 * v / short_mm) ** 2 <= 1, spacing)
    assert found is not None
    return found.long_mm - long_mm, found.short_mm - short_mm


def responses(scores: list[dict[str, Any]], patients: int) -> list[str]:
    lines = [
        f"\n## Responses: {patients} patients\n",
        "| run | figure | subset | value (95 %) | n |",
        "|---|---|---|---|---|",
    ]
    for row in scores:
        interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
        value = "-" if row["value"] is None else f"{row['value']:.3f}{interval}"
        lines.append(f"| {row['run']} | {row['metric']} {row['label']} | {row['subset']} | {value} | {row['n']} |")
    return lines


if __name__ == "__main__":
    main()
