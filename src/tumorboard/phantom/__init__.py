"""Virtual patients with known truth for every task."""

from __future__ import annotations

from typing import Any

__all__ = ["make_cohort"]


def __getattr__(name: str) -> Any:
    if name == "make_cohort":  # imported on use: nibabel and scipy are not needed to list layouts and tasks
        from tumorboard.phantom.cohort import make_cohort

        return make_cohort
    raise AttributeError(f"module 'tumorboard.phantom' has no attribute {name!r}")
