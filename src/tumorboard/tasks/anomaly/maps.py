"""Maps of scores: those without training, those of statistics of normal tissue, those of networks; smoothed alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.anomaly.channels import target
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import Exam
from tumorboard.tasks.anomaly.model import AnomalyModel

__all__ = [
    "BINARY",
    "ELLIPSOID",
    "EXCESS",
    "FREE",
    "SMOOTHED",
    "FreeMaps",
    "fit_free",
    "network_maps",
    "run_names",
    "smoothed",
]

SMOOTHED = "smoothed SUV"
ELLIPSOID = "image-blind ellipsoid"
EXCESS = "masked dual, excess SUV"
BINARY = {"SUV>2.5": 2.5, "SUV>4": 4.0, "SUV>41% of max": None}
"""Masks: 1 where SUV is above the value; None: above 41 % of the highest in view."""
FREE = ("SUV", SMOOTHED, *BINARY, "SUV over reference", "Gaussian by HU", "patch Gaussian", ELLIPSOID)
"""Runs without a network, in the order of the tables. ``patch Gaussian`` is of PaDiM's type (Defard et al. 2021): the
Mahalanobis distance of features round a voxel; these are smoothed CT and PET instead of a network's, and without a
place, since bodies are not aligned."""

_EDGES_HU = (
    -900.0,
    -700.0,
    -400.0,
    -150.0,
    -110.0,
    -80.0,
    -40.0,
    0.0,
    20.0,
    35.0,
    50.0,
    70.0,
    100.0,
    150.0,
    250.0,
    500.0,
)
_SOFT_HU = (0.0, 100.0)
_PATCH_MM = (6.0, 14.0)
_MOST_VOXELS = 20_000
"""Of each exam, for the statistics of patches."""

Floats = NDArray[np.float32]


def smoothed(values: NDArray[Any], exam: Exam, sd_mm: float) -> Floats:
    """Gaussian of `sd_mm` along every axis, in millimetres; 0 outside the body."""
    from scipy.ndimage import gaussian_filter

    inside = np.where(exam.body, values, 0.0).astype(np.float32)
    if sd_mm:
        inside = gaussian_filter(inside, np.asarray(sd_mm) / exam.spacing_mm, truncate=3.0)
    return np.where(exam.body, inside, 0.0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class FreeMaps:
    """Statistics of normal tissue: mean and SD of the root of SUV by HU (bins,), and mean (f,) and inverse covariance
    (f, f) of patch features."""

    by_hu: tuple[NDArray[Any], NDArray[Any]]
    patch: tuple[NDArray[Any], NDArray[Any]]
    smooth_mm: float

    def __call__(self, exam: Exam) -> dict[str, Floats]:
        body = exam.body
        soft = smoothed(exam.suv, exam, self.smooth_mm)
        maps = {"SUV": np.where(body, exam.suv, 0).astype(np.float32), SMOOTHED: soft}
        for name, suv in BINARY.items():
            highest = float(exam.suv[body].max(initial=0.0))
            maps[name] = (body & (exam.suv > (0.41 * highest if suv is None else suv))).astype(np.float32)
        maps["SUV over reference"] = soft / np.float32(reference_suv(exam))
        maps["Gaussian by HU"] = smoothed(self._by_hu(exam), exam, self.smooth_mm)
        maps["patch Gaussian"] = smoothed(self._by_patch(exam), exam, self.smooth_mm)
        maps[ELLIPSOID] = _ellipsoid(exam)
        return maps

    def _by_hu(self, exam: Exam) -> NDArray[Any]:
        mean, sd = self.by_hu
        of = np.digitize(exam.hu, _EDGES_HU)
        z: NDArray[Any] = (target(exam.suv) - mean[of]) / sd[of]
        return z

    def _by_patch(self, exam: Exam) -> NDArray[Any]:
        """Distance from normal patches, with the sign of the uptake's part in it: cold is not hot."""
        mean, inverse = self.patch
        away = features(exam)[exam.body] - mean
        pulled = away @ inverse
        distance = np.sqrt(np.maximum((pulled * away).sum(axis=1), 0))
        result = np.zeros(exam.suv.shape, np.float32)
        result[exam.body] = np.where(away[:, 1] >= 0, distance, -distance)
        return result


