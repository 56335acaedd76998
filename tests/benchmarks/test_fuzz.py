"""Damaged files of every format, a few with a fixed seed; the long run is `benchmarks/fuzz.py`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Any]:
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("benchmarks_fuzz", BENCHMARKS / "fuzz.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


def told(tallies: Any) -> list[str]:
    return [f"{tally.reader}: {words}" for tally in tallies for words in tally.crashes]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a process with threads is forked: the child only reads
def test_a_few_damaged_files_of_every_format(fuzz: Any) -> None:
    tallies = fuzz.fuzz(300, seed_=7, with_bombs=False)
    assert told(tallies) == []
    assert len(tallies) > 40 and sum(tally.tried for tally in tallies) >= 300
    assert sum(tally.refused.total() for tally in tallies) > 100
    assert max(tally.peak_mib for tally in tallies) < 300


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_many_damaged_files_and_bombs(fuzz: Any) -> None:
    assert told(fuzz.fuzz(5000, seed_=8)) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_reader_that_crashes_is_found(fuzz: Any, tmp_path: Path) -> None:
    """An uncoded exception, a dead process, memory above the ceiling, a file changed: each is told."""
    import os

    def reads(path: Path) -> None:
        word = path.read_bytes()
        if word == b"exception":
            raise KeyError(word)
        if word == b"signal":
            os.kill(os.getpid(), 11)
        if word == b"memory":
            bytes(4 * fuzz.CEILING_MIB * 2**20)  # more than a test process may have freed and kept
        if word == b"write":
            path.write_bytes(b"other")

    subject = fuzz.Subject("made", "a.bin", b"intact", "bytes", reads)
    with fuzz.Child(subject, tmp_path / "work") as child:
        found = {word: child.ask(word)[:2] for word in (b"intact", b"exception", b"signal", b"memory", b"write")}
    assert found[b"intact"] == ("read", "")
    assert found[b"exception"][0] == "crash" and "KeyError" in found[b"exception"][1]
    assert found[b"signal"] == ("crash", "ended with -11")
    assert "MemoryError" in found[b"memory"][1]
    assert found[b"write"] == ("crash", "the file was changed")
