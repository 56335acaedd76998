"""Tumorboard: everything known about a cancer patient on one table.

Heavy libraries are imported by the function that needs them, so `import tumorboard` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Cohort": "tumorboard.core.cohort",
    "Geometry": "tumorboard.core.geometry",
    "TumorboardError": "tumorboard.core.errors",
    "Unit": "tumorboard.core.units",
    "Volume": "tumorboard.core.volume",
    "benchmark": "tumorboard.tasks.api",
    "check": "tumorboard.checks.run",
    "open": "tumorboard.io.store",
    "save": "tumorboard.io.store",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tumorboard' has no attribute {name!r}")
    module = import_module(_PUBLIC[name])
    return getattr(module, {"check": "run_checks", "open": "open_cohort", "save": "save_cohort"}.get(name, name))
