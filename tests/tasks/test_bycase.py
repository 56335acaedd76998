"""Case after case with a model that every process reads once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.engine import codes
from tumorboard.engine.executors import Executor, ProcessExecutor, SerialExecutor
from tumorboard.tasks.bycase import answers_by_case, kept_model


@dataclass(frozen=True)
class Case:
    patient_id: str


@dataclass(frozen=True)
class Model:
    words: str
    read_as: int


def load(folder: Path) -> Model:
    """Tells how often this process has read: one line in a file of its own for each time."""
    told = folder.parent / f"reads-{os.getpid()}"
    with told.open("a") as file:
        file.write("read\n")
    return Model((folder / "words.txt").read_text(), len(told.read_text().splitlines()))


def answer(model: Model, cohort: Cohort, case: Case) -> tuple[str, tuple[str, ...], int]:
    if case.patient_id == "B":
        raise TumorboardError(codes.SETTING, "patient B", found="nothing", expected="something")
    return model.words, tuple(cohort.patient_ids), model.read_as


@pytest.fixture
def cohort() -> Cohort:
    return Cohort.build("three", patients=[{"patient_id": name} for name in "ABC"])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "words.txt").write_text("first")
    return tmp_path / "run"


@pytest.fixture(params=[SerialExecutor, lambda: ProcessExecutor(2)], ids=["here", "two processes"])
def pool(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with request.param() as made:
        yield made


def asked(cohort: Cohort, run: Path, pool: Executor, heard: list[Any] | None = None) -> list[Any]:
    cases = [Case(name) for name in "ABC"]
    tell = None if heard is None else lambda done, total: heard.append((done, total))
    pairs = list(answers_by_case(answer, cases, load=load, run=run, cohort=cohort, map=pool.map, progress=tell))
    assert [case for case, _ in pairs] == cases
    return [found for _, found in pairs]


def test_every_case_is_answered_with_its_patient_alone_and_an_error_stands_in_its_place(
    cohort: Cohort, run: Path, pool: Executor
) -> None:
    heard: list[Any] = []
    first, second, third = asked(cohort, run, pool, heard)
    assert first[:2] == ("first", ("A",)) and third[:2] == ("first", ("C",))
    assert isinstance(second, TumorboardError) and second.where == "patient B"
    assert heard == [(1, 3), (2, 3), (3, 3)]
    reads = [len(path.read_text().splitlines()) for path in run.parent.glob("reads-*")]
    assert reads and set(reads) == {1}, "once in each process"


def test_a_model_written_over_is_read_again(cohort: Cohort, run: Path, pool: Executor) -> None:
    assert asked(cohort, run, pool)[0][0] == "first"
    (run / "words.txt").write_text("another")
    assert asked(cohort, run, pool)[0][0] == "another"


def test_a_folder_that_is_not_there_is_the_loaders_to_say(tmp_path: Path) -> None:
    def refuses(folder: Path) -> Model:
        raise TumorboardError(codes.SETTING, folder, found="no folder", expected="a model")

    with pytest.raises(TumorboardError, match="no folder"):
        kept_model(refuses, tmp_path / "nowhere")
