"""A patient who lies the other way round than all the others."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG211",
    "An image that fits the cohort better when it is mirrored",
    why="A lost sign in the affine puts the liver on the left, the feet on top or the bed in front; nothing else shows it.",
    fix="compare with the original DICOM; correct the affine (or the array), mask and dose alike",
)
EXAMPLE = "one CT whose block means correlate with the others' at 0.2 as stored and at 0.9 when turned upside down"
MIN_IMAGES = 6
MIN_ALIKE = 0.5
"""Median correlation of the cohort's images with the mean of the others, below which nothing can be said (different
parts of the body)."""
MIN_GAIN = 0.25
_AXES = ("left and right", "front and back", "head and feet")


def find(case: Case) -> Iterator[CheckFinding]:
    for modality in ("CT", "PT"):
        named = [
            (row, s.coarse)
            for row in case.images
            if row["modality"] == modality
            and row["role"] == "image"
            and (s := case.statistics.get(row["image_id"])) is not None
            and s.coarse is not None
            and float(np.ptp(s.coarse)) > 0
        ]
        if len(named) < MIN_IMAGES:
            continue
        pictures = np.stack([_standardised(coarse) for _, coarse in named])
        direct = _correlations(pictures, pictures)
        if np.median(direct) < MIN_ALIKE:
            continue
        for axis, words in enumerate(_AXES):
            turned = _correlations(np.flip(pictures, axis + 1), pictures)
            for i in np.flatnonzero((turned - direct > MIN_GAIN) & (turned > MIN_ALIKE)):
                row = named[i][0]
                yield finding(
                    CODE,
                    "warning",
                    f"{row['patient_id']}: {row['image_id']}",
                    found=f"correlation {direct[i]:.2f} with the other {modality} as stored and {turned[i]:.2f} with "
                    f"{words} exchanged",
                    expected="the same orientation of the patient",
                )


def _standardised(coarse: NDArray[np.float32]) -> NDArray[np.float64]:
    picture = coarse.astype(float)
    return (picture - picture.mean()) / picture.std()


def _correlations(pictures: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each picture (n, 8, 8, 8) with the mean of the *other* patients' pictures, (n,)."""
    total = others.sum(axis=0)
    rest = (total[None] - others) / (len(others) - 1)
    rest = rest - rest.mean(axis=(1, 2, 3), keepdims=True)
    norm = np.sqrt((rest**2).mean(axis=(1, 2, 3)))
    return (pictures * rest).mean(axis=(1, 2, 3)) / np.where(norm > 0, norm, 1)
