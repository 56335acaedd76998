"""Codes of prognosis."""

from tumorboard.core.errors import define

TOO_FEW_EVENTS = define(
    "PRG103",
    "Too few events to cross-validate",
    why="A fold without an event has no concordance; a model fitted on a handful of events predicts noise.",
    fix="use fewer folds, another endpoint, or more patients",
)
MODEL_LACKS = define(
    "PRG104",
    "A model that these patients lack something for",
    why="A model asked for by name must not be left out in silence, nor be fitted on something else.",
    fix="leave the model out, or give what it needs (for `volume`: `--set volume=NAME_OF_THE_VARIABLE`)",
)
PATIENT_TWICE = define(
    "PRG105",
    "A patient in two folds",
    why="A model that has seen the patient in training is not tested on that patient; two rows of one patient are one "
    "observation.",
    fix="give every patient one row per endpoint and one fold",
)
ONLY_LEAKS = define(
    "PRG106",
    "Nothing to predict from but what tells the outcome",
    why="A model of variables that were recorded with the outcome says nothing about patients before treatment.",
    fix="name variables known before treatment as covariates, or set `leaks=keep` to see what they give away",
)
RUN_UNKNOWN = define(
    "PRG151",
    "Not a survival model of this version",
    why="Predictions of another model, or of other preprocessing, would look like this one's.",
    fix="train again with this version, or point to a folder that `tumorboard train prognosis` wrote",
)
