"""Attention within slices and along depth against joint attention on the same tokens, per training step; and slices.

    python benchmarks/bench_slice_depth.py [--write --date D --machine M]

CPU seconds of one thread (other programs disturb them less than the clock), medians of runs in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from harness import row

from tumorboard.models.slice_depth import SliceDepthEncoder

TARGET = Path(__file__).parent / "results" / "slice_depth.md"
SIZES = {"default, 432 tokens": ((2, 16, 16), 48, 2), "one slice a token, 864 tokens": ((1, 16, 16), 48, 2)}
GOAL = 1.4
BATCH = 4


def main(repeats: int = 5) -> list[dict[str, Any]]:
    """Rows for `run.py`: the two lattices against joint attention."""
    with one_thread():
        rows = []
        for name, seconds in lattices(repeats).items():
            mine, joint = (each / BATCH for each in seconds)
            timing = {"ours_s": mine, "peer_s": joint, "ratio": mine / joint}
            note = "CPU seconds of one thread for a volume and training step; both have the same weights by shape"
            rows.append(row(f"slice-depth attention, {name}", "joint attention", timing, goal=1 / GOAL, note=note))
    return rows


def script() -> None:
    """The page of these figures, with the cost by slices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    lines = [
        "# Slice-depth attention: cost\n",
        f"{arguments.date}, {arguments.machine}. Made by `python benchmarks/bench_slice_depth.py`. One thread, "
        f"batches of {BATCH} volumes of 24 x 96 x 96, CPU seconds per volume and training step, "
        f"forwards and backwards, median of {arguments.repeats}; both networks have "
        "the same weights by number and shape.\n",
        "| tokens | factorised | joint | joint / factorised (goal at least 1.4) |", "|---|---|---|---|",
    ]  # fmt: skip
    with one_thread():
        for name, (mine, joint) in lattices(arguments.repeats).items():
            lines.append(f"| {name} | {mine / BATCH:.4f} | {joint / BATCH:.4f} | {joint / mine:.2f} |")
        lines += ["", "| slices | factorised | per slice | joint |", "|---|---|---|---|"]
        for slices in (12, 24, 48):
            steps = [step(slices, (1, 16, 16), 48, 2, kind) for kind in ("factorised", "joint")]
            mine, joint = in_turn(steps, arguments.repeats)
            lines.append(f"| {slices} | {mine / BATCH:.4f} | {mine / BATCH / slices:.5f} | {joint / BATCH:.4f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread for a while: the benchmarks after this one have theirs back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def lattices(repeats: int) -> dict[str, list[float]]:
    """Seconds of a batch, factorised and joint, by lattice of tokens."""
    kinds = ("factorised", "joint")
    return {
        name: in_turn([step(24, patch, width, depth, kind) for kind in kinds], repeats)
        for name, (patch, width, depth) in SIZES.items()
    }


def step(slices: int, patch: tuple[int, int, int], width: int, depth: int, kind: str) -> Callable[[], None]:
    torch.manual_seed(0)
    encoder = SliceDepthEncoder(
        shape=(slices, 96, 96),
        patch=patch,
        width=width,
        depth=depth,
        attention="joint" if kind == "joint" else "factorised",
    )
    volumes = torch.randn(BATCH, 1, slices, 96, 96)

    def run() -> None:
        encoder.zero_grad()
        encoder(volumes).square().mean().backward()

    return run


def in_turn(steps: list[Callable[[], None]], repeats: int) -> list[float]:
    """Median CPU seconds of each, run in turn after a warm-up."""
    found: list[list[float]] = [[] for _ in steps]
    for run in steps:
        run()
    for repeat in range(repeats):
        for place in range(len(steps)) if repeat % 2 == 0 else reversed(range(len(steps))):
            start = time.process_time()
            steps[place]()
            found[place].append(time.process_time() - start)
    return [statistics.median(times) for times in found]


if __name__ == "__main__":
    script()
