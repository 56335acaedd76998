"""Out-of-fold Dice on soft-tissue sarcomas in PET/CT: the U-Net beside every baseline, on the cut sub-volumes.

    python benchmarks/segmentation_sts.py DATA/sts_petct --out OUT [--set key=value ...] [--write]

Prints the table and the processor time; `--write` puts it into benchmarks/results/segmentation_sts.md. Finished folds
below OUT are taken over (and then the time printed is not that of a whole run).
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any

from tumorboard.datasets.pairs.reader import read
from tumorboard.tasks.segmentation.benchmark import benchmark
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.spec import SPEC

TARGET = Path(__file__).parent / "results" / "segmentation_sts.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    config = SegmentationConfig.model_validate(dict(setting.split("=", 1) for setting in arguments.set))
    start = time.perf_counter()
    cohort = read(arguments.data)
    result = benchmark(cohort, arguments.out, config=config, progress=None)
    minutes = {"wall": (time.perf_counter() - start) / 60, "processor": processor_minutes()}
    text = report(result, config, minutes, date=arguments.date, machine=arguments.machine, settings=arguments.set)
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


def processor_minutes() -> float:
    """User and system time of this process and of the folds' processes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used) / 60


def report(
    result: Any,
    config: SegmentationConfig,
    minutes: dict[str, float],
    *,
    date: str,
    machine: str,
    settings: list[str],
) -> str:
    rows = {(row["run"], row["metric"].split(" (")[0]): row for row in result.scores if row["subset"] == "all"}
    metrics = ["dice", "aggregated_dice", "nsd_2mm", "hd95_mm", "volume_error_ml"]
    network = config.network
    clock = "CPU-minutes" if config.budget_clock == "cpu" else "minutes"
    length = f"{config.length} steps per fold"
    if not config.length:
        length = f"{config.budget_minutes:g} {clock} shared by all folds and their {config.member_count} networks"
    lines = [
        "# Soft-tissue sarcoma, PET/CT: out-of-fold segmentation on cut sub-volumes",
        "",
        f"{date}; {machine}. {rows[network, 'dice']['n']} patients, {config.folds} folds by patient, {length}, "
        f"seed {config.seed}. {minutes['processor']:.1f} CPU-minutes, {minutes['wall']:.1f} wall.",
        "",
        "Mean over patients (95 % bootstrap interval by patient). Surfaces are voxel borders.",
        "",
        "| run | " + " | ".join(metrics) + " |",
        "|---|" + "---|" * len(metrics),
    ]
    for run in (network, *SPEC.baselines):
        cells = [cell(rows.get((run, metric))) for metric in metrics]
        lines.append(f"| {run} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Dice of `{network}` minus each baseline, paired by patient:",
        "",
        "| baseline | difference |",
        "|---|---|",
    ]
    lines += [f"| {name} | {cell(rows.get((network, f'dice minus {name}')))} |" for name in SPEC.baselines]
    options = "".join(f" --set {setting}" for setting in settings)
    command = f"python benchmarks/segmentation_sts.py DATA/sts_petct --out OUT{options} --write"
    lines += ["", f"Again: `{command}`", "", DATA, ""]
    return "\n".join(lines)


def cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "undefined"
    digits = 1 if row["metric"].startswith(("hd95_mm", "volume_error_ml")) else 3
    if row["low"] is None:
        return f"{row['value']:.{digits}f}"
    return f"{row['value']:.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


DATA = (
    "Data: TCIA Soft-tissue-Sarcoma, as the IBSI validation set publishes it (CC BY 3.0; Vallieres et al. 2015, doi "
    "10.7937/K9/TCIA.2015.7GO2GSKS). Each volume is a crop of 5 cm round the tumour, so scores are taken on "
    "sub-volumes cut at random; an ellipsoid that looks at no image stands in the table because the crop still "
    "gives a part of the tumour away."
)

if __name__ == "__main__":
    main()
