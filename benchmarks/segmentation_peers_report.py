"""The page of `segmentation_peers.py`: who saw what for how long, and how well they drew."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumorboard.metrics.intervals import paired_difference
from tumorboard.tasks.result import Evaluation
from tumorboard.tasks.segmentation.config import SegmentationConfig

__all__ = ["OURS", "RECIPE", "dice_of", "page"]

OURS, RECIPE = "ours", "recipe"
NAMES = {OURS: "ours", RECIPE: "official recipe (MONAI UNet)", "nnunet": "nnU-Net v2"}
_METRICS = ("dice", "aggregated_dice", "nsd_2mm", "hd95_mm", "volume_error_ml")


def page(
    results: Mapping[str, Evaluation],
    facts: Mapping[str, Any],
    arguments: argparse.Namespace,
    config: SegmentationConfig,
) -> str:
    patients = len({row["patient_id"] for row in next(iter(results.values())).cases})
    clock = "CPU-minutes (one thread)" if arguments.clock == "cpu" else "minutes of the wall clock"
    lines = [
        "# Soft-tissue sarcoma, PET/CT: ours, the official recipe and nnU-Net v2 with the same time\n",
        f"{arguments.date}; {arguments.machine}. {patients} patients, {arguments.folds} folds by patient (the same for "
        f"all), {arguments.minutes:g} {clock} of training per method and fold, {arguments.workers} side by side, seed "
        f"{arguments.seed}. This is short: none of them is trained to its end. Preparing the data and predicting are "
        "not counted. Scores are taken on the cut sub-volumes; nothing outside them is seen at prediction.\n",
        "Mean over patients (95 % bootstrap interval by patient). Surfaces are voxel borders.\n",
        "| run | " + " | ".join(_METRICS) + " |",
        "|---|" + "---|" * len(_METRICS),
    ]
    ranked = sorted(results, key=lambda name: -(_scores(results[name])["dice"]["value"] or 0.0))
    for name in ranked:
        scores = _scores(results[name])
        lines.append(f"| {NAMES.get(name, name)} | " + " | ".join(_cell(scores.get(m), m) for m in _METRICS) + " |")
    if OURS in results:
        lines += ["\nDice of ours minus each, paired by patient (above 0: ours is ahead):\n"]
        lines += ["| against | difference | p (sign flips) | patients ahead |", "|---|---|---|---|"]
        lines += [_difference(results, name, arguments.seed) for name in ranked if name != OURS]
    lines += ["\n## What each was given\n", *_settings(facts, config)]
    lines += [f"\nAgain, or with more time: `{_command(arguments)}`\n", DATA]
    return "\n".join(lines) + "\n"


def dice_of(result: Evaluation) -> dict[str, float]:
    """Patient -> Dice (one exam and one structure each)."""
    return {row["patient_id"]: row["value"] for row in result.cases if row["metric"] == "dice"}


def _scores(result: Evaluation) -> dict[str, Mapping[str, Any]]:
    return {row["metric"].split(" (")[0]: row for row in result.scores}


def _cell(row: Mapping[str, Any] | None, metric: str) -> str:
    if row is None or row["value"] is None:
        return "undefined"
    digits = 1 if metric in ("hd95_mm", "volume_error_ml") else 3
    text = f"{row['value']:.{digits}f}"
    return text if row["low"] is None else f"{text} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def _difference(results: Mapping[str, Evaluation], name: str, seed: int) -> str:
    ours, theirs = dice_of(results[OURS]), dice_of(results[name])
    patients = sorted(ours)
    a, b = ([values[patient] for patient in patients] for values in (ours, theirs))
    found = paired_difference(a, b, seed=seed)
    ahead = sum(x > y for x, y in zip(a, b, strict=True))
    return (
        f"| {NAMES.get(name, name)} | {found.mean:.3f} ({found.low:.3f} to {found.high:.3f}) | {found.p_value:.4f} "
        f"| {ahead} of {found.n} |"
    )


def _settings(facts: Mapping[str, Any], config: SegmentationConfig) -> list[str]:
    lines = []
    if OURS in facts:
        folds = facts[OURS]
        spacings = sorted({fold["spacing_mm"] for fold in folds})
        lines.append(
            f"- ours: `{config.network}`, voxels of {' or '.join(f'{s:g}' for s in spacings)} mm (from the training "
            f"lesions), patches of {config.patch_voxels}, {config.batch} per update; {_updates(folds)}."
        )
    if RECIPE in facts:
        one = facts[RECIPE][0]
        lines.append(
            f"- official recipe: written anew on MONAI after its published settings. Adapted for the CPU: voxels of "
            f"{one['spacing_mm']:g} mm (published: 1), so that a patch of {one['patch']} (128) spans the same length, "
            f"{one['volumes']} x {one['samples']} patches per update (2 x 3). No head to crop round; last weights "
            f"instead of the best epoch. Its crop before prediction is undone here: the published container never does "
            f"that, and then even a perfect network scores 0.00. {_updates(facts[RECIPE]).capitalize()}."
        )
    if "plan" in facts:
        plan = facts["plan"]
        spacing = " x ".join(f"{edge:.3g}" for edge in plan["spacing"])
        patch = " x ".join(str(edge) for edge in plan["patch_size"])
        lines.append(
            f"- nnU-Net v2: its own fingerprint (of all patients), plan (memory target {plan['memory_gib']:g} GiB, "
            f"voxels of {spacing} mm{'' if plan['spacing_mm'] is None else ', set by us'}, patches of {patch}, "
            f"{plan['batch_size']} per update), preprocessing (CT by its fingerprint, SUV z-scored per image), "
            f"sampling, augmentation, loss and SGD; no pretrained weights. The rate falls with the time; no validation "
            f"epochs. {_updates(facts['nnunet']).capitalize()}."
        )
    return lines


def _updates(folds: Sequence[Mapping[str, Any]]) -> str:
    steps = [fold["steps"] for fold in folds]
    seconds = float(np.mean([fold["seconds"] for fold in folds]))
    return f"{min(steps)} to {max(steps)} updates per fold in {seconds:.0f} s on average"


_SIZES = ("recipe_spacing_mm", "recipe_patch", "recipe_volumes", "recipe_samples", "nnunet_memory_gib",
          "nnunet_spacing_mm")  # fmt: skip


def _command(arguments: argparse.Namespace) -> str:
    words = [f"--minutes {arguments.minutes:g}"]
    words += [] if arguments.clock == "cpu" else [f"--clock {arguments.clock} --device {arguments.device}"]
    for name in _SIZES:
        value = getattr(arguments, name)
        words += [] if value is None else [f"--{name.replace('_', '-')} {value:g}"]
    words += [f"--set {setting}" for setting in arguments.set]
    return (
        "python benchmarks/segmentation_peers.py DATA/sts_petct --out OUT --nnunet-python VENV/bin/python "
        f"{' '.join(words)} --write"
    )


DATA = (
    "Data: TCIA Soft-tissue-Sarcoma, as the IBSI validation set publishes it (CC BY 3.0; Vallieres et al. 2015, doi "
    "10.7937/K9/TCIA.2015.7GO2GSKS). Each volume is a crop of 5 cm round the tumour, so scores are taken on "
    "sub-volumes cut at random; the image-blind ellipsoid stands in the table because the crop still gives a part of "
    "the tumour away. The peers learn from whole crops, as their recipes have it; ours cuts its training images at "
    "random."
)