def reference_suv(exam: Exam) -> float:
    """Mean SUV of the liver where it is known, else the median of soft tissue (0 to 100 HU), else of the body."""
    if exam.liver is not None and exam.liver.sum() >= 30:
        return max(float(exam.suv[exam.liver].mean()), 1e-3)
    soft = exam.body & (exam.hu > _SOFT_HU[0]) & (exam.hu < _SOFT_HU[1])
    chosen = soft if soft.sum() >= 30 else exam.body
    return max(float(np.median(exam.suv[chosen])), 1e-3) if chosen.any() else 1.0


def features(exam: Exam) -> Floats:
    """(i, j, k, 5): root of SUV, its means over 6 and 14 mm, CT and its mean over 6 mm (in hundreds of HU)."""
    from scipy.ndimage import gaussian_filter

    root = target(exam.suv)
    hu = np.clip(exam.hu, -1000, 600) / 100.0
    layers = [root, *(gaussian_filter(root, np.asarray(mm) / exam.spacing_mm) for mm in _PATCH_MM)]
    layers += [hu, gaussian_filter(hu, np.asarray(_PATCH_MM[0]) / exam.spacing_mm)]
    return np.stack(layers, axis=-1).astype(np.float32)


def fit_free(training: Sequence[tuple[Exam, NDArray[np.int64]]], config: AnomalyConfig, *, seed: int) -> FreeMaps:
    """Statistics of the body in the normal slices of the training exams."""
    random = np.random.default_rng(seed)
    count = len(_EDGES_HU) + 1
    sums = np.zeros((3, count))
    rows = []
    for exam, slices in training:
        if not len(slices):
            continue
        chosen = np.zeros(exam.suv.shape[2], bool)
        chosen[slices] = True
        body = exam.body & chosen
        root = target(exam.suv)[body]
        of = np.digitize(exam.hu[body], _EDGES_HU)
        sums += [np.bincount(of, weights=w, minlength=count) for w in (np.ones_like(root), root, root**2)]
        mine = features(exam)[body]
        rows.append(mine[random.permutation(len(mine))[:_MOST_VOXELS]])
    n = np.maximum(sums[0], 1)
    whole = sums.sum(axis=1)
    mean = np.where(sums[0] >= 50, sums[1] / n, whole[1] / whole[0])
    spread = np.sqrt(np.maximum(sums[2] / n - (sums[1] / n) ** 2, 0))
    sd = np.maximum(np.where(sums[0] >= 50, spread, np.sqrt(whole[2] / whole[0] - (whole[1] / whole[0]) ** 2)), 0.05)
    seen = np.concatenate(rows).astype(np.float64)
    covariance = np.cov(seen.T) + 1e-4 * np.eye(seen.shape[1])
    return FreeMaps((mean, sd), (seen.mean(axis=0), np.linalg.inv(covariance)), config.smooth_mm)


def _ellipsoid(exam: Exam) -> Floats:
    """Nearness to the middle of what is in view, without looking at any image: 1 in the middle, 0 in the corners."""
    first, shape = exam.view or ((0, 0, 0), exam.suv.shape)
    ends = zip(shape, first, exam.suv.shape, strict=True)
    axes = [np.linspace(-1, 1, n + 2)[1:-1][a : a + size] for n, a, size in ends]
    far = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2
    return np.where(exam.body, 1 - np.sqrt(far / 3), 0.0).astype(np.float32)


def network_maps(model: AnomalyModel, exam: Exam, *, slices: Sequence[int] | None = None) -> dict[str, Floats]:
    """The network's z-scores, smoothed; of the masked one also the excess of SUV."""
    found = model.reconstruct(exam, slices=slices)
    name, sd_mm = model.config.network, model.config.smooth_mm
    maps = {str(name): smoothed(model.z_of(exam, found), exam, sd_mm)}
    if name == "masked dual":
        maps[EXCESS] = smoothed(model.excess_of(exam, found), exam, sd_mm)
    return maps


def run_names(config: AnomalyConfig) -> tuple[str, ...]:
    """All runs of a benchmark, the networks first."""
    networks = [name for each in config.compare for name in ((each, EXCESS) if each == "masked dual" else (each,))]
    return (*networks, *FREE)


Maker = Callable[[Exam], Mapping[str, Floats]]
