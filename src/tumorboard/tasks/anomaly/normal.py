"""What counts as normal: slices without a tumour, at a distance from one, with the neighbours that are seen too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anomaly import codes
from tumorboard.tasks.anomaly.exam import Exam

__all__ = ["REACH", "normal_slices", "require_normal", "require_other_patients"]

REACH = 1
"""Neighbours on each side that the network looks at."""
_LEAST_BODY_MM2 = 1500.0


def normal_slices(exam: Exam, *, guard_mm: float) -> NDArray[np.int64]:
    """Numbers of the slices that may be learnt from: a body in them, and no tumour within `guard_mm` along the body or
    in any neighbour. An exam without an expert's mask has none: nobody said that it is normal."""
    if exam.lesion is None:
        return np.zeros(0, np.int64)
    step_mm = exam.spacing_mm[2]
    far = max(int(np.ceil(guard_mm / step_mm - 1e-6)), REACH)
    tumour = exam.lesion.any(axis=(0, 1))
    near = np.convolve(tumour.astype(int), np.ones(2 * far + 1, int), mode="same") > 0
    area = exam.body.sum(axis=(0, 1)) * exam.spacing_mm[0] * exam.spacing_mm[1]
    return np.flatnonzero(~near & (area >= _LEAST_BODY_MM2))


def require_normal(lesion: NDArray[Any] | None, slices: Sequence[int] | NDArray[Any], *, where: str) -> None:
    """ANO103 unless neither the slices nor their neighbours hold a voxel of a tumour."""
    if lesion is None:
        raise TumorboardError(codes.TUMOUR_IN_TRAINING, where, found="no expert's mask", expected="a mask, maybe empty")
    tumour = np.asarray(lesion.any(axis=(0, 1)))
    for k in np.asarray(slices, int).tolist():
        around = range(max(k - REACH, 0), min(k + REACH, len(tumour) - 1) + 1)
        bad = [at for at in around if tumour[at]]
        if bad:
            found = f"a tumour in slice {bad[0]}, seen from slice {k}"
            raise TumorboardError(codes.TUMOUR_IN_TRAINING, where, found=found, expected="none")


def require_other_patients(training: Sequence[str], test: Sequence[str], *, where: str) -> None:
    """ANO107 when a patient is on both sides."""
    both = sorted(set(training) & set(test))
    if both:
        raise TumorboardError(codes.SPLIT, where, found=", ".join(both), expected="patients on one side each")
