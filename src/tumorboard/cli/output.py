"""What a verb says: one JSON object on standard output with `--json`, words for people otherwise."""

from __future__ import annotations

import json
import sys
from typing import Any

from tumorboard.core.errors import TumorboardError

__all__ = ["EXIT_DATA", "EXIT_FAILURE", "EXIT_FINE", "EXIT_USAGE", "print_json", "report_error", "say"]

EXIT_FINE, EXIT_FAILURE, EXIT_USAGE, EXIT_DATA = 0, 1, 2, 3


def print_json(value: Any) -> None:
    """The one object of `--json`."""
    json.dump(value, sys.stdout, indent=1, allow_nan=False, default=str)
    sys.stdout.write("\n")


def say(text: str) -> None:
    """A line for people, on standard error so that standard output stays machine-readable."""
    print(text, file=sys.stderr)


def report_error(error: TumorboardError, *, as_json: bool) -> None:
    """A coded error in the form that was asked for."""
    if as_json:
        print_json(
            {
                "error": {
                    "code": error.code.id,
                    "where": error.where,
                    "found": error.found,
                    "expected": error.expected,
                    "fix": error.fix,
                }
            }
        )
    say(str(error))
