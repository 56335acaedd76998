"""Virtual head-and-neck PET/CT, four centres: three networks and thresholds, within and between centres. SYNTHETIC.

    python benchmarks/segmentation_virtual.py --out OUT [--cohort COHORT] [--patients 40] [--minutes 2]
        [--networks unet,segresnet,residual-encoder] [--protocols folds,centres] [--set key=value ...]
        [--date DATE] [--machine WORDS] [--write]

`--minutes`: CPU-minutes of training per network and fold; 60 minutes on two cores for all folds are `--minutes 24`.
Without `--cohort`, the patients are made below OUT (`tumorboard phantom --region head-neck`). Scores and ranks follow
the rules of HECKTOR 2025. Finished folds and networks below OUT are taken over; protocols can be run side by side.
`--write` puts the page into benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.io.files import atomic_write_text
from tumorboard.io.nifti import read_nifti
from tumorboard.io.store import open_cohort
from tumorboard.metrics.official import load_rules
from tumorboard.metrics.official.hecktor2025 import rank_task1
from tumorboard.metrics.overlap import aggregated_dice
from tumorboard.models.segmentation_networks import CHANNELS
from tumorboard.phantom import make_cohort
from tumorboard.tasks.segmentation.baselines import THRESHOLDS
from tumorboard.tasks.segmentation.benchmark import benchmark
from tumorboard.tasks.segmentation.cases import Case, find_cases
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.evaluate import evaluate
from tumorboard.tasks.segmentation.rows import mask_path

Scores = Mapping[tuple[str, str], Mapping[str, Any]]
"""Metric and label -> row of scores."""
TARGET = Path(__file__).parent / "results" / "segmentation_virtual.md"
FIGURES = (("dice", "GTVp"), ("aggregated_dice", "GTVn"), ("aggregated_lesion_f1", "GTVn"))
TITLES = {"folds": "5 folds by patient", "centres": "one centre left out at a time"}
EITHER = ("aggregated_dice", "either")
SEED = 11
SLOW = ("segresnet", "residual-encoder")
"""Networks whose first level has the full resolution: at the width of the unet, whose first layer halves it, an update
takes six times as long. They get half of its channels (for SegResNet the default of MONAI), smaller patches and larger
steps, chosen on 24 other virtual patients (docs/adr/0188)."""
PATCH_VOXELS, SMALLER_PATCH_VOXELS = 40, 32
LARGER_RATE = 5e-3


def main() -> None:
    arguments = parsed()
    cohort = virtual_cohort(arguments.cohort or arguments.out / "cohort", arguments)
    lines = heading(cohort, arguments)
    for protocol in arguments.protocols:
        results: dict[str, Scores] = {}
        spent = {}
        for network in arguments.networks:
            found, spent[network] = one_network(cohort, network, protocol, arguments)
            results |= found
        lines += table(TITLES[protocol], results, spent)
    lines.append(f"\nAgain: `{command(arguments)}`\n")
    text = "\n".join(lines)
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def words(value: str) -> list[str]:
        return value.split(",")

    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--spacing-mm", type=float, default=3.0, help="Least voxel edge of the scans.")
    parser.add_argument("--minutes", type=float, default=2.0, help="CPU-minutes of training per network and fold.")
    parser.add_argument("--networks", type=words, default=["unet", "segresnet", "residual-encoder"])
    parser.add_argument("--protocols", type=words, default=["folds", "centres"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def virtual_cohort(folder: Path, arguments: argparse.Namespace) -> Cohort:
    """The cohort in the folder, made there when there is none: one exam per patient, four centres in turn."""
    if (folder / "cohort.json").is_file():
        return open_cohort(folder)
    return make_cohort(
        folder, patients=arguments.patients, seed=SEED, exams=1, spacing_mm=arguments.spacing_mm, dose=False
    )


def one_network(
    cohort: Cohort, network: str, protocol: str, arguments: argparse.Namespace
) -> tuple[dict[str, Scores], dict[str, Any]]:
    """Official scores of the network, beside the first one those of the thresholds too, and how the trainings went."""
    cases = find_cases(cohort, labelled=True)
    config = settings_of(network, protocol, cases, arguments)
    out = arguments.out.resolve() / protocol / network
    runs = (network, *THRESHOLDS) if network == arguments.networks[0] else (network,)
    asked = [
        runs,
        config.model_dump(mode="json", exclude={"workers"}),
        sorted(str(row["sha256"]) for row in cohort.rows("images")),
    ]
    kept, key = out / "scores.json", sha256(json.dumps(asked).encode()).hexdigest()
    if kept.is_file():
        record = json.loads(kept.read_text(encoding="utf-8"))
        if record["of"] == key:
            return {name: read_scores(rows) for name, rows in record["scores"].items()}, record["run"]
    result = benchmark(cohort, out, config=config)
    rules = load_rules("hecktor2025", task="segmentation")
    scores: dict[str, Scores] = {}
    for name in runs:
        folder = mask_path(out / "masks", cases[0], name).parent
        rows = evaluate(cohort, folder, rules=rules, seed=config.seed).scores
        scores[name] = {(row["metric"], row["label"]): row for row in rows} | {EITHER: either(cohort, cases, out, name)}
    run = next(row for row in result.rows["runs"] if row["run_id"] == network)
    facts = {
        "folds": json.loads(run["metrics"])["folds"],
        "channels": list(config.widths),
        "patch": config.patch_voxels,
        "rate": config.learning_rate,
    }
    listed = {name: [(*figure, row) for figure, row in rows.items()] for name, rows in scores.items()}
    atomic_write_text(kept, json.dumps({"of": key, "scores": listed, "run": facts}))
    return scores, facts


def read_scores(rows: Sequence[tuple[str, str, Mapping[str, Any]]]) -> Scores:
    return {(metric, label): row for metric, label, row in rows}


def settings_of(
    network: str, protocol: str, cases: Sequence[Case], arguments: argparse.Namespace
) -> SegmentationConfig:
    parts = 5 if protocol == "folds" else len({case.centre for case in cases})
    settings: dict[str, Any] = {
        "network": network,
        "members": 1,
        "budget_minutes": arguments.minutes * parts,
        "budget_clock": "cpu",
        "workers": arguments.workers,
        "folds": 5,
        "patch_voxels": PATCH_VOXELS,
    }
    if network in SLOW:
        settings |= {
            "channels": tuple(width // 2 for width in CHANNELS["S"]),
            "patch_voxels": SMALLER_PATCH_VOXELS,
            "learning_rate": LARGER_RATE,
        }
    if protocol == "centres":
        settings["protocol"] = "leave-one-centre-out"
    settings |= dict(setting.split("=", 1) for setting in arguments.set)
    return SegmentationConfig.model_validate(settings)


def either(cohort: Cohort, cases: Sequence[Case], out: Path, run: str) -> dict[str, Any]:
    """Aggregated Dice of tumour and nodes as one: how well they are drawn, whatever they are called."""
    counts = []
    for case in cases:
        truth = cohort.image(str(case.mask_id)).array > 0
        found = read_nifti(mask_path(out / "masks", case, run), unit=Unit.LABEL).array > 0
        counts.append([truth.sum(), found.sum(), (truth & found).sum()])
    return {"value": aggregated_dice(*np.transpose(counts)), "low": None}


def heading(cohort: Cohort, arguments: argparse.Namespace) -> list[str]:
    centres = sorted({row["centre"] for row in cohort.rows("patients")})
    return [
        "# Virtual head-and-neck PET/CT (SYNTHETIC)\n",
        f"{arguments.date}; {arguments.machine}. {len(cohort)} virtual patients of {len(centres)} centres "
        f"({', '.join(centres)}), voxels of {arguments.spacing_mm:g} mm or more. {arguments.minutes:g} CPU-minutes of "
        f"training per network and fold, one thread each, {arguments.workers} side by side"
        f"{': ' + ', '.join(arguments.set) if arguments.set else ''}. "
        f"{allowed(arguments.minutes)} Rules of HECKTOR 2025: mean Dice of GTVp, aggregated Dice and F1 of GTVn (IoU "
        "above 0.3), final rank by Borda counts; 95 % bootstrap intervals by patient. Beside them, not counted: Dice "
        "of both as one, whatever a lesion is called. Thresholds call the largest hot piece GTVp and the others GTVn. "
        "What these patients teach is known only of them: no figure here says anything about real ones.\n",
    ]


def allowed(minutes: float) -> str:
    """How the time compares with an hour on two cores for the five folds of a network."""
    part = minutes / (60 * 2 / 5)
    return f"Five folds together that is {part:.0%} of an hour on two cores."


def table(title: str, scores: Mapping[str, Scores], spent: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The runs of one protocol in the order of their rank."""
    ranks = rank_task1({name: tuple(rows[figure]["value"] for figure in FIGURES) for name, rows in scores.items()})
    lines = [
        f"\n## {title}\n",
        "| rank | run | Dice GTVp | aggregated Dice GTVn | aggregated F1 GTVn | aggregated Dice of both as one | "
        "channels | patch | learning rate | updates per fold |",
    ]
    lines.append("|---" * 10 + "|")
    for name in sorted(ranks, key=lambda run: ranks[run]):
        cells = " | ".join(cell(scores[name][figure]) for figure in (*FIGURES, EITHER))
        lines.append(f"| {ranks[name]:g} | {name} | {cells} | {effort(spent.get(name))} |")
    return lines


def effort(facts: Mapping[str, Any] | None) -> str:
    if facts is None:
        return "- | - | - | -"
    steps: Sequence[int] = [fold["steps"] for fold in facts["folds"]]
    shape = f"{facts['channels'][0]} to {facts['channels'][-1]} | {facts['patch']}"
    return f"{shape} | {facts['rate']:g} | {min(steps)} to {max(steps)}"


def cell(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "undefined"
    if row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def command(arguments: argparse.Namespace) -> str:
    settings = "".join(f" --set {setting}" for setting in arguments.set)
    return (
        f"python benchmarks/segmentation_virtual.py --out OUT --patients {arguments.patients} "
        f"--minutes {arguments.minutes:g}{settings} --write"
    )


if __name__ == "__main__":
    main()
