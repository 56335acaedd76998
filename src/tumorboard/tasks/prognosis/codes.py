"""Codes of prognosis."""

from tumorboard.core.errors import define

COVARIATE_NOT_NUMERIC = define(
    "PRG101",
    "Text in a numeric covariate",
    why="A model fitted on numbers would drop the patient or read the text as something else.",
    fix="declare the cell as missing, or the variable as categorical, in the data dictionary",
)
COVARIATE_UNKNOWN = define(
    "PRG102",
    "A covariate that the cohort does not have",
    why="Leaving it out in silence would fit another model than the one asked for.",
    fix="list the variables with `tumorboard info COHORT`",
)
TOO_FEW_EVENTS = define(
    "PRG103",
    "Too few events to cross-validate",
    why="A fold without an event has no concordance; a model fitted on a handful of events predicts noise.",
    fix="use fewer folds, another endpoint, or more patients",
)
