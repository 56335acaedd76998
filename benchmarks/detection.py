"""Detection: speed of the scorer beside a plain loop, its denominators on DeepLesion's table, and a detector on virtual
CT of unseen patients beside intensity blobs.

    python benchmarks/detection.py --out OUT [--cohort COHORT] [--deeplesion DATA/deeplesion] [--set key=value ...]
        [--date DATE] [--machine WORDS] [--write]

Without COHORT, 60 virtual patients are made below OUT. Parts whose data are not given are left out and named. `--write`
puts the tables into benchmarks/results/detection.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import harness

from tumorboard.core.cohort import Cohort
from tumorboard.io.store import open_cohort
from tumorboard.metrics.detection import Boxes, DetectionRules, froc_curve, match_boxes
from tumorboard.metrics.official import load_rules
from tumorboard.tasks.detection.benchmark import benchmark
from tumorboard.tasks.detection.blobs import BLOBS
from tumorboard.tasks.detection.cases import Case, find_cases
from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.imports import read_predictions
from tumorboard.tasks.detection.scoring import arrange, score_rows

TARGET = Path(__file__).parent / "results" / "detection.md"
IMAGES, BOXES = 5000, 100
Array = np.ndarray[Any, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cohort", type=Path, help="virtual patients followed by CT")
    parser.add_argument("--deeplesion", type=Path, help="folder with DeepLesion's tables")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--date", default="not stated")
    parser.add_argument("--machine", default=harness.machine())
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = [
        f"# Detection\n\n{arguments.date}; {arguments.machine}. Settings: {', '.join(arguments.set) or 'defaults'}.\n"
    ]
    text += speed()
    text += trivial(arguments.deeplesion, arguments.out) if arguments.deeplesion else ["\nDeepLesion: not given.\n"]
    config = DetectionConfig.model_validate(dict(setting.split("=", 1) for setting in arguments.set))
    text += virtual(arguments.cohort or virtual_cohort(arguments.out / "cohort"), arguments.out, config)
    print("\n".join(text))
    if arguments.write:
        TARGET.write_text("\n".join(text) + "\n", encoding="utf-8")


# ---- speed -------------------------------------------------------------------------------------------------------


def drawn(seed: int) -> tuple[Boxes, Boxes]:
    """One to three lesions and a hundred boxes per image, some of them on the lesions."""
    random = np.random.default_rng(seed)
    owner = np.repeat(np.arange(IMAGES), random.integers(1, 4, IMAGES))
    low = random.uniform(0, 480, (len(owner), 2))
    truth = np.hstack([low, low + random.uniform(8, 30, low.shape)])
    place = np.repeat(np.arange(IMAGES), BOXES)
    low = random.uniform(0, 480, (len(place), 2))
    boxes = np.hstack([low, low + random.uniform(8, 30, low.shape)])
    near = random.random(len(place)) < 0.02
    first = np.searchsorted(owner, place[near])
    boxes[near] = truth[first] + random.normal(0, 2, (int(near.sum()), 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    return Boxes(owner, truth), Boxes(place, boxes, random.random(len(place)))


def plain_loop(truth: Boxes, guess: Boxes) -> tuple[Array, Array]:
    """Box by box in falling order of score, with flags of what has been hit: how public scorers count."""
    assert guess.score is not None
    of_image = [np.flatnonzero(truth.image == image) for image in range(IMAGES)]
    taken = np.zeros(len(truth.box), bool)
    hits, false, tp, fp = 0, 0, [], []
    for index in np.argsort(-guess.score):
        mine = of_image[guess.image[index]]
        box, boxes = guess.box[index], truth.box[mine]
        width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]) + 1
        height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        size = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
        sizes = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
        good = mine[shared / (size + sizes - shared) >= 0.5]
        false += not len(good)
        hits += int((~taken[good]).sum())
        taken[good] = True
        tp.append(hits)
        fp.append(false)
    return np.array(tp) / len(truth.box), np.array(fp) / IMAGES


def speed() -> list[str]:
    rules = load_rules("deeplesion", task="detection")
    truth, guess = drawn(0)

    def ours() -> tuple[Array, Array]:
        curve = froc_curve(match_boxes(truth, guess, patients=np.arange(IMAGES), rules=rules))
        return curve.sensitivity, curve.fp_per_image

    sensitivity, rate = ours()
    seconds = [clocked(ours)[0] for _ in range(5)]
    loop_s, (theirs, their_rate) = clocked(lambda: plain_loop(truth, guess))
    points = [float(np.interp(x, their_rate, theirs) - np.interp(x, rate, sensitivity)) for x in rules.fp_rates]
    assert max(map(abs, points)) < 1e-12, points
    ours_s = float(np.median(seconds))
    return [
        f"\n## Scorer: {IMAGES:,} slices with {BOXES} boxes each\n",
        "Same sensitivities at 0.5 to 16 false boxes per slice (largest difference below 1e-12).\n",
        "| | CPU-seconds |",
        "|---|---|",
        f"| ours, whole curve (median of 5) | {ours_s:.2f} |",
        f"| a loop over boxes, as public scorers have it (once) | {loop_s:.2f} |",
        f"\nRatio {ours_s / loop_s:.3f}.",
    ]


def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


# ---- trivial detectors on DeepLesion -----------------------------------------------------------------------------


def trivial(folder: Path, out: Path) -> list[str]:
    """Detectors that see no pixels, fitted on the test split and scored on the validation split, as CSV files of
    1-based pixels through the importer."""
    from tumorboard.datasets.deeplesion.reader import read

    cohort: Cohort = read(folder)
    split = {
        row["image_id"]: json.loads(row["attributes"])["split"]
        for row in cohort.rows("findings", kind="RECIST pair", run_id="expert")
    }
    cases = find_cases(cohort)
    rules = load_rules("deeplesion", task="detection")
    fitted, scored = ([c for c in cases if split.get(c.image_id) == name] for name in ("test", "validation"))
    counts = {name: arrange(mine, [], rules=rules) for name, mine in (("validation", scored), ("test", fitted))}
    whole = {
        name: len(arrange(m, [], rules=replace(rules, noisy="keep")).lesions)
        for name, m in (("validation", scored), ("test", fitted))
    }
    places = common_places(fitted, rules)
    size = float(np.median(arrange(fitted, [], rules=rules).reference.box @ [-0.5, -0.5, 0.5, 0.5]))
    detectors: dict[str, Callable[[Array, np.random.Generator], tuple[Array, Array]]] = {
        "boxes of median size at the 50 commonest places": lambda truth, random: (
            np.hstack([places - size / 2, places + size / 2]),
            np.linspace(1, 0.5, len(places)),
        ),
        "one box of half the slice": lambda truth, random: (np.array([[128.0, 128, 384, 384]]), np.ones(1)),
        "the marks themselves, random scores": lambda truth, random: (truth, random.random(len(truth))),
        "the marks moved by 15 % of their size": lambda truth, random: (
            truth + np.tile(0.15 * (truth[:, 2:] - truth[:, :2]) * random.choice([-1, 1], (len(truth), 2)), 2),
            random.random(len(truth)),
        ),
        "no box at all": lambda truth, random: (np.empty((0, 4)), np.empty(0)),
    }
    labels = [f"{rate:g}" for rate in rules.fp_rates]
    lines = [
        "\n## DeepLesion's key slices: detectors that see no pixels\n",
        "; ".join(
            f"{name}: {len(a.lesions):,} lesions on {len(a.units):,} slices without noisy marks ({whole[name]:,} with)"
            for name, a in counts.items()
        )
        + ". Fitted on the test split, scored on the validation split: no claim, a check of the scorer.\n",
        f"| sensitivity at false boxes per slice: | {' | '.join(labels)} |",
        "|---|" + "---|" * len(labels),
    ]
    for name, detect in detectors.items():
        file = out / "trivial.csv"
        write_boxes(file, scored, detect)
        rows, strange = read_predictions(file, scored, run_id="trivial", pixel_base=1)
        assert not strange
        found = score_rows(arrange(scored, rows, rules=rules), rules, run=name, seed=0)[1:]
        lines.append(f"| {name} | {' | '.join(cell(row) for row in found)} |")
    return lines


def common_places(cases: list[Case], rules: DetectionRules) -> Array:
    """Centres (50, 2) of the fullest cells of a 16-pixel grid over all marks."""
    boxes = arrange(cases, [], rules=rules).reference.box
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    cell = (centres // 16).astype(int)
    cells, count = np.unique(cell, axis=0, return_counts=True)
    best = np.argsort(-count, kind="stable")[:50]
    return np.array([centres[(cell == cells[one]).all(axis=1)].mean(axis=0) for one in best])


def write_boxes(path: Path, cases: list[Case], detect: Callable[[Array, np.random.Generator], Any]) -> None:
    """One row per box in 1-based pixels, as in DL_info.csv."""
    from tumorboard.tasks.detection.scoring import index_boxes

    random = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "x1", "y1", "x2", "y2", "score"])
        for case in cases:
            for name in sorted({lesion.slice_name for lesion in case.lesions}):
                mine = [x.box_mm for x in case.lesions if x.slice_name == name]
                boxes, scores = detect(index_boxes(mine, case.geometry)[:, [0, 1, 3, 4]], random)
                writer.writerows([f"{name}.png", *(box + 1).tolist(), s] for box, s in zip(boxes, scores, strict=True))


# ---- virtual CT --------------------------------------------------------------------------------------------------


def virtual_cohort(folder: Path) -> Path:
    from tumorboard.engine.executors import executor
    from tumorboard.phantom import make_cohort

    if not (folder / "cohort.json").is_file():
        with executor(0) as pool:
            make_cohort(folder, region="body-ct", patients=60, exams=3, seed=11, spacing_mm=2.0, map=pool.map)
    return folder


def virtual(folder: Path, out: Path, config: DetectionConfig) -> list[str]:
    start, clock = time.process_time(), time.perf_counter()
    cohort = open_cohort(folder)
    result = benchmark(cohort, out / "virtual", config=config)
    labels = [f"{rate:g}" for rate in config.fp_rates]
    lines = [f"\n## Virtual CT (SYNTHETIC): {len(cohort)} patients\n", *result.notes, ""]
    lines += [f"| run | mean | {' | '.join(labels)} |", "|---|---|" + "---|" * len(labels)]
    for run in dict.fromkeys(row["run"] for row in result.scores):
        mine = [row for row in result.scores if row["run"] == run and row["subset"] == "all"]
        shown = [row for row in mine if row["label"] in (config.rules.criterion, *(f"{x} FP/volume" for x in labels))]
        lines.append(f"| {run} | {' | '.join(cell(row) for row in shown if 'minus' not in row['metric'])} |")
    lines += ["\nMean sensitivity by rules that ask less of a box (2-D: on key slices, false boxes per slice):\n"]
    others = [r for r in result.scores if "mean" in r["metric"] and "minus" not in r["metric"]]
    others = [row for row in others if row["label"] != config.rules.criterion]
    names = list(dict.fromkeys(row["label"] for row in others))
    lines += [f"| run | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for run in dict.fromkeys(row["run"] for row in others):
        lines.append(f"| {run} | {' | '.join(cell(row) for row in others if row['run'] == run)} |")
    sizes = [row for row in result.scores if row["subset"] != "all"]
    lines += [f"\n{sizes[0]['run']} by size (longest edge of the box), at {sizes[0]['label']}:\n"]
    lines += ["| | sensitivity | lesions |", "|---|---|---|"]
    lines += [f"| {row['subset'].removeprefix('lesions ')} | {cell(row)} | {row['n']} |" for row in sizes]
    ahead = next(row for row in result.scores if "minus" in row["metric"])
    model = json.loads(next(run for run in result.rows["runs"] if run["run_id"] != BLOBS)["metrics"])
    return [
        *lines,
        f"\nDetector minus blobs, mean sensitivity on the same patients: {cell(ahead)}, n = {ahead['n']} patients.",
        f"Training: {model['steps']} steps in {model['seconds'] / 60:.1f} min; everything "
        f"{(time.process_time() - start) / 60:.1f} CPU-min, {(time.perf_counter() - clock) / 60:.1f} min.",
    ]


def cell(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "-"
    interval = "" if row["low"] is None else f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"{row['value']:.3f}{interval}"


if __name__ == "__main__":
    main()
