"""Many items, one function: serially, in a pool of processes, or on a Dask cluster, behind one interface.

`map` gives results in the order of the items and raises where an item failed, as the built-in does; `attempt`
gives an `Attempt` for every item, so that one bad case does not end a batch.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from tumorboard.core.errors import TumorboardError
from tumorboard.engine import codes

__all__ = ["Attempt", "DaskExecutor", "Executor", "ProcessExecutor", "SerialExecutor", "cores", "executor"]

T = TypeVar("T")
R = TypeVar("R")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Attempt(Generic[R]):
    """What became of one item: a value, or the coded error that took its place."""

    value: R | None = None
    error: TumorboardError | None = None

    def unwrap(self) -> R:
        """The value; raises the error when there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def _attempt(function: Callable[[T], R], item: T) -> Attempt[R]:
    """Any exception becomes a coded error: uncoded ones are ENG101 with their type and words."""
    try:
        return Attempt(function(item))
    except TumorboardError as error:
        return Attempt(error=error)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        return Attempt(error=TumorboardError(codes.ITEM_FAILED, _name(item), found=found, expected="a result"))


def _name(item: object) -> str:
    text = repr(item)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Executor(ABC):
    """Runs a function over items. A context manager: leaving it ends its workers."""

    @abstractmethod
    def attempt(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[Attempt[R]]:
        """One `Attempt` per item, in order."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in order; a failed item raises its coded error when its turn comes."""
        for attempt in self.attempt(function, items):
            yield attempt.unwrap()

    def close(self) -> None:
        """End the workers."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SerialExecutor(Executor):
    """In this process, one after the other."""

    def attempt(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[Attempt[R]]:
        for item in items:
            yield _attempt(function, item)


class ProcessExecutor(Executor):
    """A pool of fresh (spawned) processes, each with one thread for numerical libraries.

    At most two items per worker are under way, so that results do not pile up in memory. When a worker is lost
    (ENG102), the items under way are tried again alone, so that only the one that ends its process fails.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise TumorboardError(codes.SETTING, "executor", found=f"{workers} workers", expected="1 or more")
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def attempt(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[Attempt[R]]:
        waiting: deque[tuple[T, Future[Attempt[R]]]] = deque()
        source = iter(items)
        exhausted = False
        while True:
            while not exhausted and len(waiting) < 2 * self.workers:
                try:
                    item = next(source)
                except StopIteration:
                    exhausted = True
                    break
                try:
                    waiting.append((item, self._open().submit(_attempt, function, item)))
                except BrokenProcessPool:
                    broken: Future[Attempt[R]] = Future()
                    broken.set_exception(BrokenProcessPool("lost before the item began"))
                    waiting.append((item, broken))
                    break
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                yield from self._alone(function, [item, *(other for other, _ in waiting)])
                waiting.clear()
            except Exception as error:  # the item or its result could not cross between processes
                yield Attempt(error=_uncrossed(item, error))

    def _alone(self, function: Callable[[T], R], items: list[T]) -> Iterator[Attempt[R]]:
        for item in items:
            self.close()
            try:
                yield self._open(1).submit(_attempt, function, item).result()
            except BrokenProcessPool:
                yield Attempt(error=_lost(item))
            except Exception as error:
                yield Attempt(error=_uncrossed(item, error))
        self.close()

    def _open(self, workers: int | None = None) -> ProcessPoolExecutor:
        if self._pool is None:
            from multiprocessing import get_context

            self._pool = ProcessPoolExecutor(workers or self.workers, get_context("spawn"), initializer=_begin)
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class DaskExecutor(Executor):
    """A Dask cluster: the one at `address`, or one of processes on this machine when none is given.

    Needs the extra `scale` (dask and distributed); ENG106 says so where it is missing.
    """

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise TumorboardError(
                codes.SETTING,
                "executor dask",
                found="no package `distributed`",
                expected="dask",
                fix='pip install "tumorboard[scale]"',
            ) from error
        self._cluster = None
        if address is None:
            self._cluster = LocalCluster(n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None)
        self._client: Any = Client(address if self._cluster is None else self._cluster)

    def attempt(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[Attempt[R]]:
        waiting: deque[tuple[T, Any]] = deque()
        window = 2 * max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        for item in items:
            waiting.append((item, self._client.submit(_attempt, function, item, pure=False)))
            if len(waiting) >= window:
                yield self._result(*waiting.popleft())
        while waiting:
            yield self._result(*waiting.popleft())

    def _result(self, item: Any, future: Any) -> Attempt[Any]:
        try:
            result: Attempt[Any] = future.result()
        except Exception as error:
            return Attempt(error=_lost(item) if "Killed" in type(error).__name__ else _uncrossed(item, error))
        return result

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def executor(workers: int = 0, *, kind: str = "processes", address: str | None = None) -> Executor:
    """The executor for `workers` processes: 0 means one per core, 1 means none but this one.

    `kind` is ``serial``, ``processes`` or ``dask`` (with the `address` of a scheduler, or a local cluster).
    """
    if kind not in ("serial", "processes", "dask") or workers < 0:
        raise TumorboardError(
            codes.SETTING,
            "executor",
            found=f"{kind!r} with {workers} workers",
            expected="serial, processes or dask with 0 or more workers",
        )
    if kind == "dask":
        return DaskExecutor(address, workers=workers or None)
    count = workers or cores()
    return SerialExecutor() if kind == "serial" or count == 1 else ProcessExecutor(count)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread() -> None:
    """Workers that each use every core are slower together than one alone."""
    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"


def _begin() -> None:
    """First thing in a worker."""
    import threading

    _one_thread()
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed has nobody to hand its result to; left alone it would wait for ever."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _lost(item: object) -> TumorboardError:
    return TumorboardError(codes.WORKER_LOST, _name(item), found="a lost process", expected="a result")


def _uncrossed(item: object, error: Exception) -> TumorboardError:
    found = f"{type(error).__name__}: {error}"
    return TumorboardError(codes.ITEM_FAILED, _name(item), found=found, expected="a result that can be sent")
