"""Damages small files of every format and asks each reader for a coded error or a result, nothing else.

    python benchmarks/fuzz.py [--inputs 20000] [--seed 0] [--only PATTERN] [--keep DIR] [--write]

hypothesis draws the damage: bytes flipped, overwritten with boundary values, cut, removed, doubled, grown; words of
text formats replaced (numbers, paths, formulas, brackets); the same inside gzip streams and zip entries, closed again
with
right checksums. Bombs come first. Every reader runs in a child process under a ceiling of address space and a time
limit. Anything but a coded error or a result is a crash: another exception, a signal, no answer in time, a file left
behind. `--keep` keeps the inputs that crashed; `--write` puts the table into benchmarks/results/fuzz.md.
"""

from __future__ import annotations

import argparse
import gzip
import io
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_bombs import bombs
from fuzz_files import subjects
from fuzz_subject import MIB, Form, Subject

from tumorboard.core.errors import TumorboardError

TARGET = Path(__file__).parent / "results" / "fuzz.md"
CEILING_MIB = 1024
"""Address space that a reader may take beyond what the program itself has."""
SECONDS = 60
"""Processor time for one input."""

_SPECIAL = (
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff",
    b"\0\0\xc0\x7f",
    b"\0\0\x80\x7f",
    b"\0\0\0\x80",
    bytes(4),
    b"\xff\x7f",
    b"\x80",
)
_WORDS = (
    b"", b"-1", b"0", b"1e999", b"nan", b"-inf", b"99999999999999999999", b"0.0000001", b"null", b"true", b"[]", b"{}",
    b'""', b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\0", b"../../etc/passwd", b"/etc/passwd", b"C:\\x", b"=1+1",
    b"&a;", b"<", b"\xff\xfe", b"\xed\xa0\x80", "\u202e\u0661".encode(), b"x" * 5000, b"[" * 300, b"2000-13-45",
)  # fmt: skip
_TOKEN = re.compile(rb"-?\d+\.?\d*|[A-Za-z_]\w*|[^\w\s]")

Edit = tuple[str, float, float, bytes]
_SHARE = st.integers(0, 9999).map(lambda number: number / 10_000)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "special", "cut", "remove", "double", "insert", "noise", "word", "length"]),
        _SHARE, _SHARE, st.binary(min_size=1, max_size=8),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
"""Edits: what, where (a share of the file, the front being likelier), how much, with which bytes."""


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    reader: str
    refused: Counter[str] = field(default_factory=Counter)
    read: int = 0
    crashes: Counter[str] = field(default_factory=Counter)
    peak_mib: float = 0.0

    @property
    def tried(self) -> int:
        return self.read + self.refused.total() + self.crashes.total()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    tallies = fuzz(arguments.inputs, seed_=arguments.seed, only=arguments.only, keep=arguments.keep)
    text = report(tallies, arguments)
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")
    return 1 if any(tally.crashes for tally in tallies) else 0


