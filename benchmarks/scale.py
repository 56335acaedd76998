"""What a case costs, and whether it stays so: the verbs that go case by case on 100, 1,000 ... small virtual cases.

    python benchmarks/scale.py --out OUT [--cases 100 1000] [--predicted 1000] [--equal 60]
        [--write --date DAY --machine "..."]

Each verb runs as people run it, in a process of its own: processor seconds (its workers' too), wall seconds, and the
most memory of any of its processes: import, check, predict (a segmentation network of two steps; up to `--predicted`
cases), evaluate, read (a report for each case). With `--equal` they run on so many cases serially, in processes and on
a Dask cluster of this machine; answers, masks and tables must be the same, byte for byte. CT, PET, the expert's mask
and a predicted one of 24 x 24 x 16 voxels each: SYNTHETIC. Files from an earlier run in OUT are used again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import write_nifti

TARGET = Path(__file__).parent / "results" / "scale.md"
SHAPE = (24, 24, 16)
AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
EXIT_DATA = 3
"""`check` says so where the data have errors."""
SMALL = ("spacing_mm=3", "channels=4,8", "patch_voxels=16", "window_voxels=32", "steps=2", "batch=2", "members=1",
         "mirror=false", "inference=torch", "workers=1")  # fmt: skip
SENTENCES = (
    "Cardiomegaly is unchanged.",
    "No pleural effusion.",
    "New opacity in the right lower lobe, possibly pneumonia.",
    "Status post sternotomy, lungs are clear.",
    "The left basilar atelectasis has improved.",
)


class Cost(NamedTuple):
    """One verb on so many cases."""

    verb: str
    cases: int
    cpu_s: float
    wall_s: float
    peak_mib: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--predicted", type=int, default=1000, help="Predict up to so many cases.")
    parser.add_argument("--equal", type=int, default=60)
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    costs: list[Cost] = []
    for count in arguments.cases:
        costs += measured(arguments.out, count, predicted=count <= arguments.predicted)
        print(*(cost for cost in costs if cost.cases == count), sep="\n", file=sys.stderr, flush=True)
    equal = compared(arguments.out, arguments.equal) if arguments.equal else []
    text = report(costs, equal, arguments)
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")
    return 0 if all(same for _, same in equal) else 1


def write_cases(out: Path, count: int) -> Path:
    """`count` patients below ``out/<count>``: `source/<ID>/` with CT, PET and mask, `predicted/<ID>.nii.gz`, and
    `reports.csv`."""
    folder = out / str(count)
    done = folder / "done"
    if done.is_file():
        return folder
    (folder / "predicted").mkdir(parents=True, exist_ok=True)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"))
    for number in range(count):
        draw = np.random.default_rng(number)
        centre = draw.uniform(8, 14, (3, 1, 1, 1))
        distance = np.sqrt(((grid - centre) ** 2).sum(0))
        guess = np.sqrt(((grid - centre - draw.normal(0, 0.6, (3, 1, 1, 1))) ** 2).sum(0)) < 4
        place = folder / "source" / f"P{number:06d}"
        place.mkdir(parents=True, exist_ok=True)
        ct = draw.normal(0, 20, SHAPE) + 40 * (distance < 4)
        pet = draw.gamma(2, 0.5, SHAPE) + 8 * (distance < 4)
        write_nifti(Volume(ct.astype(np.int16), AFFINE, Unit.HU), place / "CT.nii.gz")
        write_nifti(Volume(pet.astype(np.float32), AFFINE, Unit.SUVBW), place / "PET.nii.gz")
        write_nifti(Volume((distance < 4).astype(np.uint8), AFFINE, Unit.LABEL), place / "mask.nii.gz")
        write_nifti(Volume(guess.astype(np.uint8), AFFINE, Unit.LABEL), folder / "predicted" / f"P{number:06d}.nii.gz")
    lines = ["id,text"]
    for number in range(count):
        said = np.random.default_rng(number).permutation(SENTENCES)[:3]
        lines.append(f'P{number:06d},"{" ".join(said)}"')
    (folder / "reports.csv").write_text("\n".join(lines), encoding="utf-8")
    done.write_text("")
    return folder


def trained(out: Path) -> Path:
    """A small network, trained for two steps on four cases."""
    model = out / "model"
    if not (model / "model.safetensors").is_file():
        cohort = out / "cohort-of-the-model"
        ran(["import", "pairs", f"{write_cases(out, 4) / 'source'}", f"{cohort}", "--replace", "--json"])
        settings = [word for setting in SMALL for word in ("--set", setting)]
        ran(["train", "segmentation", f"{cohort}", "--out", f"{model}", "--json", *settings])
    return model


def measured(out: Path, count: int, *, predicted: bool) -> list[Cost]:
    """Every verb, one process."""
    model = trained(out) if predicted else None
    commands = verbs(write_cases(out, count), out / f"cohort-{count}", ("--workers", "1"), model)
    return [Cost(words[0], count, *ran(words)[1:]) for words in commands]


def verbs(folder: Path, cohort: Path, where: Sequence[str], model: Path | None) -> list[list[str]]:
    """The commands; `where` is how cases are spread (import knows `--scheduler` alone)."""
    spread = [str(word) for word in where]
    predict = [] if model is None else [["predict", f"{model}", f"{cohort}", "--name", "net", "--json", *spread]]
    return [
        ["import", "pairs", f"{folder / 'source'}", f"{cohort}", "--replace", "--json"]
        + (spread if spread[0] == "--scheduler" else []),
        ["check", f"{cohort}", "--json", *spread],
        *predict,
        ["evaluate", "segmentation", f"{cohort}", "--prediction", f"{folder / 'predicted'}", "--json", *spread],
        ["read", f"{folder / 'reports.csv'}", "--json", *spread],
    ]


def ran(words: Sequence[str]) -> tuple[dict[str, Any], float, float, float]:
    """(what it printed, processor seconds, wall seconds, peak MiB) of a command and all its processes."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "tumorboard", *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, EXIT_DATA):
        raise SystemExit(f"{' '.join(words)}: exit code {process.returncode}")
    return json.loads(printed), used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1024


