"""Codes of running any task."""

from tumorboard.core.errors import define

TASK_UNKNOWN = define(
    "TSK101",
    "A task that does not exist",
    why="Names of tasks are those of the registry.",
    fix="list them with `tumorboard info tasks`",
)
TASK_LACKS = define(
    "TSK102",
    "A cohort without what a task needs",
    why="A task that ran on less than it needs would report a score of something else.",
    fix="add the data that is named, or choose another task with `tumorboard info tasks`",
)
