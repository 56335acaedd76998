"""Lists of layouts and tasks, found by folder: `datasets/<name>/` and `tasks/<name>/spec.py`.

A folder's declaration is light (strings that say where the code is), so that the lists can be had without
importing torch or pandas.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

__all__ = ["Layout", "TaskSpec", "layouts", "resolve", "tasks"]


@dataclass(frozen=True)
class Layout:
    """One published layout: how to read it, how to write it.

    `read` and `write` are ``module:function`` references; `read(source, **options) -> Cohort`,
    `write(cohort, out, **options) -> None`. Options are keyword-only, typed parameters of these functions.
    """

    name: str
    title: str
    summary: str
    read: str | None = None
    write: str | None = None


@dataclass(frozen=True)
class TaskSpec:
    """One task: what it needs from a cohort, what it adds, how it is scored.

    All callables are ``module:function`` references:
    `missing(cohort) -> list[str]` says in words what the cohort lacks (empty: the task can run);
    `benchmark(cohort, out, **options) -> list of score rows`; `train`, `predict`, `evaluate` as on the
    command line; `config` the pydantic model of its settings.
    """

    name: str
    title: str
    summary: str
    needs: tuple[str, ...]
    adds: tuple[str, ...]
    metrics: tuple[str, ...]
    missing: str
    config: str
    benchmark: str | None = None
    train: str | None = None
    predict: str | None = None
    evaluate: str | None = None
    baselines: tuple[str, ...] = field(default=())


def resolve(reference: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names."""
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _folders(package: str) -> list[str]:
    found = importlib.import_module(package)
    return sorted(m.name for m in pkgutil.iter_modules(found.__path__) if m.ispkg)


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by name. A folder of `datasets` declares `LAYOUT` or a tuple `LAYOUTS` in its `__init__`."""
    declared: dict[str, Layout] = {}
    for name in _folders("tumorboard.datasets"):
        module = importlib.import_module(f"tumorboard.datasets.{name}")
        for layout in getattr(module, "LAYOUTS", None) or (module.LAYOUT,):
            declared[layout.name] = layout
    return dict(sorted(declared.items()))


@cache
def tasks() -> dict[str, TaskSpec]:
    """All tasks by name. A folder of `tasks` declares `SPEC` in its `spec.py`; one without is shared by tasks."""
    folders = [name for name in _folders("tumorboard.tasks") if find_spec(f"tumorboard.tasks.{name}.spec")]
    found = (importlib.import_module(f"tumorboard.tasks.{name}.spec").SPEC for name in folders)
    return {spec.name: spec for spec in found}
