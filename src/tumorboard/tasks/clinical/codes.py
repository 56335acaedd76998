"""Codes of clinical variables as covariates."""

from tumorboard.core.errors import define

COVARIATE_NOT_NUMERIC = define(
    "VAR101",
    "Text in a numeric covariate",
    why="A model fitted on numbers would drop the patient or read the text as something else.",
    fix="declare the cell as missing, or the variable as categorical, in the data dictionary",
)
COVARIATE_UNKNOWN = define(
    "VAR102",
    "A covariate that the cohort does not have",
    why="Leaving it out in silence would fit another model than the one asked for.",
    fix="list the variables with `tumorboard info COHORT`",
)
CODE_UNSTATED = define(
    "VAR103",
    "A code without a meaning",
    why="Sex is 0/1 in one table and 1/2 in the next, and a step of a scale that is not on the scale has no place: a "
    "model given such a cell would predict for another patient.",
    fix="state the codes as levels in the data dictionary, or send the value in words",
)
ENCODER_FILE = define(
    "VAR104",
    "An encoding that cannot be read back",
    why="A model is only valid with the medians, scales and levels it was trained with.",
    fix="train again, or use the file that was written with the model",
)
