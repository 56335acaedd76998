"""Codes of detection."""

from tumorboard.core.errors import define

NOTHING_TO_LEARN = define(
    "DET101",
    "Too few patients with lesions marked on CT",
    why="A detector is scored on patients that it has not seen, and needs lesions to learn from.",
    fix="import marked lesions (findings of kind 'RECIST pair' or 'box' with a 3-D box), or lower `test_share`",
)
MODEL_UNKNOWN = define(
    "DET102",
    "Not a detection model of this version",
    why="Weights without the preparation they were trained with predict nonsense.",
    fix="train with `tumorboard train detection COHORT --out RUN` and give that folder",
)
PREDICTION_FORM = define(
    "DET103",
    "Predicted boxes in a form that is not known",
    why="A column read as another one, or 1-based pixels read as 0-based ones, moves every box.",
    fix="give COCO results (JSON), a CSV with image,x1,y1,x2,y2,score, or a cohort; see docs/how-to/detect-lesions.md",
)
IMAGE_UNKNOWN = define(
    "DET104",
    "Predicted boxes of an image or slice that the cohort does not have",
    why="Boxes on images that are not scored would vanish without a word, or count as false on another image.",
    fix="name images by image id, file name or `series_slice`; leave others out with --set unknown=skip",
)
NO_GRID = define(
    "DET105",
    "Boxes in pixels on an image whose grid is not known",
    why="Without spacing and position, pixels cannot be compared with marks in millimetres.",
    fix="import the images with their spacing, or give boxes in mm (columns x1_mm to z2_mm)",
)
