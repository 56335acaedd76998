"""Work split over threads, for compiled loops that release the interpreter's lock.

numba's own parallel loops are not used: their default layer ends the process when two threads enter it at once,
and its OpenMP layer when a process that used it forks. Plain threads survive both.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

__all__ = ["compiled", "in_slabs"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function` compiled by numba at its first call, without the interpreter's lock; kept on disk where a
    folder can be written (a read-only container compiles once per process)."""
    from numba import njit

    try:
        fast: Function = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        fast = njit(nogil=True)(function)
    return fast


def in_slabs(work: Callable[[int, int], Any], count: int, *, threads: int | None = None) -> list[Any]:
    """`work(start, stop)` over 0..count in as many contiguous slabs as threads (default: OMP_NUM_THREADS, else
    the processors this process may use); results in order."""
    threads = min(threads or _default_threads(), count)
    edges = [count * n // threads for n in range(threads + 1)]
    if threads == 1:
        return [work(0, count)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda edge: work(*edge), pairwise(edges)))


def _default_threads() -> int:
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
