"""Codes of challenge entry points."""

from tumorboard.core.errors import define

NO_MODEL = define(
    "CHG101",
    "A challenge task without a trained model",
    why="An answer without a model would be invented.",
    fix="put the run folders that `tumorboard train` wrote below --model: rfs, hpv, segmentation",
)
NOT_IN_EDITION = define(
    "CHG102",
    "A task that this edition does not have",
    why="Its outputs have no name there, and the platform would reject them.",
    fix="choose a task of the edition",
)
NO_ANSWER = define(
    "CHG103",
    "A case that cannot be answered",
    why="The platform takes no empty answer; a made-up one would be scored as if it were meant.",
    fix="read the message of the case; supply the modality or correct the record",
)
STRUCTURE = define(
    "CHG104",
    "A segmentation model of other structures than the challenge's",
    why="Values 1 and 2 of its masks would be scored as primary and nodes, whatever they are.",
    fix="train on masks whose structures are called GTVp and GTVn",
)
