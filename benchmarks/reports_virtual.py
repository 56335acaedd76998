"""Scene graphs of reports where the truth is known: the hard sentences, and virtual patients with pairs of exams.

``python benchmarks/reports_virtual.py [--patients 300] [--seed 101]`` prints two tables and writes
``results/reports_virtual.md``. Nothing is fitted; the virtual reports come from the phantom's own templates, so
these figures say whether the pieces fit together, not how well a hospital's reports are read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
METRICS = ("triple_f1", "closed_triple_f1", "attribute_f1", "location_f1", "sentence_f1", "comparison_f1", "kappa")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=300)
    options.add_argument("--seed", type=int, default=101)
    given = options.parse_args()
    text = "\n\n".join(["# Scene graphs where the truth is known", sentences(), virtual(given.patients, given.seed)])
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "reports_virtual.md").write_text(text + "\n", encoding="utf-8")


def sentences() -> str:
    """Lines of the suite that are read in full as a reader expects, by trap."""
    sys.path.insert(0, str(HERE.parent / "tests" / "tasks" / "scenegraph"))
    import hard

    from tumorboard.nlp import Reader

    reader = Reader("chest-xray")
    lines = [f"Lexicon: {reader.read('').lexicon}", "", "| File | Trap | Right | Lines |", "|---|---|---|---|"]
    for path in sorted(hard.GOLDEN.glob("hard_sentences*.tsv")):
        right, counts = Counter[int](), Counter[int]()
        for line in hard.load(path):
            wrong = hard.faults(line, reader.read(line.text).statements)
            counts[line.trap] += 1
            right[line.trap] += not wrong
        lines += [f"| {path.stem} | {trap} | {right[trap]} | {counts[trap]} |" for trap in sorted(counts)]
        lines.append(f"| {path.stem} | all | {right.total()} | {counts.total()} |")
    return "\n".join(lines)


def virtual(patients: int, seed: int) -> str:
    """The benchmark of the task on virtual patients with up to three exams each, reports alone."""
    import tumorboard
    from tumorboard.phantom import make_cohort

    with tempfile.TemporaryDirectory() as folder:
        cohort = make_cohort(
            Path(folder) / "cohort", region="chest-xray", patients=patients, seed=seed, exams=3, tables_only=True
        )
        result = tumorboard.benchmark(cohort, task="scenegraph", out=Path(folder) / "out")
    runs = list(dict.fromkeys(row["run"] for row in result.scores))
    found = {(row["run"], row["metric"]): row for row in result.scores if not row["label"]}
    lines = [f"{patients} virtual patients, seed {seed}.", "", "| Figure | " + " | ".join(runs) + " |"]
    lines.append("|---" * (len(runs) + 1) + "|")
    for metric in METRICS:
        cells = []
        for run in runs:
            row = found[run, metric]
            value, low, high = ("-" if row[key] is None else f"{row[key]:.3f}" for key in ("value", "low", "high"))
            cells.append(f"{value} ({low} to {high})")
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
