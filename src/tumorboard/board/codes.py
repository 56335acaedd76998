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
JOURNAL_UNWRITABLE = define(
    "BRD111",
    "Corrections cannot be written",
    why="A correction is acknowledged only after it is safe on disk; here it is not.",
    fix="serve a cohort in a folder that may be written, with space left on the disk",
)
JOURNAL_DAMAGED = define(
    "BRD112",
    "The journal of corrections cannot be read",
    why="It holds what readers said; nothing is made of half of it.",
    fix="restore corrections.sqlite from a copy, or move it away to begin anew",
)
CORRECTION_UNFIT = define(
    "BRD113",
    "A correction that does not fit the cohort",
    why="A correction names an exam, a run and a part of it that are there, by an author with a name.",
    fix="reload the page; the cohort may have changed since it was opened",
)
MASK_UNFIT = define(
    "BRD114",
    "A drawn mask that does not fit its image",
    why="A mask shares the grid of the image it was drawn on, and uses the labels of the mask it corrects.",
    fix="draw on the whole volume, with the labels that are offered",
)
BOARD_REQUEST = define(
    "BRD121",
    "A request that the board does not answer",
    why="The board answers its own pages on this machine: other hosts and origins, large bodies "
    "and unknown names are refused.",
    fix="open the board by the address that it printed",
)
