"""Codes of the phantom: requests that it cannot fulfil."""

from tumorboard.core.errors import define

UNKNOWN_NAME = define(
    "PHA101",
    "No such virtual centre, fault or region",
    why="A misspelt centre or fault would quietly make another cohort than the one that was asked for.",
    fix="take a name from the list in the message",
)
FAULT_NEEDS = define(
    "PHA102",
    "A fault that cannot be planted in this cohort",
    why="A fault that is not there makes a check look blind, or a test pass for nothing.",
    fix="make a cohort that has what the fault needs (images, two patients, two centres)",
)
OCCUPIED = define(
    "PHA103",
    "The folder for the virtual patients is not empty",
    why="Virtual images among other files could be taken for real ones.",
    fix="choose an empty or new folder",
)
