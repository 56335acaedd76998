"""Virtual X-rays to learn from."""

from __future__ import annotations

from collections.abc import Callable

from tumorboard.tasks.anatomy.prepare import Sample

__all__ = ["virtual_samples"]


def virtual_samples(
    count: int, *, seed: int, edge: int, progress: Callable[[float], None] | None = None
) -> list[Sample]:
    raise NotImplementedError
