"""Codes of image features."""

from tumorboard.core.errors import define

MASK_TRAINED_ON = define(
    "FEA101",
    "Masks that were not predicted out of fold",
    why="A network segments the patients it was trained on better than new ones: features of such masks are cleaner in "
    "training than they will ever be in use.",
    fix="take the masks of `tumorboard benchmark COHORT --task segmentation`, or state in_fold=True and say so",
)
NOTHING_TO_MEASURE = define(
    "FEA102",
    "No mask to measure",
    why="Features of an empty or absent mask would be invented.",
    fix="segment the images first, or predict without image features",
)
NO_MODALITY = define(
    "FEA103",
    "A patient with nothing to predict from",
    why="Without clinical data, images or masks any figure would be the average of other patients.",
    fix="add a modality that the model knows; the row is an abstention until then",
)
CROP_LOST = define(
    "FEA104",
    "No place to crop",
    why="A network sees a box round the tumour; without a mask or an uptake that shows the place, it is a guess.",
    fix="segment the images first, or leave the image out for this patient",
)
