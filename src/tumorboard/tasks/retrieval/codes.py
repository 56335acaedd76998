"""Codes of retrieval."""

from tumorboard.core.errors import define

NO_LESIONS = define(
    "RET101",
    "Too few marked lesions of a known type",
    why="Type precision needs queries whose type is known, and hits of other patients; others are none.",
    fix="import lesions with a type (RECIST pairs whose label is one of the coarse types), of several patients",
)
NO_IMAGES = define(
    "RET102",
    "Lesions without pixels where an embedding is to be learnt or predicted",
    why="An embedding of nothing would be the same for every lesion.",
    fix="point the cohort to its images, or search by `--run location-size`, which needs the table alone",
)
RUN_UNKNOWN = define(
    "RET103",
    "No embeddings of that name",
    why="Distances of another run, or of none, would look like those that were asked for.",
    fix="run `tumorboard predict RUN COHORT --task retrieval`, give a folder of embeddings, or `--run location-size`",
)
EMBEDDINGS_UNFIT = define(
    "RET104",
    "An embedding matrix that does not fit its list of lesions",
    why="Rows that are shifted by one give every lesion its neighbour's hits, and nothing looks wrong.",
    fix="write embeddings.npy (n, d) of float32 without pickle, and findings.txt with one finding id per line",
)
LESION_UNKNOWN = define(
    "RET105",
    "A lesion that is not there",
    why="The nearest lesions of nothing are nothing.",
    fix="give the id of a finding that the run has; the table `findings` of the cohort lists them",
)
MODEL_UNKNOWN = define(
    "RET106",
    "Not a lesion embedding of this version",
    why="Weights without the crops they were trained on predict nonsense.",
    fix="train with `tumorboard train retrieval COHORT --out RUN` and give that folder",
)
