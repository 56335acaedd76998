"""What costs nothing: fixed SUV thresholds, and an ellipsoid that looks at no image.

A network that does not beat all of them on the same patients has learnt nothing worth keeping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.components import connected_parts

__all__ = ["ELLIPSOID", "INSETS_MM", "THRESHOLDS", "ellipsoid", "ellipsoid_dice", "fit_inset", "threshold_labels"]

ELLIPSOID = "image-blind ellipsoid"
INSETS_MM = tuple(np.arange(0.0, 82.5, 2.5).tolist())
"""Insets that `fit_inset` chooses from."""

THRESHOLDS: dict[str, Callable[[NDArray[np.float32]], float]] = {
    "SUV>2.5": lambda suv: 2.5,
    "SUV>4": lambda suv: 4.0,
    "SUV>41% of max": lambda suv: 0.41 * float(suv.max()),
}
"""Run name -> threshold for the SUV that can be seen. 41 % of the maximum: Boellaard et al., EJNMMI 2015; 42:328."""


def threshold_labels(pet: Volume, name: str, *, structures: int) -> Volume:
    """Voxels of `pet` (SUVbw) above a threshold, as a label map: with several structures the largest connected piece
    (26 neighbours) is the first of them, the others are the second, since uptake alone does not tell them apart."""
    suv = pet.require(Unit.SUVBW, where="PET").array
    hot = np.ascontiguousarray(suv > THRESHOLDS[name](suv))
    labels = hot.astype(np.uint8)
    if structures > 1 and hot.any():
        parts, _ = connected_parts(hot)
        largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
        labels[(parts != largest) & hot] = 2
    return Volume(labels, pet.affine, Unit.LABEL)


def ellipsoid(grid: Geometry, inset_mm: float) -> Volume:
    """The ellipsoid inscribed in the box of `grid`, `inset_mm` inside every face, as structure 1. Where an axis is
    too short for the inset, its semi-axis is one voxel."""
    labels = (_squared_distance(grid, inset_mm) <= 1.0).astype(np.uint8)
    return Volume(labels, grid.affine, Unit.LABEL)


def ellipsoid_dice(truth: Volume, insets_mm: Sequence[float] = INSETS_MM) -> NDArray[np.float64]:
    """Dice of the ellipsoid with the first structure (value 1) on the grid of `truth`, for every inset."""
    drawn = truth.array == 1
    volume = int(drawn.sum())
    scores = []
    for inset_mm in insets_mm:
        shape = _squared_distance(truth.geometry, inset_mm) <= 1.0
        scores.append(2 * int((shape & drawn).sum()) / max(int(shape.sum()) + volume, 1))
    return np.array(scores)


def fit_inset(dice: Sequence[NDArray[np.float64]], insets_mm: Sequence[float] = INSETS_MM) -> float:
    """The inset with the highest mean Dice over training cases (rows of `ellipsoid_dice`)."""
    return float(insets_mm[int(np.argmax(np.mean(dice, axis=0)))])


def _squared_distance(grid: Geometry, inset_mm: float) -> NDArray[np.float32]:
    total = np.zeros(grid.shape, np.float32)
    for axis, (count, edge_mm) in enumerate(zip(grid.shape, grid.spacing_mm, strict=True)):
        semi_mm = max(count * edge_mm / 2 - inset_mm, edge_mm)
        place = ((np.arange(count) - (count - 1) / 2) * edge_mm / semi_mm) ** 2
        total += place.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return total
