"""Codes of classification."""

from tumorboard.core.errors import define

TOO_FEW_PATIENTS = define(
    "CLS101",
    "Too few patients of a class to learn from",
    why="A fold without a class has no balanced accuracy; a class of a handful of patients is noise.",
    fix="use fewer folds, pool rare classes, or choose another endpoint",
)
NOTHING_KNOWN = define(
    "CLS102",
    "A patient of whom no variable is known",
    why="A probability would only repeat how common the class was in training.",
    fix="supply at least one of the model's variables, or take the class shares for what they are",
)
UNSURE = define(
    "CLS103",
    "No answer: the patient is less sure than the stated share of the training patients",
    why="The model was asked to answer a part of the patients only; beyond it, it is wrong more often.",
    fix="ask for a test of the tissue, or set a higher `coverage`",
)
MODEL_UNKNOWN = define(
    "CLS104",
    "Not a classification model of this version",
    why="Predictions of another model, or of other preprocessing, would look like this one's.",
    fix="train again with this version, or point to a folder that `tumorboard train classification` wrote",
)
MODEL_NOT_KEPT = define(
    "CLS105",
    "A model that cannot be written to disk",
    why="It would be lost after training, or come back as something else.",
    fix="train another model (`--set models=ensemble`), or use this one in `tumorboard benchmark`",
)
PREDICTION_UNREADABLE = define(
    "CLS106",
    "A table of predictions that cannot be read",
    why="Columns that are guessed would score other numbers than those meant.",
    fix="write a CSV with the columns PatientID and Prediction",
)
STAGE_BY_HPV = define(
    "CLS107",
    "An N stage that depends on the HPV status",
    why="From the 8th edition of TNM on, the N stage of oropharyngeal cancer is assigned by p16: it gives the label away.",
    fix="use `n_stage=presence` (N0 or nodes) or `n_stage=drop`; `as-published` shows what the leak is worth",
)
GIVEN_AWAY = define(
    "CLS108",
    "A variable left out because it gives the label away",
    why="It holds the label, or is filled in after it is known: the model would fail where it matters.",
    fix="nothing, if it is such a variable; `keep` names one that is not",
)
"""Not raised: names the exclusion in results."""
