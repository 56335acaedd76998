"""Masks from RECIST marks against true masks: unseen virtual patients and real lesions, beside the plain ellipse.

    python benchmarks/recist_to_mask.py DATA --out OUT [--cohort COHORT] [--patients 64] [--train 42] [--test 22]
        [--set key=value ...] [--date DATE] [--machine WORDS] [--write]

DATA holds `ct/` and `sts_petct/`. The network learns from the marks of the first `--train` virtual patients (never from
a mask) and is scored on the last `--test` others, and on real masks whose marks are derived from the masks: the axes in
the slice that shows the longest. `--cohort`: virtual patients made before (`phantom --region body-ct --seed 7`);
otherwise they are made below OUT. `--write` puts the tables into benchmarks/results/recist_to_mask.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti
from tumorboard.io.store import open_cohort
from tumorboard.metrics.recist import mask_axes
from tumorboard.phantom import make_cohort
from tumorboard.tasks.weakmask.benchmark import score_marks
from tumorboard.tasks.weakmask.config import WeakMaskConfig
from tumorboard.tasks.weakmask.marks import Mark, find_marks
from tumorboard.tasks.weakmask.model import WeakMaskModel
from tumorboard.tasks.weakmask.outline import ELLIPSE, NETWORK, WALK, outlines
from tumorboard.tasks.weakmask.scoring import DICE, KEY_SLICE, lesion_row, score_rows
from tumorboard.tasks.weakmask.train import train_on

TARGET = Path(__file__).parent / "results" / "recist_to_mask.md"
RUNS = (NETWORK, WALK, ELLIPSE)
_LEAST_VOXELS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--patients", type=int, default=64)
    parser.add_argument("--train", type=int, default=42)
    parser.add_argument("--test", type=int, default=22)
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--date", default="not given")
    parser.add_argument("--machine", default="not given")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    config = WeakMaskConfig.model_validate({"steps": 600, **dict(setting.split("=", 1) for setting in arguments.set)})
    cohort = virtual_cohort(arguments.cohort or arguments.out / "cohort", arguments.patients)
    taught, unseen = cohort.patient_ids[: arguments.train], cohort.patient_ids[-arguments.test :]
    if set(taught) & set(unseen):
        parser.error("--train and --test together exceed the patients of the cohort")
    start = time.process_time()
    training = [mark for mark in find_marks(cohort) if mark.patient_id in set(taught)]
    model = train_on(cohort, training, arguments.out / "model", config=config)
    minutes = (time.process_time() - start) / 60
    text = [
        "# Masks from RECIST marks\n",
        f"{arguments.date}; {arguments.machine}. Trained on {len(training)} marks of {len(taught)} virtual patients in "
        f"{minutes:.1f} CPU-minutes (settings: {', '.join(arguments.set) or 'steps=600'}); no true mask was used. "
        "Means over patients, 95 % bootstrap interval.\n",
    ]
    tests = [mark for mark in find_marks(cohort, labelled=True) if mark.patient_id in set(unseen)]
    text += table("Unseen virtual patients, by type", score_marks(cohort, tests, model)[0], config.seed)
    text += table("Real masks", list(real_rows(arguments.data, model)), config.seed)
    print("\n".join(text))
    if arguments.write:
        TARGET.write_text("\n".join(text) + "\n", encoding="utf-8")


def virtual_cohort(folder: Path, patients: int) -> Cohort:
    """The cohort in the folder, made there when there is none."""
    if (folder / "cohort.json").is_file():
        return open_cohort(folder)
    return make_cohort(folder, region="body-ct", patients=patients, exams=3, seed=7, spacing_mm=2.0)


def real_rows(data: Path, model: WeakMaskModel) -> Iterator[dict[str, Any]]:
    """Dice of every real lesion and organ by every method; marks are taken from the masks."""
    for group, name, volume, truth in real_masks(data):
        axes = mask_axes(truth, volume.affine)
        assert axes is not None  # every mask has voxels
        mark = Mark(name, name, name, name, group, tuple(axes.points_mm()), None, None)
        for run, outline in outlines(volume, mark.frame, model).items():
            yield lesion_row(run, mark, outline, truth, volume.geometry)


def real_masks(data: Path) -> Iterator[tuple[str, str, Volume, np.ndarray[Any, Any]]]:
    """Group, name, CT and mask: soft-tissue sarcomas, one lung cancer, organs and vessels of the abdomen (drawn by a
    network, checked by nobody: not lesions, but shapes with real edges)."""
    for folder in sorted((data / "sts_petct").glob("STS_*")):
        yield "sarcoma", folder.name, *pair(folder / "CT_image.nii.gz", folder / "CT_mask.nii.gz")
    ct = data / "ct"
    yield "lung cancer", "ibsi1", *pair(ct / "ibsi1_phantom.nii.gz", ct / "ibsi1_mask.nii.gz")
    volume = read_nifti(ct / "ts_example_ct_sm.nii.gz", unit=Unit.HU)
    labels = read_nifti(ct / "ts_example_seg.nii.gz", unit=Unit.LABEL).array
    for value in np.unique(labels)[1:]:
        if (labels == value).sum() >= _LEAST_VOXELS:
            yield "organ (3 mm, 30 slices)", f"organ {int(value)}", volume, labels == value
    for organ in ("aorta", "T12"):
        yield "aorta, T12", organ, *pair(ct / "ts_aorta_ct_cropped.nii.gz", ct / f"ts_aorta_{organ}.nii.gz")


def pair(image: Path, mask: Path) -> tuple[Volume, np.ndarray[Any, Any]]:
    volume = read_nifti(image, unit=Unit.HU)
    labels = read_nifti(mask, unit=Unit.LABEL)
    labels.require_same_grid(volume, where=str(mask), tolerance_mm=0.01)
    return volume, labels.array > 0


def table(title: str, lesions: list[dict[str, Any]], seed: int) -> list[str]:
    """Dice of all methods, whole and in the slice of the mark, for all and by label."""
    scores = {(s["run"], s["metric"], s["label"]): s for s in score_rows(lesions, main=NETWORK, seed=seed)}
    labels = list(dict.fromkeys(row["label"] for row in lesions))
    counts = {label: sum(r["label"] == label for r in lesions) // len(RUNS) for label in labels}
    lines = [f"\n## {title}\n", f"| | masks | {' | '.join(RUNS)} | in the key slice: {' | '.join(RUNS)} |"]
    lines.append("|---|---|" + "---|" * (2 * len(RUNS)))
    for label in ("all", *labels):
        cells = [cell(scores.get((run, metric, label))) for metric in (DICE, KEY_SLICE) for run in RUNS]
        lines.append(f"| {label} | {counts.get(label, len(lesions) // len(RUNS))} | {' | '.join(cells)} |")
    ahead = [f"{cell(scores[NETWORK, f'dice minus {run}', 'all'])} against {run}" for run in (WALK, ELLIPSE)]
    return [*lines, f"\n{NETWORK} is ahead in Dice (paired, all; below 0: behind) by {' and '.join(ahead)}."]


def cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    return (
        f"{row['value']:.3f}" if row["low"] is None else f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
    )


if __name__ == "__main__":
    main()
