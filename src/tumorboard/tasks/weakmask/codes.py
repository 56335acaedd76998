"""Codes of masks from marks."""

from tumorboard.core.errors import define

NO_MARKS = define(
    "WKM101",
    "No RECIST mark in a CT with voxels",
    why="A mask is grown from two axes and the grey values round them; without either there is nothing to grow.",
    fix="import marks with their CT (kind `RECIST pair`, four points, `image_id` of the CT)",
)
TOO_FEW = define(
    "WKM102",
    "Too few patients to score masks out of fold",
    why="Every patient's lesions are outlined by a network that has not seen the patient.",
    fix="import marks and expert masks of two or more patients",
)
MODEL_UNKNOWN = define(
    "WKM103",
    "Not a model of masks from marks, or of another version",
    why="Weights without the frame they were trained in predict nonsense.",
    fix="train with `tumorboard train weakmask COHORT --out RUN` and give that folder",
)
