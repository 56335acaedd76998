"""Codes of the command line's own work."""

from tumorboard.core.errors import define

FILE_CHANGED = define(
    "RUN101",
    "An image is not the one that was imported",
    why="Its grid, unit and checks were recorded for other bytes; a result would belong to neither.",
    fix="import the cohort again",
)
NOTHING_TO_DO = define(
    "RUN102",
    "No task can run on this cohort",
    why="Each task states what it needs; this cohort has it for none of them.",
    fix="see `tumorboard info tasks` for what each needs",
)
