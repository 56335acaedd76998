"""Codes of the core: broken invariants of nouns and tables."""

from tumorboard.core.errors import define

COHORT_KEY = define(
    "COH101",
    "A table's key is missing or not unique",
    why="Rows are found by their key; a doubled key silently joins one patient's data to another's.",
    fix="give every row its own key, or merge the rows that mean the same thing",
)
COHORT_REFERENCE = define(
    "COH102",
    "A row points to a row that does not exist",
    why="An image of an unknown exam, or an outcome of an unknown patient, would vanish from every analysis.",
    fix="add the missing row, or remove the row that points to it",
)
COHORT_COLUMN = define(
    "COH103",
    "A table lacks a column or holds the wrong type",
    why="Every reader and task relies on the same eight typed tables.",
    fix="build the table with Cohort.build or the reader of its layout",
)
COHORT_OUTCOME = define(
    "COH104",
    "An outcome without a time above zero",
    why="Survival methods drop or mis-order patients with zero, negative or missing times, without a word.",
    fix="keep the raw cells in the column `raw` and leave `survival` empty, so that the check reports them",
)
COHORT_UNIT = define(
    "COH105",
    "An image without a unit",
    why="SUV and Bq/ml differ by a factor of thousands and look alike; HU and grey levels too.",
    fix="state the unit; `unknown` is a stated unit that checks report and analyses refuse",
)
COHORT_MASK_GRID = define(
    "COH106",
    "A mask is not on the grid of the image it refers to",
    why="Voxel (i, j, k) of the mask would be another place in the patient than voxel (i, j, k) of the image.",
    fix="leave `reference_image_id` empty (the check reports it) or resample the mask in physical space",
)
COHORT_UNKNOWN = define(
    "COH107",
    "No such row, table or file in this cohort",
    why="A name that does not resolve is a typing mistake or a cohort of another version.",
    fix="list what there is with `tumorboard info COHORT`",
)
GEOMETRY_AFFINE = define(
    "GEO101",
    "An affine that maps no voxel to a place",
    why="NaN, singular or mis-shaped affines put voxels nowhere; every distance computed from them is wrong.",
    fix="repair the header from the original DICOM; do not guess a spacing",
)
GEOMETRY_MISMATCH = define(
    "GEO102",
    "Two arrays that must share one grid do not",
    why="Comparing voxels by index across different grids compares different places.",
    fix="resample one onto the other's grid in physical space",
)
GEOMETRY_SHAPE = define(
    "GEO103",
    "An array of the wrong shape",
    why="A volume has three spatial axes; a fourth (time, channel, RGB) changes what a voxel is.",
    fix="select one frame or channel explicitly",
)
UNIT_MISMATCH = define(
    "UNT101",
    "Values in another unit than this step works in",
    why="A threshold in SUV applied to Bq/ml, or a HU window to grey levels, gives a plausible picture of nothing.",
    fix="convert explicitly, or state the unit at import",
)
