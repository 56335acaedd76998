"""Codes of the operations on volumes."""

from tumorboard.core.errors import define

NO_OVERLAP = define(
    "OPS101",
    "Two grids that do not meet in the patient",
    why="Resampled onto the other's grid, such an image is nothing but fill: an empty PET that looks like a cold one.",
    fix="check both affines; if the images truly belong together, register them first",
)
BLENDED_LABELS = define(
    "OPS102",
    "A label map about to be interpolated",
    why="Between label 2 and background lies label 1, which is another structure.",
    fix='use method="nearest", or resample one probability map per label',
)
BOX_EMPTY = define(
    "OPS103",
    "Nothing to crop to",
    why="A box round no voxel has no place.",
    fix="give a mask with voxels, or say what box to take for an empty one",
)
RECORD_MISMATCH = define(
    "OPS104",
    "A volume that is not on the grid its crop record describes",
    why="Undone with the wrong record, a prediction lands beside the lesion, or with the wrong size.",
    fix="pass the record made together with this volume",
)
GRID_SHEARED = define(
    "OPS105",
    "A sheared grid where lengths along the axes are needed",
    why="On axes that are not at right angles the distance between voxels is not what their spacings say.",
    fix="resample onto an orthogonal grid first",
)
WINDOW_EMPTY = define(
    "OPS106",
    "A window or scale of no width",
    why="Every value would become 0, 1 or infinity.",
    fix="give two different, finite ends, or a standard deviation above 0",
)
FILL_UNFIT = define(
    "OPS107",
    "A fill value that the voxel type cannot hold",
    why="-1000 in an unsigned map wraps round to a large number: air becomes metal.",
    fix="give a fill value of the type, or convert the volume first",
)
VECTORS_UNFIT = define(
    "OPS121",
    "Vectors that cannot be searched",
    why="A NaN, a vector with other dimensions or (for cosine) without length has no distance to anything; ranked all "
    "the same, it would come out first or last by accident.",
    fix="give float32 vectors of one length, finite and (for cosine) not all zeros; leave the others out by name",
)
SEARCH_OPTION = define(
    "OPS122",
    "A search that asks for what there is not",
    why="A wrong word or a filter of another length would answer another question.",
    fix="ask for at least one hit, by cosine or Euclid, and give one filter value per vector",
)
NO_BODY = define(
    "OPS131",
    "A CT without a body in it",
    why="Exams are aligned by the body; on air or padding alone the result would be a made-up place.",
    fix="check the unit (HU), the rescale slope and intercept, and that the file is a CT",
)
NO_COMMON_BODY = define(
    "OPS132",
    "Two scans that show no common part of the body",
    why="A registration always answers; forced onto scans of other body parts its answer is an invented place.",
    fix="nothing to do where the fields of view are apart; otherwise check orientation and slice spacing of both",
)
