"""Codes of the Chest ImaGenome layout: what can be odd in a scene graph and in the tables around it."""

from tumorboard.core.errors import define

GRAPH_FORM = define(
    "CIG101",
    "A scene graph without a field it must have, or with one of another type",
    why="A graph that does not say its image, study and patient belongs to nobody.",
    fix="fetch the file again, or leave it out on purpose with --set damaged=skip",
)
LISTS_UNEQUAL = define(
    "CIG102",
    "Parallel lists of unequal length at one location",
    why="Sentence, attributes and cues are matched by position; a short list shifts every later cue.",
    fix="correct the file; it is read as if the short lists ended in empty slots, and kept as published",
)
BOX_MISSING = define(
    "CIG103",
    "An image without a box for some of the 29 locations",
    why="3 to 5 % of the published images lack at least one; a table that assumes 29 moves boxes to other names.",
    fix="match boxes by name, never by position",
)
BOX_TWICE = define(
    "CIG104",
    "A location boxed more than once in one image",
    why="Readers that build a dictionary keep an arbitrary one.",
    fix="decide which one holds; both are kept",
)
BOX_OUTSIDE = define(
    "CIG105",
    "A box with negative coordinates or beyond the image",
    why="Crops taken from it wrap around or fail.",
    fix="clip it to the image (--set clip=true where a layout is written); it is kept as published",
)
BOX_EMPTY = define(
    "CIG106",
    "A box without area, or with its corners exchanged",
    why="Overlaps become 0/0 and crops empty.",
    fix="draw the box again, or leave it out; it is kept as published",
)
BOX_SPACES = define(
    "CIG107",
    "A box whose 224 and source coordinates do not belong together",
    why="The two spaces differ by scale and padding; mixing them up is the commonest mistake with this data set.",
    fix="trust the source coordinates after looking at the image",
)
RELATION_INVERTED = define(
    "CIG108",
    "A comparison whose subject is not of this image",
    why="The subject is the current image and the object the previous one; exchanged, improved reads as worsened.",
    fix="exchange subject and object",
)
VIEW_OTHER = define(
    "CIG109",
    "A view other than AP or PA",
    why="Regions and their boxes are defined on frontal views alone.",
    fix="leave the image out, or correct its view",
)
WORDS_UNKNOWN = define(
    "CIG110",
    "An attribute, location or cue outside the published vocabulary",
    why="Tasks that count labels by name would miss it.",
    fix="map it to a published label if it is one",
)
CUES_CONTRADICT = define(
    "CIG111",
    "A comparison with more than one cue, or with contradicting cues",
    why="Improved and worsened at once says nothing; users of the data set drop such rows.",
    fix="drop it where pairs are made (--set contradictory=drop)",
)
GOLD_IN_TRAINING = define(
    "CIG112",
    "A patient of the gold set among the training or validation images",
    why="The gold set is the test; a model that has seen its patients is not tested by it.",
    fix="leave out every image of images_to_avoid.csv",
)
GRAPHS_DISAGREE = define(
    "CIG113",
    "Two images of one study with different statements",
    why="Both graphs come from one report and should say the same.",
    fix="none is needed; what only one image says is kept with that image",
)
SPLIT_CONFLICT = define(
    "CIG114",
    "A patient in more than one split",
    why="Splits are by patient; images of one patient on both sides leak.",
    fix="correct the split tables",
)
STUDY_ORDER = define(
    "CIG115",
    "Studies of one patient whose order is doubled or contradicts their dates",
    why="The previous exam is the one just before by StudyOrder; several studies may be of one day.",
    fix="correct StudyOrder; it decides, not the date",
)
FILE_NAME = define(
    "CIG116",
    "A scene graph file that is named after another image",
    why="Files are found by image; the content's image_id is the one that counts.",
    fix="rename the file to <image_id>_SceneGraph.json",
)
IMAGE_TWICE = define(
    "CIG117",
    "Two scene graphs of one image",
    why="Only one of them can be the image's graph.",
    fix="remove one",
)
GOLD_TABLE = define(
    "CIG118",
    "A gold or silver table without a column it must have",
    why="The published tables are joined by these columns.",
    fix="fetch the table again; it is TAB separated",
)
PREVIOUS_UNKNOWN = define(
    "CIG119",
    "A comparison with an image that is not here",
    why="The pair cannot be made; the relation keeps the image's id as its object.",
    fix="read the previous study too, or leave the pair out",
)
