"""What the numbers of an image mean. An intensity array without a unit is not data."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Modality", "Role", "Unit"]


class Unit(StrEnum):
    """Physical (or counting) unit of the voxel values."""

    HU = "HU"
    SUVBW = "SUVbw"
    BQML = "Bq/ml"
    CNTS = "counts"
    GY = "Gy"
    LABEL = "label"
    GREY8 = "grey8"
    GREY16 = "grey16"
    PROBABILITY = "probability"
    ZSCORE = "z-score"
    FRACTION = "fraction"
    """0 to 1 of a stated window."""
    MM = "mm"
    UNKNOWN = "unknown"
    """Stated ignorance: checks report it, analyses refuse it."""


class Modality(StrEnum):
    """DICOM's modality words, as far as oncology cohorts use them."""

    CT = "CT"
    PT = "PT"
    MR = "MR"
    DX = "DX"
    RTDOSE = "RTDOSE"
    SEG = "SEG"


class Role(StrEnum):
    """What an image is to the cohort."""

    IMAGE = "image"
    MASK = "mask"
    DOSE = "dose"
    MAP = "map"
