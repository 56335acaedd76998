"""Coded findings about a cohort: one rule per file of `rules/`, run by `checks.run.run_checks`."""

from __future__ import annotations

from typing import Any

__all__ = ["CheckFinding", "run_checks"]


def __getattr__(name: str) -> Any:
    if name == "run_checks":
        from tumorboard.checks.run import run_checks

        return run_checks
    if name == "CheckFinding":
        from tumorboard.checks.finding import CheckFinding

        return CheckFinding
    raise AttributeError(f"module 'tumorboard.checks' has no attribute {name!r}")
