"""Codes of the COCO layout."""

from tumorboard.core.errors import define

COCO_FORM = define(
    "COC101",
    "A COCO file without a list, an id or a box it must have",
    why="Boxes are joined to images and categories by id; one that leads nowhere belongs to nothing.",
    fix="correct the file where the message points",
)
COCO_IMAGE = define(
    "COC102",
    "Boxes of an image that the cohort does not have",
    why="A prediction for another image than the reference's cannot be compared.",
    fix="read the images first, or leave such boxes out with --set unknown=skip",
)
