"""Similar lesions and lesion types: out of fold on virtual CTs, and by place and size alone on DeepLesion's tables.

    python benchmarks/retrieval.py --cohort VIRTUAL --tables DEEPLESION --out OUT --machine WORDS --day 2026-11-21 \
        [--set key=value ...] [--write]

VIRTUAL: a cohort of `tumorboard phantom VIRTUAL --region body-ct --patients 64 --exams 3 --seed 7`. DEEPLESION: the
folder of DL_info tables; validation patients are fitted on, test patients scored. Either may be left out. Finished
folds in OUT are taken over. `--write` puts the page into benchmarks/results/retrieval.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.io.store import open_cohort
from tumorboard.tasks.retrieval.benchmark import benchmark, held_out_fold
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.crops import Crops
from tumorboard.tasks.retrieval.features import Scaler, location_and_size
from tumorboard.tasks.retrieval.lesions import Lesions, find_lesions
from tumorboard.tasks.retrieval.scoring import answers, retrieval_rows, type_rows

TARGET = Path(__file__).parent / "results" / "retrieval.md"
OFFICIAL = {"folds": "5", "steps": "800"}
RUNS = ("embedding", "raw-features", "raw-pixels", "location-size", "random")
TYPES = ("embedding-and-place", "head", "embedding-logistic", "location-size-forest", "location-size-logistic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--machine", default="")
    parser.add_argument("--day", default="")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    settings = OFFICIAL | dict(setting.split("=", 1) for setting in arguments.set)
    config = RetrievalConfig.model_validate(settings)
    said = ", ".join(f"{key} {value}" for key, value in settings.items())
    text = [
        "# Similar lesions and their types",
        "",
        f"{arguments.day}, {arguments.machine}. Written by `benchmarks/retrieval.py` ({said}).",
        "Queries and hits are lesions of held-out patients, hits of other patients; intervals resample patients.",
    ]
    if arguments.cohort:
        text += virtual(arguments.cohort, arguments.out / "virtual", config)
    if arguments.tables:
        text += tables(arguments.tables, config)
    print("\n".join(text))
    if arguments.write:
        TARGET.write_text("\n".join(text) + "\n", encoding="utf-8")


def virtual(folder: Path, out: Path, config: RetrievalConfig) -> list[str]:
    """All runs of the benchmark on virtual CTs."""
    cohort = open_cohort(folder)
    start = time.process_time()
    result = benchmark(cohort, out, config=config)
    minutes = (time.process_time() - start) / 60
    lesions = find_lesions(cohort)
    text = [
        "",
        f"## Virtual CTs (SYNTHETIC): {len(cohort)} patients, {len(lesions)} marked lesions",
        "",
        f"{cohort.name}. {minutes:.1f} CPU-minutes for {config.folds} folds (finished folds are not counted again).",
        "",
        *retrieval_table(result.scores, RUNS),
        "",
        *type_table(result.scores, TYPES),
        "",
        "Differences, one value per patient for precision, patients resampled for macro-F1:",
        "",
    ]
    gaps = [row for row in result.scores if " - " in row["run"]]
    text += [f"- {row['run']}, {row['metric']}: {cell(row)}, n = {row['n']} patients" for row in gaps]
    return [*text, "", *(f"Note: {note}." for note in result.notes)]


def tables(folder: Path, config: RetrievalConfig) -> list[str]:
    """Place and size alone on DeepLesion: scaled and fitted on validation, scored on test. There are no pixels."""
    from tumorboard.datasets.deeplesion.reader import read

    lesions = find_lesions(read(folder, companions=False))
    typed = lesions.only(lesions.typed)
    test = typed.splits == "test"
    none = Crops(np.zeros((len(typed), 1, 1, 1), np.int16), np.zeros((len(typed), 1, 1, 1), np.int16), ~typed.typed, {})
    fold = held_out_fold(typed, none, test, config=config, folder=Path("unused"))
    fold.vectors["location"] = _part(typed, test, slice(0, 3)), "euclid"
    fold.vectors["size"] = _part(typed, test, slice(3, 5)), "euclid"
    rows: list[dict[str, Any]] = []
    runs = ("location-size", "location", "size", "random")
    for run in runs:
        vectors, metric = fold.vectors[run]
        found = answers(fold.lesions, vectors, metric=metric)
        rows += retrieval_rows(run, found, [fold.lesions], [vectors], seed=config.seed, resamples=config.resamples)
    truth, patients = fold.lesions.numbers(), fold.lesions.patients
    for name, shares in fold.types.items():
        rows += type_rows(name, truth, shares, patients, seed=config.seed, resamples=config.resamples)
    count = len(set(patients.tolist()))
    return [
        "",
        f"## DeepLesion's tables: {len(fold.lesions):,} lesions of {count} test patients, no pixels",
        "",
        "The relative location and both axes, scaled on the validation patients; types fitted on them too.",
        "",
        *retrieval_table(rows, runs),
        "",
        *type_table(rows, tuple(fold.types)),
    ]


def _part(lesions: Lesions, test: np.ndarray[Any, Any], columns: slice) -> np.ndarray[Any, Any]:
    values = location_and_size(lesions)[:, columns]
    return Scaler.fit(values[~test]).apply(values[test])


def retrieval_table(scores: Sequence[Mapping[str, Any]], runs: Sequence[str]) -> list[str]:
    value = {(r["run"], r["metric"], r["label"]): r for r in scores}
    names = (
        ("precision@1", "type"),
        ("precision@9", "type"),
        ("mean_average_precision", "type"),
        *(("location_error", axis) for axis in "xyz"),
        ("size_error_mm", "long axis"),
        ("size_error_mm", "short axis"),
    )
    kinds = [label for run, metric, label in value if run == "random" and metric == "precision@9" and label != "type"]
    names += tuple(("precision@9", kind) for kind in kinds)
    names += tuple(
        (r["metric"], r["label"]) for r in scores if r["run"] == "random" and r["metric"] in ("purity", "nmi")
    )
    shown = [run for run in runs if (run, "precision@1", "type") in value]
    lines = [f"| | {' | '.join(shown)} | n |", "|---|" + "---|" * (len(shown) + 1)]
    for metric, label in names:
        rows = [value.get((run, metric, label)) for run in shown]
        n = next((row["n"] for row in rows if row), "")
        lines.append(f"| {metric}, {label} | {' | '.join(map(cell, rows))} | {n} |")
    return lines


def type_table(scores: Sequence[Mapping[str, Any]], runs: Sequence[str]) -> list[str]:
    value = {(r["run"], r["metric"], r["label"]): r for r in scores}
    shown = [run for run in runs if (run, "f1_macro", "type") in value]
    names = dict.fromkeys((r["metric"], r["label"]) for r in scores if r["run"] in shown)
    lines = [f"| types | {' | '.join(shown)} | n |", "|---|" + "---|" * (len(shown) + 1)]
    for metric, label in names:
        rows = [value.get((run, metric, label)) for run in shown]
        n = next((row["n"] for row in rows if row), "")
        lines.append(f"| {metric}, {label} | {' | '.join(map(cell, rows))} | {n} |")
    return lines


def cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['value']:.3f}{interval}"


if __name__ == "__main__":
    main()
