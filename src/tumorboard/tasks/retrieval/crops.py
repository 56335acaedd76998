"""What a network sees of a lesion: a near and a far crop, three slices each, on one grid in patient space.

Every slice is interpolated at its own place between the acquired slices (public code reuses the weights of the middle
one). The far crop is the mean over blocks of the same sampling, so that it has no aliases of finer pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.lesions import Lesions

__all__ = ["Crops", "crop_grid", "crop_lesion", "crops_of"]

Pixels = NDArray[np.int16]
LOWEST_HU, HIGHEST_HU = -1024, 3071


@dataclass(frozen=True)
class Crops:
    """`near`, `far` (n, slices, rows, columns) int16 HU: rows from front to back, columns from the patient's right to
    the left, slices from feet to head. `near` has a margin of `jitter_px` all round. `has` (n,): whether the lesion's
    image could be read; `problems`: image -> why not."""

    near: Pixels
    far: Pixels
    has: NDArray[np.bool_]
    problems: dict[str, str]

    def only(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Crops:
        return Crops(self.near[rows], self.far[rows], self.has[rows], self.problems)

    def mean_hu(self, axes_mm: NDArray[np.float64], *, spacing_mm: float) -> NDArray[np.float64]:
        """Mean HU (n,) of the middle slice inside a circle as wide as the short axis; NaN without pixels."""
        _, slices, rows, columns = self.near.shape
        y, x = np.ogrid[:rows, :columns]
        far = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) * spacing_mm
        radius = np.maximum(np.nan_to_num(axes_mm[:, 1], nan=2.0) / 2, spacing_mm)
        inside = far[None] <= radius[:, None, None]
        middle = self.near[:, slices // 2].astype(float)
        return np.where(self.has, (middle * inside).sum(axis=(1, 2)) / inside.sum(axis=(1, 2)), np.nan)


def crops_of(
    cohort: Cohort,
    lesions: Lesions,
    config: RetrievalConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Crops:
    """Crops of all lesions, each image read once. Images that cannot be read, or lesions without a place, have none."""
    edge, margin = config.edge_px, config.jitter_px
    near = np.full((len(lesions), config.slices, edge + 2 * margin, edge + 2 * margin), LOWEST_HU, np.int16)
    far = np.full((len(lesions), config.slices, edge, edge), LOWEST_HU, np.int16)
    has = np.zeros(len(lesions), bool)
    problems: dict[str, str] = {}
    images = list(dict.fromkeys(lesions.images))
    where: dict[str, list[int]] = {}
    for row, image in enumerate(lesions.images):
        where.setdefault(image, []).append(row)
    readable = _with_file(cohort)
    for done, image in enumerate(images, start=1):
        if image in readable:
            try:
                volume = cohort.image(image).require(Unit.HU, where=image)
                for row in where[image]:
                    if np.isfinite(lesions.centres_mm[row]).all():
                        near[row], far[row] = crop_lesion(volume, lesions.centres_mm[row], config)
                        has[row] = True
            except TumorboardError as error:
                problems[image] = str(error)
        if progress is not None:
            progress(done, len(images))
    return Crops(near, far, has, problems)


def crop_lesion(volume: Volume, centre_mm: NDArray[np.float64], config: RetrievalConfig) -> tuple[Pixels, Pixels]:
    """Near (with margin) and far crop round a place in RAS mm; air where the scan ends."""
    edge, factor, margin = config.edge_px, config.context, config.jitter_px
    wide = max(edge * factor, edge + 2 * margin)
    wide += (wide - edge) % 2
    grid = crop_grid(centre_mm, edge_px=wide, config=config)
    sampled = resample_to(volume, grid, method="linear", fill=float(LOWEST_HU), allow_empty=True).array
    array = np.clip(np.rint(sampled.transpose(2, 1, 0)), LOWEST_HU, HIGHEST_HU)
    start = (wide - edge) // 2 - margin
    near = array[:, start : start + edge + 2 * margin, start : start + edge + 2 * margin]
    outer = (wide - edge * factor) // 2
    block = array[:, outer : outer + edge * factor, outer : outer + edge * factor]
    far = block.reshape(config.slices, edge, factor, edge, factor).mean(axis=(2, 4))
    return near.astype(np.int16), np.rint(far).astype(np.int16)


def crop_grid(centre_mm: NDArray[np.float64], *, edge_px: int, config: RetrievalConfig) -> Geometry:
    """Grid (columns, rows, slices) in patient space with the place in its middle: columns towards the left, rows
    towards the back, slices towards the head."""
    step = np.array([-config.spacing_mm, -config.spacing_mm, config.slice_step_mm])
    shape = (edge_px, edge_px, config.slices)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = np.asarray(centre_mm, float) - step * (np.array(shape) - 1) / 2
    return Geometry(shape, affine)


def _with_file(cohort: Cohort) -> set[str]:
    ids, paths = (cohort.images[name].to_pylist() for name in ("image_id", "path"))
    return {image for image, path in zip(ids, paths, strict=True) if path} if cohort.loader is not None else set()
