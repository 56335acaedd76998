"""Kills commands at random moments, fills the disk and turns the clock back: what is lost, half-written or not resumed.

    python benchmarks/faults.py --out OUT [--kills 200] [--seed 0] [--write]

Each trial starts a command on a small made cohort (SYNTHETIC), kills it with SIGKILL at a moment drawn
evenly over the time that it takes undisturbed, looks at what lies on disk, and repeats the command until it ends by
itself. Asked of every trial: the cohort opens, with the state before or after and none between; what was acknowledged
is there; the repeated command ends with the files of the undisturbed one, byte for byte. `--write` puts the table into
benchmarks/results/faults.md.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet  # noqa: F401  loaded before the children part, so that a kill falls into work, not into imports
import torch

from tumorboard.board.corrections.journal import Entry, Journal
from tumorboard.cli.main import build_app
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import sha256_of
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import open_cohort

TARGET = Path(__file__).parent / "results" / "faults.md"
SMALL = (
    "spacing_mm=8", "channels=4,8", "patch_voxels=16", "window_voxels=32", "steps=60", "batch=2",
    "checkpoint_every=5", "inference=torch", "mirror=false",
)  # fmt: skip


@dataclass
class Tally:
    """What became of the trials of one command."""

    name: str
    kills: int = 0
    too_late: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # threads do not survive a fork
    out: Path = arguments.out
    source = out / "source"
    write_source(source)
    draw = random.Random(arguments.seed)
    each = -(-arguments.kills // 5)
    trials = (importing, training, predicting, exporting, correcting)
    tallies = [trial(source, out / "work", each, draw) for trial in trials]
    tallies += [full_disk(source, out / "work"), clock_turned_back(source, out / "work")]
    shutil.rmtree(out / "work", ignore_errors=True)
    text = report(tallies, arguments)
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")
    return 1 if any(tally.wrong for tally in tallies) else 0


def write_source(folder: Path) -> None:
    """Three patients: a ball with uptake in noise, 40 x 36 x 32 voxels of 3 mm."""
    draw = np.random.default_rng(0)
    affine = np.diag([3.0, 3, 3, 1])
    for number in range(3):
        grid = np.stack(np.meshgrid(*map(np.arange, (40, 36, 32)), indexing="ij"))
        ball = np.sqrt(((grid - draw.uniform(12, 22, (3, 1, 1, 1))) ** 2).sum(0)) < 6
        images = {
            "CT": Volume(draw.normal(0, 20, ball.shape).astype("float32") + 40 * ball, affine, Unit.HU),
            "PET": Volume(draw.gamma(2, 0.5, ball.shape).astype("float32") + 6 * ball, affine, Unit.SUVBW),
            "mask": Volume(ball.astype("uint8"), affine, Unit.LABEL),
        }
        for name, volume in images.items():
            path = folder / f"P{number}" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_nifti(volume, path)


def importing(source: Path, work: Path, kills: int, draw: random.Random) -> Tally:
    """`import --replace` over an older state of the cohort."""
    words = ("import", "pairs", source, work / "cohort", "--replace", "--set", "name=new")
    older = ("import", "pairs", source, work / "cohort", "--set", "name=old")

    def fresh() -> None:
        emptied(work)
        completed(*older)

    def names() -> list[str]:
        name = open_cohort(work / "cohort").name
        return [] if name in ("old", "new") else [f"a cohort named {name}"]

    return trial("import", words, work, kills, draw, fresh=fresh, look=names)


def training(source: Path, work: Path, kills: int, draw: random.Random) -> Tally:
    """`train`, resumed from its checkpoint."""
    prepared(source, work)
    words = ("train", "segmentation", work / "cohort", "--out", work / "model", *settings())
    return trial("train", words, work, kills, draw, fresh=lambda: gone(work / "model"), look=list)


def predicting(source: Path, work: Path, kills: int, draw: random.Random) -> Tally:
    """`predict`, which adds a run to the cohort."""
    prepared(source, work)
    completed("train", "segmentation", work / "cohort", "--out", work / "model", *settings())
    shutil.copytree(work / "cohort", work.parent / "before", dirs_exist_ok=True)
    words = ("predict", work / "model", work / "cohort", "--name", "net")

    def fresh() -> None:
        gone(work / "cohort")
        shutil.copytree(work.parent / "before", work / "cohort")

    def whole_run() -> list[str]:
        cohort = open_cohort(work / "cohort")
        rows = [row for row in cohort.rows("images") if row["run_id"] == "net"]
        listed = any(row["run_id"] == "net" for row in cohort.rows("runs"))
        if listed != bool(rows):
            return ["a run without its images, or images without their run"]
        torn = [row["path"] for row in rows if sha256_of(work / "cohort" / row["path"]) != row["sha256"]]
        return [f"other bytes in {torn}"] if torn else []

    return trial("predict", words, work, kills, draw, fresh=fresh, look=whole_run)


def exporting(source: Path, work: Path, kills: int, draw: random.Random) -> Tally:
    """`export nnunet`: a folder that is there whole, or not at all."""
    prepared(source, work)
    words = ("export", "nnunet", work / "cohort", work / "out")
    completed(*words)
    whole = finals(work / "out")

    def whole_or_absent() -> list[str]:
        """Killed after the folder had its name: it is whole. Another export would refuse it, so it goes."""
        same = not (work / "out").exists() or finals(work / "out") == whole
        gone(work / "out")
        return [] if same else ["half an export under its final name"]

    return trial("export", words, work, kills, draw, fresh=lambda: gone(work / "out"), look=whole_or_absent)


def correcting(source: Path, work: Path, kills: int, draw: random.Random) -> Tally:
    """Corrections of a reader: each that was acknowledged is there afterwards."""
    tally = Tally("correct")
    prepared(source, work)
    for number in range(kills):
        acknowledged = work / "acknowledged"
        acknowledged.write_text("")

        def writes(start: int = number * 100_000, path: Path = acknowledged) -> None:
            journal = Journal(work / "cohort")
            with path.open("a") as told:
                for count in range(100_000):
                    nonce = f"nonce-{start + count:09d}"
                    when = "2026-11-21T12:00:00.000Z"
                    journal.add(Entry(nonce, "Ada", when, "P", "E", "net", "accept", f"relation|{count}", {}))
                    told.write(nonce + "\n")
                    told.flush()

        child = forked(writes)
        time.sleep(draw.uniform(0.02, 0.3))
        tally.kills += killed(child)
        kept = {entry.nonce for entry in Journal(work / "cohort").entries()}
        told = {line for line in acknowledged.read_text().splitlines() if len(line) == len("nonce-000000000")}
        if told - kept:
            tally.wrong.append(f"{len(told - kept)} acknowledged corrections lost")
        if len(kept) != len(Journal(work / "cohort").entries()):
            tally.wrong.append("a correction is there twice")
    return tally


def trial(
    name: str,
    words: tuple[object, ...],
    work: Path,
    kills: int,
    draw: random.Random,
    *,
    fresh: Callable[[], None],
    look: Callable[[], list[str]],
) -> Tally:
    """Kill `words` `kills` times; `fresh` puts the state before, `look` says what is wrong after a kill."""
    tally = Tally(name)
    fresh()
    start = time.perf_counter()
    completed(*words)
    lasts = time.perf_counter() - start
    reference = finals(work)
    while tally.kills < kills:
        fresh()
        child = forked(lambda: build_app()([str(word) for word in words], standalone_mode=False))
        time.sleep(draw.uniform(0, lasts))
        if not killed(child):
            tally.too_late += 1
            if tally.too_late > 2 * kills + 10:
                tally.wrong.append("it ends sooner than it can be killed")
                return tally
            continue
        tally.kills += 1
        try:
            tally.wrong += look()
        except Exception as error:
            tally.wrong.append(f"after a kill: {type(error).__name__}: {error}")
        completed(*words)
        ended = finals(work)
        different = sorted(path for path in {*reference, *ended} if reference.get(path) != ended.get(path))
        if different:
            tally.wrong.append(f"another result than undisturbed: {different[:3]}")
    return tally


def full_disk(source: Path, work: Path) -> Tally:
    """Files may grow to so many bytes only, as on a full disk: the command fails, and the old state stays."""
    tally = Tally("full disk")
    emptied(work)
    completed("import", "pairs", source, work / "cohort", "--set", "name=old")
    words = ("import", "pairs", source, work / "cohort", "--replace", "--set", "name=new")
    for most_bytes in (0, 100, 1000, 3000):

        def limited(most: int = most_bytes) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            build_app()([str(word) for word in words], standalone_mode=False)

        status = waited(forked(limited))
        tally.kills += 1
        name = open_cohort(work / "cohort").name
        if (status == 0) != (name == "new"):
            tally.wrong.append(f"limit {most_bytes}: status {status}, cohort {name}")
        left = [path.name for path in (work / "cohort").rglob(".writing-*")]
        if left:
            tally.wrong.append(f"limit {most_bytes}: left {left}")
    return tally


def clock_turned_back(source: Path, work: Path) -> Tally:
    """The system's clock goes back by a day between two commands and within one."""
    tally = Tally("clock")
    emptied(work)

    def earlier() -> None:
        now, jumps = time.time, iter(range(0, 10**9, 3600))
        time.time = lambda: now() - 86_400 - next(jumps)
        build_app()(["import", "pairs", str(source), str(work / "cohort"), "--replace"], standalone_mode=False)

    completed("import", "pairs", source, work / "cohort")
    before = finals(work)
    tally.kills += 1
    if waited(forked(earlier)) != 0:
        tally.wrong.append("it failed")
    if finals(work) != before:
        tally.wrong.append("another result")
    return tally


