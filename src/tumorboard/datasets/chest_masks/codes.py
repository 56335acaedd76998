"""Codes of masks that other programs drew."""

from tumorboard.core.errors import define

MASKS_FORM = define(
    "CXM101",
    "Masks that are not in the published form",
    why="Channels in another order, or runs of another width, are masks of something else.",
    fix="export the masks again with the program named, or state their form with the layout's options",
)
MASKS_SIZE = define(
    "CXM102",
    "Masks of another size than their X-ray",
    why="A box in pixels of a resized or padded picture lies elsewhere on the original: the commonest mix-up of all.",
    fix="take the masks at original resolution, or import the pictures that the masks were drawn on",
)
SIDES_EXCHANGED = define(
    "CXM103",
    "A right lung that lies to the patient's left of the left lung",
    why="Either the names or the picture are mirrored; every sided finding would change sides.",
    fix="compare picture and masks; leave the image out or repair it",
)
