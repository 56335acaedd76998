"""How far a benchmark is, for the bar that somebody watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Watch", "followed"]

_TRAINING = 100
_MEASURING = 5
_EVERY_S = 1.0


class Watch:
    """Adds up the steps of a benchmark and reports them as (done, total); does nothing without a listener."""

    def __init__(self, report: Callable[[int, int], None] | None, *, cases: int) -> None:
        self._report = report or (lambda done, total: None)
        self._total = 2 * cases + _TRAINING + _MEASURING
        self._done = 0
        self._tell(0)

    def _tell(self, more: int) -> None:
        self._done = min(self._done + more, self._total)
        self._report(self._done, self._total)

    def prepared(self) -> None:
        self._tell(1)

    def drawn(self) -> None:
        self._tell(1)

    def measured(self) -> None:
        self._tell(1)

    def finished(self) -> None:
        self._tell(self._total)

    @contextmanager
    def training(self, part_done: Callable[[], float]) -> Iterator[None]:
        """While it lasts, asks `part_done` (0 to 1) every second and reports it."""
        before = self._done

        def tell(part: float) -> None:
            self._done = before + int(_TRAINING * part)
            self._tell(0)

        with followed(part_done, tell):
            yield
        tell(1.0)


@contextmanager
def followed(part_done: Callable[[], float], tell: Callable[[float], None]) -> Iterator[None]:
    """While it lasts, asks `part_done` (0 to 1) every second, in a thread, and passes the answer on."""
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(_EVERY_S):
            tell(part_done())

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        stop.set()
        follower.join()
