"""Codes of the metrics: masks and predictions that cannot be scored as they are."""

from tumorboard.core.errors import define

MASK_LABEL = define(
    "MET101",
    "A mask holds a value that names no structure",
    why="A stray 3 or 255 is lost or counted as tumour, depending on the tool; the score is of another mask.",
    fix="map the value to a structure, or list it as one to ignore",
)
MASK_NOT_INTEGER = define(
    "MET102",
    "A mask holds values between the integers",
    why="0.9999 becomes 0 when cast and 1 when rounded: the same file, two scores. It is a trace of interpolation.",
    fix="resample masks with nearest neighbour, or round the values on purpose before scoring",
)
MASK_MISSING = define(
    "MET103",
    "A patient without a prediction",
    why="Leaving the patient out raises the mean of a method that fails on difficult cases.",
    fix="predict the patient, or choose `empty` (scored as an empty mask) or `skip` (left out, and counted as such)",
)
SPACING = define(
    "MET104",
    "A voxel spacing that measures nothing",
    why="Volumes and surface distances are multiples of the spacing.",
    fix="give three positive millimetre values, in the order of the array's axes",
)
VALUE_UNDEFINED = define(
    "MET105",
    "Undefined values among those to average or compare",
    why="Dropping them in silence changes which patients a mean speaks of.",
    fix="decide on them: `undefined='omit'` leaves them out and reports the n that is left",
)
PAIRS_DIFFER = define(
    "MET106",
    "Values that must belong to the same patients do not match in number",
    why="A paired comparison of different patients is not paired.",
    fix="align both by patient first",
)
OPTION_UNKNOWN = define(
    "MET107",
    "A rule or option of the metrics that does not exist",
    why="A misspelt option would otherwise be replaced by a default without a word.",
    fix="choose one of those listed; `tumorboard info metrics` shows the sets of rules",
)
TABLE_REPEATED = define(
    "MET108",
    "A patient is predicted more than once",
    why="Which of the two predictions would count is anybody's guess.",
    fix="keep one row per patient",
)
PREDICTION_UNKNOWN = define(
    "MET109",
    "Nothing to score under this name",
    why="An empty comparison would look like a failed one.",
    fix="give a run of this cohort (`tumorboard info COHORT`) or a folder of masks named by patient or image id",
)
STRUCTURE_UNKNOWN = define(
    "MET110",
    "A mask names a structure that the rules or the reference do not know",
    why="Structures are compared by name; values alone (1, 2) mean different things in different data sets.",
    fix="rename the structure in the mask's labels, or score without these rules",
)
BOX_UNUSABLE = define(
    "MET131",
    "A box or a score that cannot be compared",
    why="A box whose high corner lies below its low one overlaps nothing and would count as a false alarm.",
    fix="give low corner then high corner, finite, one score per predicted box, on images that are scored",
)
