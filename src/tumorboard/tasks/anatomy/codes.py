"""Codes of anatomical boxes."""

from tumorboard.core.errors import define

NOTHING_TO_LEARN = define(
    "ANA101",
    "Too few X-rays with lung masks or anatomical boxes",
    why="Out-of-fold scores need patients on both sides of every split, and a model needs something to learn from.",
    fix="import masks with the X-rays (`tumorboard import radiographs`), or boxes from CheXmask, CXAS or PSPNet",
)
NOT_FRONTAL = define(
    "ANA102",
    "An X-ray in which no frontal chest can be boxed",
    why="On a lateral view, another part of the body or a picture that no turn makes a chest, every box is nonsense.",
    fix="leave the image out; correct the stated view where it is wrong",
)
TURNED = define(
    "ANA103",
    "An X-ray that is turned, upside down or a negative",
    why="Boxes placed as if it were upright are wrong; turned silently, sides could be exchanged without a word.",
    fix="turn the image at its source, or allow it: `--set turned=correct` at training (the default), and see the run",
)
MODEL_UNKNOWN = define(
    "ANA104",
    "Not an anatomy model of this version",
    why="Weights without the preparation they were trained with predict nonsense.",
    fix="train with `tumorboard train anatomy COHORT --out RUN` and give that folder",
)
NO_LUNGS = define(
    "ANA105",
    "An X-ray in which the lungs were not found",
    why="All boxes are placed from the lungs; placed from a guess they would look as sure as the others.",
    fix="look at the image: exposure, collimation, both lungs in the field; otherwise leave it out",
)
