"""Words for lesions that are marked, typed and followed over exams: kinds and measurements of findings, types,
relations."""

from __future__ import annotations

__all__ = [
    "LESION_TYPES",
    "LONG_AXIS_MM",
    "MASK_LABEL",
    "RECIST_PAIR",
    "SAME_LESION",
    "SHORT_AXIS_MM",
    "VOLUME_ML",
]

RECIST_PAIR = "RECIST pair"
"""Kind of a finding whose `points_mm` are the ends of the long axis, then those of the short axis."""

MASK_LABEL = "mask label"
"""Kind of a finding that is one value (or one component of it) of a mask."""

SAME_LESION = "same lesion"
"""Predicate of a relation between two findings of one patient that show one physical lesion at two exams."""

LONG_AXIS_MM, SHORT_AXIS_MM, VOLUME_ML = "long_axis_mm", "short_axis_mm", "volume_ml"
"""Names of measurements of a finding."""

LESION_TYPES: tuple[str, ...] = (
    "bone",
    "abdomen",
    "mediastinum",
    "liver",
    "lung",
    "kidney",
    "soft tissue",
    "pelvis",
)
"""The coarse types of DeepLesion, in the order of their numbers 1 to 8; "abdomen" is what lies there outside liver and
kidney. A lesion of unknown type has the label "lesion"."""
