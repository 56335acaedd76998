"""Codes of response to treatment."""

from tumorboard.core.errors import define

NO_ORDER = define(
    "RSP101",
    "Exams whose order in time is not known",
    why="Growth and shrinkage change places with the order; neither the order of rows nor a study number is time.",
    fix="give every exam of the patient a day, or all of them an order",
)
NO_TRACKS = define(
    "RSP102",
    "No lesion to follow",
    why="Response compares a lesion with itself at another exam.",
    fix="relate the findings of one lesion ('same lesion'), or run `tumorboard track COHORT` first",
)
FINDING_UNKNOWN = define(
    "RSP103",
    "A track that names a finding which is not there, or is another patient's",
    why="A lesion of somebody else would enter the sum.",
    fix="make the tracks from this cohort",
)
NOT_MEASURED = define(
    "RSP104",
    "A lesion without a size",
    why="A sum without one of its lesions is too small, and would read as response.",
    fix="give long_axis_mm (nodes: short_axis_mm) or the ends of the axes, or let masks be measured (measure=masks)",
)
NO_HEIGHT = define(
    "RSP105",
    "Lean body mass cannot be had",
    why="PERCIST is defined on SUL; SUV in its place moves with the patient's weight.",
    fix="add sex, weight_kg and height_m (or height_cm), or allow SUV with lean=false: the result says so",
)