def settings() -> Iterator[str]:
    for setting in SMALL:
        yield from ("--set", setting)


def prepared(source: Path, work: Path) -> None:
    emptied(work)
    completed("import", "pairs", source, work / "cohort")


def emptied(folder: Path) -> None:
    gone(folder)
    folder.mkdir(parents=True)


def gone(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def forked(work: Callable[[], object]) -> int:
    """Process id of a child that does `work`, silently."""
    gc.collect()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        work()
        status = 0
    except BaseException:  # whatever it was, the parent sees the status
        status = 1
    finally:
        os._exit(status)


def killed(child: int) -> bool:
    """Kill it; False when it had ended before."""
    done, _ = os.waitpid(child, os.WNOHANG)
    if done:
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def waited(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def completed(*words: object) -> None:
    """Run a command to its end; a failure ends the harness."""
    status = waited(forked(lambda: build_app()([str(word) for word in words], standalone_mode=False)))
    if status:
        sys.exit(f"failed undisturbed: {' '.join(map(str, words))}")


def finals(folder: Path) -> dict[str, str]:
    """Path -> hash of the files under final names; times and logs are no results."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith(".") and path.name not in ("log.jsonl",):
            found[name] = _content(path)
    return found


def _content(path: Path) -> str:
    """Of a model, its weights without the seconds that training took."""
    if path.suffix == ".safetensors":
        data = path.read_bytes()
        return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    return sha256_of(path)


def report(tallies: list[Tally], arguments: argparse.Namespace) -> str:
    lines = [
        "# Killed, full, turned back: nothing lost, nothing half-written",
        "",
        f"{arguments.date}; {arguments.machine}. 3 made patients (balls in noise, SYNTHETIC), seed {arguments.seed}.",
        "",
        "| command | trials | ended before the kill | wrong |",
        "|---|---|---|---|",
    ]
    lines += [f"| {t.name} | {t.kills} | {t.too_late} | {len(t.wrong)} |" for t in tallies]
    lines += [f"- {t.name}: {json.dumps(wrong)}" for t in tallies for wrong in t.wrong]
    lines += ["", f"Again: `python benchmarks/faults.py --out OUT --kills {arguments.kills} --write`", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
