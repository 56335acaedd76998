"""Codes of the engine: work over many items, trainings, and what they leave on disk."""

from tumorboard.core.errors import define

ITEM_FAILED = define(
    "ENG101",
    "One item of a batch failed",
    why="The other items go on; this one has no result, and must not be counted as if it had one.",
    fix="read the cause in the message; run the item alone to see more",
)
WORKER_LOST = define(
    "ENG102",
    "A worker process ended without an answer",
    why="A process that the system ends (most often for want of memory) cannot say which input was too much for it.",
    fix="use fewer workers, or run the item alone on a machine with more memory",
)
CHECKPOINT_FOREIGN = define(
    "ENG103",
    "Not a checkpoint of this program",
    why="A pickle can run any code when it is opened, and a damaged file gives weights that nobody trained.",
    fix="use a checkpoint written by `tumorboard train`; weights from elsewhere must come as safetensors",
)
CHECKPOINT_MISMATCH = define(
    "ENG104",
    "A checkpoint of another network, configuration or version",
    why="Weights poured into another shape, or training resumed under other settings, give a model that is neither.",
    fix="use the configuration that the checkpoint was written with, or start anew in an empty folder",
)
TRAINING_DIVERGED = define(
    "ENG105",
    "The loss is no longer a finite number",
    why="Weights after a step with an infinite loss are NaN, and every prediction from them is empty.",
    fix="lower `learning_rate`, or look for images with impossible values (tumorboard check)",
)
SETTING = define(
    "ENG106",
    "A setting of the engine that does not exist or makes no sense",
    why="An executor, schedule or budget that is not known cannot be replaced by a guess.",
    fix="see the message for what is possible",
)
NO_SCHEDULER = define(
    "ENG107",
    "No Dask scheduler at this address",
    why="Work that was meant for a cluster is not quietly done on this machine.",
    fix="start one (dask scheduler), and workers (dask worker ADDRESS) that see the cohort's files; check the address",
)
