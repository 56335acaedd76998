"""Lesions inserted into real normal tissue: balls of uptake, blurred as the scanner blurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.anomaly.exam import Exam

__all__ = ["PSF_FWHM_MM", "Inserted", "insert_ball", "insert_many", "places"]

PSF_FWHM_MM = 6.0
_FWHM = 2.3548200450309493
_SOFT_HU = (-60.0, 160.0)
_FINER = 3


@dataclass(frozen=True, eq=False)
class Inserted:
    """A ball of `diameter_mm` whose uptake before blurring is `contrast` times that of its surroundings; `inside`:
    voxels (n, 3) whose centre lies in it."""

    inside: NDArray[np.int64]
    diameter_mm: float
    contrast: float


def places(exam: Exam, slices: NDArray[np.int64], *, radius_mm: float) -> NDArray[np.int64]:
    """Voxels (n, 3) of soft tissue in the middle of a ball that lies in the body, with no tumour in its slices."""
    from scipy.ndimage import distance_transform_edt

    if not len(slices):
        return np.zeros((0, 3), np.int64)
    reach = int(np.ceil(radius_mm / exam.spacing_mm[2]))
    count = exam.suv.shape[2]
    tumour = np.asarray(np.zeros(count, bool) if exam.lesion is None else exam.lesion.any(axis=(0, 1)))
    free = np.array([not tumour[max(k - reach, 0) : k + reach + 1].any() for k in slices])
    fits = np.asarray(slices)[free & (slices >= reach) & (slices < count - reach)]
    found = []
    for k in fits.tolist():
        room = distance_transform_edt(exam.body[:, :, k], sampling=exam.spacing_mm[:2])
        hu = exam.hu[:, :, k]
        at = np.argwhere((room > radius_mm) & (hu > _SOFT_HU[0]) & (hu < _SOFT_HU[1]))
        found.append(np.column_stack([at, np.full(len(at), k)]))
    return np.concatenate(found) if found else np.zeros((0, 3), np.int64)


def insert_ball(
    exam: Exam, centre: Sequence[int], *, diameter_mm: float, contrast: float, fwhm_mm: float = PSF_FWHM_MM
) -> tuple[Exam, Inserted]:
    """`exam` with one ball more round the voxel `centre`. The CT stays as it is: the lesion is one that CT does not
    show. What is added is (contrast - 1) x mean SUV of the ball's surroundings x the blurred ball."""
    from scipy.ndimage import gaussian_filter

    step = np.asarray(exam.spacing_mm)
    radius = diameter_mm / 2
    reach = np.ceil((radius + 1.5 * fwhm_mm) / step).astype(int)
    low = np.maximum(np.asarray(centre) - reach, 0)
    high = np.minimum(np.asarray(centre) + reach + 1, exam.suv.shape)
    offsets = (np.arange(_FINER) - (_FINER - 1) / 2) / _FINER
    axes: list[NDArray[Any]] = []
    for axis in range(3):
        at = (np.arange(low[axis], high[axis])[:, None] + offsets).ravel() - centre[axis]
        axes.append(at * step[axis])
    square = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2
    ball = gaussian_filter((square <= radius**2).astype(np.float32), fwhm_mm / _FWHM / step * _FINER, mode="constant")
    shape = [n for size in (high - low) for n in (int(size), _FINER)]
    coarse = ball.reshape(shape).mean(axis=(1, 3, 5))
    box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    middle = square.reshape(shape)[:, 1, :, 1, :, 1]
    near = middle <= (radius + fwhm_mm / 2) ** 2
    background = float(exam.suv[box][near].mean())
    suv = exam.suv.copy()
    suv[box] += np.float32((contrast - 1) * background) * coarse
    inside = np.argwhere(middle <= radius**2) + low
    return exam.with_suv(suv), Inserted(inside, diameter_mm, contrast)


def insert_many(
    exam: Exam, slices: NDArray[np.int64], random: np.random.Generator, *, gap_mm: float = 40.0
) -> tuple[Exam, list[Inserted]]:
    """`exam` with balls of 8 to 30 mm and 2 to 10 times the uptake round them, at least `gap_mm` apart along z."""
    inserted = []
    last = -np.inf
    free = np.asarray(slices)
    for k in free.tolist():
        diameter = float(np.exp(random.uniform(np.log(8), np.log(30))))
        contrast = float(np.exp(random.uniform(np.log(2), np.log(10))))
        if (k - last) * exam.spacing_mm[2] < gap_mm:
            continue
        at = places(exam, np.array([k]), radius_mm=diameter / 2)
        if not len(at):
            continue
        centre = at[int(random.integers(len(at)))].tolist()
        exam, one = insert_ball(exam, centre, diameter_mm=diameter, contrast=contrast)
        inserted.append(one)
        last = k
    return exam, inserted
