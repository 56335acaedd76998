"""Which voxels of the PET are hidden: at inference those of suspicious uptake, in training regions like these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anomaly import codes
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import Exam

__all__ = ["Threshold", "dilate", "fit_threshold", "random_blobs", "suspicious"]

Bools = NDArray[np.bool_]
_SOFT_HU = (0.0, 100.0)


@dataclass(frozen=True)
class Threshold:
    """Uptake above it is hidden. `suv` is None where each exam's own liver sets it (1.5 x mean + 2 SD)."""

    rule: str
    suv: float | None

    def of(self, exam: Exam) -> float:
        """In SUV. ANO105 for an exam without a liver where the liver is asked for."""
        if self.suv is not None:
            return self.suv
        inside = None if exam.liver is None else exam.suv[exam.liver]
        if inside is None or inside.size < 30:
            raise TumorboardError(
                codes.NO_REFERENCE, f"exam {exam.case.exam_id}", found="no label liver", expected="a liver in view"
            )
        return float(1.5 * inside.mean() + 2 * inside.std())


def fit_threshold(training: Sequence[tuple[Exam, NDArray[np.int64]]], config: AnomalyConfig) -> Threshold:
    """By the settings' rule, from the normal slices of the training exams."""
    if config.mask_rule == "suv":
        return Threshold("suv", config.mask_suv)
    if config.mask_rule == "liver":
        return Threshold("liver", None)
    values = []
    for exam, slices in training:
        hu = exam.hu[:, :, slices]
        soft = exam.body[:, :, slices] & (hu > _SOFT_HU[0]) & (hu < _SOFT_HU[1])
        values.append(exam.suv[:, :, slices][soft])
    return Threshold("percentile", float(np.percentile(np.concatenate(values), config.mask_percentile)))


def suspicious(exam: Exam, threshold: Threshold, config: AnomalyConfig) -> Bools:
    """Voxels of the body above the threshold, grown by `dilate_mm`; a slice whose body is hidden beyond
    `most_masked` is hidden whole, and judged from CT alone."""
    hot = (exam.suv > threshold.of(exam)) & exam.body
    hidden = dilate(hot, config.dilate_mm, exam.spacing_mm)
    body = np.maximum(exam.body.sum(axis=(0, 1)), 1)
    share = (hidden & exam.body).sum(axis=(0, 1)) / body
    hidden[:, :, share > config.most_masked] = True
    return hidden


def dilate(mask: Bools, radius_mm: float, spacing_mm: Sequence[float]) -> Bools:
    """`mask` grown by a ball of so many millimetres between voxel centres."""
    from scipy.ndimage import binary_dilation

    reach = [int(radius_mm / step + 1e-6) for step in spacing_mm]
    if not any(reach) or not mask.any():
        return mask.copy()
    axes = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
    ball = sum((axis * step) ** 2 for axis, step in zip(axes, spacing_mm, strict=True)) <= radius_mm**2 + 1e-6
    return np.asarray(binary_dilation(mask, structure=ball), bool)


def random_blobs(random: np.random.Generator, shape: tuple[int, int, int], spacing_mm: Sequence[float]) -> Bools:
    """Ellipsoids of 8 to 50 mm across and, in a fifth of the draws, a slab; (i, j, slices)."""
    hidden = np.zeros(shape, bool)
    axes: list[NDArray[Any]] = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing_mm, strict=True)]
    half = [n * step / 2 for n, step in zip(shape, spacing_mm, strict=True)]
    for _ in range(int(random.integers(1, 5))):
        centre = [random.uniform(-0.8 * half[0], 0.8 * half[0]), random.uniform(-0.8 * half[1], 0.8 * half[1])]
        centre.append(random.normal(0, spacing_mm[2]))
        radii = random.uniform(4, 25) * random.uniform(0.7, 1.3, 3)
        terms = [((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)]
        hidden |= terms[0][:, None, None] + terms[1][None, :, None] + terms[2][None, None, :] <= 1
    if random.random() < 0.2:
        axis = int(random.integers(0, 2))
        start = random.uniform(-half[axis], half[axis])
        inside = (axes[axis] >= start) & (axes[axis] <= start + random.uniform(15, 50))
        hidden |= inside[:, None, None] if axis == 0 else inside[None, :, None]
    return hidden