def compared(out: Path, count: int) -> list[tuple[str, bool]]:
    """(verb, whether serial, two processes and a Dask cluster answer the same) on `count` cases."""
    folder, model = write_cases(out, count), trained(out)
    answers: dict[str, list[Any]] = {}
    with cluster() as address:
        for name, where in (
            ("serial", ("--workers", "1")),
            ("processes", ("--workers", "2")),
            ("dask", ("--scheduler", address)),
        ):
            cohort = out / f"equal-{name}"
            for words in verbs(folder, cohort, where, model):
                said = json.dumps(ran(words)[0], sort_keys=True).replace(str(cohort.resolve()), "COHORT")
                answers.setdefault(words[0], []).append(
                    said.replace(str(cohort), "COHORT").replace(cohort.name, "COHORT")
                )
            tables = json.loads((cohort / "cohort.json").read_text())["tables"]
            answers.setdefault("tables of the cohort", []).append(tables)
    return [(verb, all(answer == said[0] for answer in said)) for verb, said in answers.items()]


@contextmanager
def cluster() -> Iterator[str]:
    """Address of a scheduler with two workers on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as made:
        yield made.scheduler_address


def report(costs: Sequence[Cost], equal: Sequence[tuple[str, bool]], arguments: argparse.Namespace) -> str:
    """The tables as Markdown."""
    size = " x ".join(map(str, SHAPE))
    lines = [
        "# What a case costs",
        "",
        f"{arguments.date}; {arguments.machine}. Virtual cases of {size} voxels: CT, PET, mask, answer (SYNTHETIC). "
        "One process; processor time includes the program's start.",
        "",
        "| verb | cases | processor s | ms a case | wall s | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for c in costs:
        each = 1000 * c.cpu_s / c.cases
        lines.append(f"| {c.verb} | {c.cases:,} | {c.cpu_s:.1f} | {each:.1f} | {c.wall_s:.0f} | {c.peak_mib:.0f} |")
    lines += ["", "What a further case costs, and what memory it adds:"]
    for verb in dict.fromkeys(c.verb for c in costs):
        steps = sorted((c for c in costs if c.verb == verb), key=lambda c: c.cases)
        for few, many in pairwise(steps):
            added = 1000 * (many.cpu_s - few.cpu_s) / (many.cases - few.cases)
            memory = f"{many.peak_mib - few.peak_mib:+.0f} MiB in all"
            lines.append(f"- {verb}, {few.cases:,} to {many.cases:,}: {added:.1f} ms; {memory}")
    if equal:
        lines += ["", f"Serially, in two processes and on a Dask cluster ({arguments.equal} cases):"]
        lines += [f"- {verb}: {'the same, byte for byte' if same else '**different**'}" for verb, same in equal]
    again = f"python benchmarks/scale.py --out OUT --cases {' '.join(map(str, arguments.cases))} --write"
    return "\n".join([*lines, "", f"Again: `{again}`", ""])


if __name__ == "__main__":
    sys.exit(main())
