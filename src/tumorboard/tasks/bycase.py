"""Case after case with a trained model: in this process, or wherever the `map` of an executor works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError

__all__ = ["answers_by_case", "kept_model"]


class PatientsCase(Protocol):
    """A case of a task: whatever it is, it belongs to one patient."""

    @property
    def patient_id(self) -> str: ...


CaseT = TypeVar("CaseT", bound=PatientsCase)
ModelT = TypeVar("ModelT")
AnswerT = TypeVar("AnswerT")


def answers_by_case(
    answer: Callable[[ModelT, Cohort, CaseT], AnswerT],
    cases: Sequence[CaseT],
    *,
    load: Callable[[Path], ModelT],
    run: Path,
    cohort: Cohort,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[CaseT, AnswerT | TumorboardError]]:
    """Every case with `answer(model, cohort of its patient, case)`, in order; its coded error in place of the answer.

    `answer` and `load` are functions of modules (or partials of them) and cases can be pickled, so that `map` may be an
    executor's; the model in the folder `run` is then read once by every process. `progress` hears of cases done.
    """
    work = _Work(answer, load, run)
    jobs = ((cohort.subset([case.patient_id]), case) for case in cases)
    try:
        for done, (case, found) in enumerate(zip(cases, map(work, jobs), strict=True), start=1):
            if progress is not None:
                progress(done, len(cases))
            yield case, found
    finally:
        _read.cache_clear()


@dataclass(frozen=True)
class _Work(Generic[ModelT, CaseT, AnswerT]):
    """What a process does with a case."""

    answer: Callable[[ModelT, Cohort, CaseT], AnswerT]
    load: Callable[[Path], ModelT]
    run: Path

    def __call__(self, job: tuple[Cohort, CaseT]) -> AnswerT | TumorboardError:
        cohort, case = job
        model = kept_model(self.load, self.run)
        try:
            return self.answer(model, cohort, case)
        except TumorboardError as error:
            return error


def kept_model(load: Callable[[Path], ModelT], run: Path) -> ModelT:
    """The model in the folder `run`; read once by this process until `answers_by_case` has come to its end."""
    if not run.is_dir():
        return load(run)  # which says what is wrong
    files = sorted(path for path in run.iterdir() if path.is_file())
    state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    model: ModelT = _read(load, run, state)
    return model


@lru_cache(maxsize=1)
def _read(load: Callable[[Path], Any], run: Path, state: tuple[tuple[str, int, int], ...]) -> Any:
    """A worker outlives a run: the files' `state` tells whether another model stands there by now."""
    return load(run)
