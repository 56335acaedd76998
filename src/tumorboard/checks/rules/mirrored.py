"""A patient who lies the other way round than all the others."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG211",
    "A patient who lies the other way round than the others",
    why="A lost sign in the affine puts the liver on the left or the bed in front; nothing else shows it.",
    fix="compare with the original DICOM; correct the affine (or the array), mask and dose alike",
)
EXAMPLE = "one CT whose difference between left and right correlates with the other patients' at -0.8 instead of 0.8"
MIN_IMAGES = 6
MIN_ALIKE = 0.5
"""Correlation of an image's asymmetry with the others' that four in five images must reach. Below it nothing can be
said: the images show different parts of the body, or nothing tells one side from the other (left from right in a neck
that never lies quite in the middle)."""
MIRRORED = -0.4
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
        pictures = np.empty((len(named), *named[0][1].shape), np.float32)
        for picture, (_, coarse) in zip(pictures, named, strict=True):
            np.divide(coarse, coarse.std(), out=picture)
        for axis, sides in enumerate(_AXES):
            alike = _asymmetry_correlations(pictures, axis)
            if np.percentile(alike, 20) < MIN_ALIKE:
                continue
            for i in np.flatnonzero(alike < MIRRORED):
                row = named[i][0]
                yield finding(
                    CODE,
                    "warning",
                    f"{row['patient_id']}: {row['image_id']}",
                    found=f"a difference between {sides} that correlates with the other patients' at {alike[i]:.2f} "
                    f"({modality}; the median is {np.median(alike):.2f})",
                    expected=f"a positive correlation; {sides} seem exchanged",
                )


def _asymmetry_correlations(pictures: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """Of each picture (n, 8, 8, 8) less its mirror image, with the mean of the *other* patients', (n,)."""
    odd = pictures - np.flip(pictures, axis + 1)  # antisymmetric: mirroring changes its sign and nothing else
    odd = odd.reshape(len(odd), -1)
    # The others are all less one: products with the sum of all say everything, whatever the number of pictures.
    everyone = odd.sum(axis=0, dtype=np.float64)
    with_all, with_itself = odd @ everyone.astype(np.float32), np.einsum("ij,ij->i", odd, odd)
    others = everyone @ everyone - 2 * with_all + with_itself
    norms = np.sqrt(with_itself * np.maximum(others, 0))
    correlations: NDArray[np.float64] = (with_all - with_itself) / np.where(norms > 0, norms, 1)
    return correlations
