"""Codes of the board."""

from tumorboard.core.errors import define

BOARD_OCCUPIED = define(
    "BRD101",
    "The folder for the board holds something else",
    why="The board replaces its whole folder when it is built again; other files in it would be lost.",
    fix="choose an empty or new folder",
)
BOARD_NO_LOADER = define(
    "BRD102",
    "A cohort that cannot read its images",
    why="Pictures need voxels; a cohort made by hand has no loader unless one is given.",
    fix="open the cohort with tumorboard.open, or build it with loader=tumorboard.io.images.load_image",
)
