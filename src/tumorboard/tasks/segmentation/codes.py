"""Codes of segmentation."""

from tumorboard.core.errors import define

INPUT_MISSING = define(
    "SGM101",
    "An exam without PET or without CT",
    why="The network was trained on both; a picture of zeros in place of one gives a confident wrong answer.",
    fix="import the missing image, or leave the patient out",
)
NOTHING_TO_LEARN = define(
    "SGM102",
    "Too few patients with CT, PET and an expert's mask",
    why="Out-of-fold scores need patients on both sides of every split.",
    fix="import masks on the grid of their CT (see `tumorboard check`), or lower `folds`",
)
APART = define(
    "SGM103",
    "CT and PET that do not lie over each other",
    why="Uptake taken from another place than the anatomy makes every voxel wrong.",
    fix="register them, or repair the affine of one from the original DICOM",
)
MODEL_UNKNOWN = define(
    "SGM104",
    "Not a segmentation model of this version",
    why="Weights without the preprocessing they were trained with predict nonsense.",
    fix="train with `tumorboard train segmentation COHORT --out RUN` and give that folder",
)
SETTING = define(
    "SGM105",
    "Settings that contradict each other",
    why="A patch that the network cannot halve often enough, or more folds than patients, cannot be trained.",
    fix="see the message",
)
INFERENCE = define(
    "SGM106",
    "No compiled network that answers as the trained one",
    why="A fast path that gives other masks is not faster, it is wrong.",
    fix="set `inference=torch`, or `inference=auto`, which falls back to it",
)
BROKEN = define(
    "SGM107",
    "A CT or PET that no prediction should be made from",
    why="A network gives a confident mask for an empty image, and for uptake in Bq/ml that is called SUV.",
    fix="look at the image (`tumorboard check`); import it again with its unit, or leave the exam out",
)
PLAN = define(
    "SGM108",
    "A plan that cannot be followed",
    why="A plan is edited by hand; a value that is not understood would be replaced by a default without a word.",
    fix="start from the `plan.json` beside a trained model, and change values only",
)
NO_PRIOR = define(
    "SGM109",
    "No map of abnormal uptake where the segmentation wants one",
    why="A network that learnt to look where a map points is lost, or worse, wrong, without one.",
    fix="map the exams (`tumorboard predict MODEL COHORT --task anomaly --name NAME`) and name the run (`prior_run`)",
)
PRIOR_KNOWS = define(
    "SGM110",
    "A map of abnormal uptake that knows who is held out",
    why="Scores are too good when what a network is given was learnt from the patients it is scored on.",
    fix="leave out `prior_run`: the benchmark then makes its own maps, by networks of the training patients alone",
)
