"""Anatomical boxes: lungs on real masks and all locations on virtual patients, out of fold, and which pictures are
flagged.

    python benchmarks/anatomy_xrays.py DATA/cxr --out OUT [--patients 40] [--set key=value ...] [--write]

Reads DATA/covid_ccby (lung masks) and DATA/nih (pictures of which five lie on their side); draws virtual patients of
other seeds than the training's. Weights learnt on virtual X-rays are worked out once and shared. `--write` puts the
tables into benchmarks/results/anatomy_xrays.md.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.cohort import Cohort
from tumorboard.datasets.radiographs.reader import read
from tumorboard.ops.radiograph import look_at
from tumorboard.phantom import make_cohort
from tumorboard.tasks.anatomy.benchmark import CONSTANT, FRACTIONS, RULES, benchmark
from tumorboard.tasks.anatomy.cases import find_cases, load_picture
from tumorboard.tasks.anatomy.config import AnatomyConfig
from tumorboard.tasks.anatomy.evaluate import GROUPS, LARGE
from tumorboard.tasks.anatomy.model import CLEARLY_TURNED

TARGET = Path(__file__).parent / "results" / "anatomy_xrays.md"
ON_THEIR_SIDE = {"00000061_025", "00002599_004", "00006763_012", "00008168_008", "00008980_003"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    config = AnatomyConfig.model_validate(dict(setting.split("=", 1) for setting in arguments.set))
    start = time.perf_counter()
    real = read(arguments.data / "covid_ccby")
    text = [f"# Anatomical boxes, out of fold by patient\n\nSettings: {', '.join(arguments.set) or 'defaults'}.\n"]
    text += section("Real lung masks", real, arguments.out / "real", config)
    virtual = arguments.out / "virtual-cohort"
    if not (virtual / "cohort.json").is_file():
        make_cohort(virtual, region="chest-xray", patients=arguments.patients, seed=3, exams=1, size_px=512)
    (arguments.out / "virtual").mkdir(parents=True, exist_ok=True)
    shared = arguments.out / "real" / "virtual.safetensors"
    if shared.is_file():
        shutil.copyfile(shared, arguments.out / "virtual" / shared.name)
    from tumorboard.io.store import open_cohort

    text += section("Virtual patients", open_cohort(virtual), arguments.out / "virtual", config)
    text += turned(read(arguments.data / "nih"), real)
    text.append(f"\n{(time.perf_counter() - start) / 60:.1f} minutes.\n")
    print("\n".join(text))
    if arguments.write:
        TARGET.write_text("\n".join(text), encoding="utf-8")


def section(title: str, cohort: Cohort, out: Path, config: AnatomyConfig) -> list[str]:
    """Overlap of every location for every run, with the distance of centres for the network."""
    scores = {(r["run"], r["metric"], r["label"]): r for r in benchmark(cohort, out, config=config).scores}
    runs = (config.model, CONSTANT, FRACTIONS, RULES)
    lines = [f"\n## {title}: {len(cohort)} patients\n", f"| location | {' | '.join(runs)} | centres apart / thorax |"]
    lines.append("|---|" + "---|" * (len(runs) + 1))
    for label in (*GROUPS, *BOX_LOCATIONS):
        rows = [scores.get((run, "box_iou", label)) for run in runs]
        if rows[0] is not None:
            size = " (large)" if label in LARGE else ""
            apart = cell(scores.get((config.model, "centre_distance_share", label)))
            lines.append(f"| {label}{size} | {' | '.join(map(cell, rows))} | {apart} |")
    masks = [f"{r['label']} {cell(r)}" for r in scores.values() if r["metric"] == "mask_iou"]
    return [*lines, f"\nLung masks: {'; '.join(masks) or 'none'}."]


def cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['value']:.3f}{interval}"


def turned(*cohorts: Cohort) -> list[str]:
    """How often the drawing of a chest finds pictures on their side, and what it says of every picture turned by us."""
    found, truth, ours = [], [], []
    for cohort in cohorts:
        paths = {row["image_id"]: Path(row["path"]).stem for row in cohort.rows("images")}
        for case in find_cases(cohort):
            picture = load_picture(cohort, case)
            found.append(look_at(picture).margin >= CLEARLY_TURNED)
            truth.append(paths[case.image_id] in ON_THEIR_SIDE)
            if not truth[-1]:
                ours += [look_at(shown).margin >= CLEARLY_TURNED for shown in every_turn(picture)]
    flags, lying = np.array(found), np.array(truth)
    return [
        "\n## Pictures that do not hang as they should\n",
        f"On their side in the source: {int((flags & lying).sum())} of {int(lying.sum())} found; upright: "
        f"{int((flags & ~lying).sum())} of {int((~lying).sum())} flagged. Turned or inverted by us: "
        f"{sum(ours)} of {len(ours)} found.",
    ]


def every_turn(picture: np.ndarray[Any, Any]) -> Sequence[np.ndarray[Any, Any]]:
    """The picture in four turns and as a negative, without the one that is right."""
    negative = picture.max() - picture
    return [np.rot90(p, turns) for p in (picture, negative) for turns in range(4)][1:]


if __name__ == "__main__":
    main()
