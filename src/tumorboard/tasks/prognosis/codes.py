"""Codes of prognosis."""

from tumorboard.core.errors import define

TOO_FEW_EVENTS = define(
    "PRG103",
    "Too few events to cross-validate",
    why="A fold without an event has no concordance; a model fitted on a handful of events predicts noise.",
    fix="use fewer folds, another endpoint, or more patients",
)