def fuzz(inputs: int, *, seed_: int, only: str = "", keep: Path | None = None, with_bombs: bool = True) -> list[Tally]:
    """Damage the files of every reader whose name fits the pattern `only`, `inputs` in all, evenly."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        known = [subject for subject in subjects(folder) if re.search(only, subject.reader)]
        exploding = bombs({subject.reader: subject for subject in known}) if with_bombs and not only else []
        tallies = []
        for subject in known:
            tally = Tally(subject.reader)
            with Child(subject, folder / "work") as child:
                if child.ask(subject.data)[0] != "read":
                    raise SystemExit(f"{subject.reader}: the intact file is not read: {child.ask(subject.data)}")

                def tried(data: bytes, child: Child = child, tally: Tally = tally) -> None:
                    outcome, detail, peak_mib = child.ask(data)
                    tally.peak_mib = max(tally.peak_mib, peak_mib)
                    if outcome == "read":
                        tally.read += 1
                    elif outcome == "refused":
                        tally.refused[detail] += 1
                    else:
                        kept(keep, child.subject, tally, data)
                        tally.crashes[detail] += 1

                for reader, data in exploding:
                    if reader == subject.reader:
                        tried(data)
                drawn(subject, -(-inputs // len(known)), seed_, tried)
            print(f"{tally.reader}: {tally.tried} inputs, {tally.crashes.total()} crashes", file=sys.stderr, flush=True)
            tallies.append(tally)
        return tallies


def drawn(subject: Subject, count: int, seed_: int, use: Callable[[bytes], None]) -> None:
    """Hand `count` damaged files to `use`."""

    @seed(seed_)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(edits=EDITS, member=st.integers(0, 30))
    def one(edits: list[Edit], member: int) -> None:
        use(damaged(subject.data, edits, subject.form, member))

    one()


def damaged(data: bytes, edits: Sequence[Edit], form: Form, member: int) -> bytes:
    """The file with the edits, made in its form; `member` chooses among the entries of a zip."""
    if form == "gzip":
        return gzip.compress(damaged(gzip.decompress(data), edits, "bytes", member), 1, mtime=0)
    if form == "zip":
        return _in_zip(data, edits, member)
    for edit in edits:
        data = _edited(data, edit, words=form == "text")
    return data


def _in_zip(data: bytes, edits: Sequence[Edit], member: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        for number, name in enumerate(names):
            content = source.read(name)
            if number == member % len(names):
                content = damaged(content, edits, "text", 0)
            target.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _edited(data: bytes, edit: Edit, *, words: bool) -> bytes:
    what, place, much, raw = edit
    if not data:
        return raw
    # Half of all edits fall into the first 600 bytes, where the headers are.
    at = int(place * 2 * min(600, len(data))) if place < 0.5 else int((place - 0.5) * 2 * len(data))
    at = min(at, len(data) - 1)
    size = 1 + int(much * much * min(len(data) - at, 400))
    if words and what in ("flip", "set", "special", "noise", "length", "word"):
        return _reworded(data, at, much)
    changed = bytearray(data)
    if what == "flip":
        changed[at] ^= 1 << raw[0] % 8
    elif what == "cut":
        del changed[at:]
    elif what == "remove":
        del changed[at : at + size]
    elif what == "double":
        changed[at:at] = data[at : at + size] * (1 + raw[0] % 5)
    elif what == "insert":
        changed[at:at] = raw * (1 + raw[0] % 50)
    elif what == "length":  # a field of four bytes that counts, a little more or less than it was
        number = int.from_bytes(data[at : at + 4], "little") + raw[0] - 128
        changed[at : at + 4] = (number % 2**32).to_bytes(4, "little")
    else:
        new = {"set": raw[:1], "noise": raw, "special": _SPECIAL[int(much * len(_SPECIAL))]}.get(what)
        new = _WORDS[int(much * len(_WORDS))] if new is None else new
        changed[at : at + len(new)] = new
    return bytes(changed)


def _reworded(data: bytes, at: int, much: float) -> bytes:
    """The next word or number replaced."""
    match = _TOKEN.search(data, at)
    start, stop = match.span() if match else (at, at + 1)
    return data[:start] + _WORDS[int(much * len(_WORDS))] + data[stop:]


class Child:
    """A process that reads one damaged file after the other; a new one when it dies."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self._folder = folder
        self._process: Any = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def ask(self, data: bytes) -> tuple[str, str, float]:
        """("read" | "refused" | "crash", code or words, peak memory in MiB that reading took)."""
        if self._process is None:
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send_bytes(data)
            if not self._pipe.poll(20 * SECONDS):  # on a machine that does other work
                self._stop()
                return "crash", f"no answer in {20 * SECONDS} s", 0.0
            outcome: tuple[str, str, float] = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            status = {-24: f"more than {SECONDS} s"}.get(self._process.exitcode, self._process.exitcode)
            self._stop()
            return "crash", f"ended with {status}", 0.0
        return outcome

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(self.subject, self._folder, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            assert self._pipe is not None
            self._pipe.close()
        self._process = self._pipe = None


def serve(subject: Subject, folder: Path, pipe: Connection) -> None:
    """Read what comes through the pipe until it is closed."""
    warnings.simplefilter("ignore")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    subject_read(subject, folder, subject.data)  # what is imported on first use counts to the program
    while True:
        try:
            data = pipe.recv_bytes()
        except EOFError:
            return
        spent = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + SECONDS, -1))
        resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + CEILING_MIB * MIB, -1))
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        outcome = subject_read(subject, folder, data)
        pipe.send((*outcome, max(0, _status("VmHWM") - before) / MIB))


def subject_read(subject: Subject, folder: Path, data: bytes) -> tuple[str, str]:
    """Read one file in an empty folder, and look what became of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in {**subject.beside, subject.name: data}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    path = folder / subject.name
    outside = set(folder.parent.iterdir())
    try:
        subject.read(path)
        outcome = ("read", "")
    except TumorboardError as error:
        outcome = ("refused", error.code.id)
    except BaseException as error:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        outcome = ("crash", f"{type(error).__name__} in {where}: {error}"[:160])
    if path.read_bytes() != data:
        outcome = ("crash", "the file was changed")
    if set(folder.parent.iterdir()) != outside:
        outcome = ("crash", "something was written outside the folder")
    return outcome


def _status(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024


def kept(folder: Path | None, subject: Subject, tally: Tally, data: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", subject.reader)
        (folder / f"{name}-{tally.crashes.total():04d}-{subject.name}").write_bytes(data)


def report(tallies: Sequence[Tally], arguments: argparse.Namespace) -> str:
    """The table as Markdown."""
    tried, crashed = sum(t.tried for t in tallies), sum(t.crashes.total() for t in tallies)
    most = max(tallies, key=lambda t: t.peak_mib)
    lines = [
        "# Damaged files: a coded error or a result",
        "",
        f"{arguments.date}; {arguments.machine}. {tried:,} inputs for {len(tallies)} readers, seed {arguments.seed}: "
        f"**{crashed} crashes**; most memory for one input {most.peak_mib:.0f} MiB ({most.reader}), "
        f"ceiling {CEILING_MIB} MiB of address space beyond the program's own.",
        "A crash is anything but a coded error or a result: another exception, a signal, more than "
        f"{SECONDS} s of processor time, memory over the ceiling, a changed or a stray file. Files are a few "
        "kilobytes, SYNTHETIC; bombs (files that promise gigabytes) are among them.",
        "",
        "| reader | inputs | refused | read | crashes | peak MiB | codes |",
        "|---|---|---|---|---|---|---|",
    ]
    for t in tallies:
        codes = ", ".join(f"{code} {count}" for code, count in t.refused.most_common(6))
        counts = f"{t.tried} | {t.refused.total()} | {t.read} | {t.crashes.total()} | {t.peak_mib:.0f}"
        lines.append(f"| {t.reader} | {counts} | {codes} |")
    lines += [f"- {t.reader}: {words} ({count} times)" for t in tallies for words, count in t.crashes.most_common()]
    again = f"python benchmarks/fuzz.py --inputs {arguments.inputs} --seed {arguments.seed} --write"
    return "\n".join([*lines, "", f"Again: `{again}`", ""])


if __name__ == "__main__":
    sys.exit(main())
