"""Codes of anomaly detection."""

from tumorboard.core.errors import define

INPUT_MISSING = define(
    "ANO101",
    "An exam without PET or without CT",
    why="Uptake is judged against the anatomy at its place; without one of them there is nothing to judge.",
    fix="import the missing image, or leave the patient out",
)
NOTHING_TO_LEARN = define(
    "ANO102",
    "Too few normal slices",
    why="The network learns normal uptake alone; slices with a tumour, or near one, teach it the tumour.",
    fix="add patients with PET, CT and an expert's mask (an empty one says: no tumour), or lower `guard_mm`",
)
TUMOUR_IN_TRAINING = define(
    "ANO103",
    "A slice with a tumour, or next to one, among the normal slices",
    why="A network that has learnt to reconstruct tumours does not find them.",
    fix="take the slices from `normal_slices`, which keeps the guard band and looks at every neighbour",
)
MODEL_UNKNOWN = define(
    "ANO104",
    "Not an anomaly model of this version",
    why="Weights without the settings they were trained with give numbers without meaning.",
    fix="train with `tumorboard train anomaly COHORT --out RUN` and give that folder",
)
NO_REFERENCE = define(
    "ANO105",
    "No liver in view",
    why="A threshold relative to the liver needs the liver; a crop of a thigh has none.",
    fix="set `mask_rule=suv`, or import an organ mask with the label `liver`",
)
IN_FOLD = define(
    "ANO106",
    "A map of a patient on whom its model was trained",
    why="A prior made in fold is cleaner than it will ever be again, and the segmentation learns to trust it.",
    fix="use the maps that `tumorboard benchmark --task anomaly` makes, each by a model that has not seen the patient",
)
SPLIT = define(
    "ANO107",
    "A patient on both sides of a split",
    why="Slices of one patient look alike; a score on a patient who was trained on says nothing.",
    fix="split by patient (`tasks.segmentation.folds.split_patients`)",
)
