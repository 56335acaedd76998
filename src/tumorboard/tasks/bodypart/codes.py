"""Codes of body-part regression."""

from tumorboard.core.errors import define

NOTHING_TO_LEARN = define(
    "BDP101",
    "Too few CT volumes to learn the order of slices from",
    why="The order of slices is learnt from many volumes, and scores need patients on both sides of every split.",
    fix="import more CT volumes (HU, three or more axial slices each), or lower `folds`",
)
POSITIONS = define(
    "BDP102",
    "Slice positions that are no positions",
    why="Order, direction and spacing of slices are judged against their z; without one there is nothing to judge.",
    fix="repair the affine (or the slice interval) from the original DICOM; see `tumorboard check`",
)
NO_BODY = define(
    "BDP103",
    "A CT in which no body was found",
    why="Scores of air, or of an image in other units than HU, are numbers without meaning.",
    fix="check that the values are HU and the image is a CT; leave it out otherwise",
)
MODEL_UNKNOWN = define(
    "BDP104",
    "Not a body-part model of this version",
    why="Weights without the preparation they were trained with score nonsense.",
    fix="train with `tumorboard train bodypart COHORT --out RUN` and give that folder",
)
NO_SCORES = define(
    "BDP105",
    "No body-part scores of this run",
    why="A lesion's relative z, and the comparison of a run, need the scores of the CT.",
    fix="predict with `tumorboard predict RUN COHORT --task bodypart` first",
)
