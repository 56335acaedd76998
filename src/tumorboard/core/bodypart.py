"""Words for where in the body an axial slice lies: kinds of findings, landmarks, regions and their boundaries."""

from __future__ import annotations

__all__ = [
    "BODY_PART",
    "BOUNDARIES",
    "LANDMARKS",
    "NOT_ORDERED",
    "POINT",
    "REGIONS",
    "RELATIVE_LOCATION",
    "REVERSED",
    "WRONG_SPACING",
]

BODY_PART = "body part"
"""Kind of a finding that holds the body-part scores of all slices of one CT."""

POINT = "point"
"""Kind of a finding that is one place in the image; a landmark is one, its label the landmark's name."""

LANDMARKS: tuple[str, ...] = (
    "skull base",
    "top of lung",
    "carina",
    "upper liver edge",
    "iliac crest",
    "femoral head",
)
"""Names of landmarks along the body, head first."""

REGIONS: tuple[str, ...] = ("head-neck", "chest", "abdomen", "pelvis")
"""Regions of slices, head first."""

BOUNDARIES: tuple[str, ...] = ("top of lung", "upper liver edge", "iliac crest")
"""The landmark between each region and the next."""

RELATIVE_LOCATION = "relative_location"
"""Attribute of a lesion: [x, y, z], each 0 to 1: x from the patient's right to the left and y from front to back in the
box of the body in that slice, z by body part, growing towards the feet."""

REVERSED, WRONG_SPACING, NOT_ORDERED = "reversed", "wrong spacing", "not ordered"
"""What the body-part scores of a CT may say about its slices."""
