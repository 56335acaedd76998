"""From probabilities in a frame to voxels of the CT: masks of one lesion by each method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.volume import Volume
from tumorboard.tasks.weakmask.frame import Frame
from tumorboard.tasks.weakmask.model import WeakMaskModel
from tumorboard.tasks.weakmask.start import plain_ellipse, walk

__all__ = ["ELLIPSE", "NETWORK", "WALK", "Outline", "outlines"]

NETWORK, WALK, ELLIPSE = "weakmask", "random walk", "plain ellipse"


@dataclass(frozen=True, eq=False)
class Outline:
    """One lesion's mask in a window of its CT: first voxel of the window, and what lies inside."""

    start: tuple[int, int, int]
    inside: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, ...]:
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.inside.shape, strict=True))


def outlines(volume: Volume, frame: Frame, model: WeakMaskModel | None) -> dict[str, Outline]:
    """Masks by method; the network's where there is a `model`. A mask is the part that hangs together with the middle
    of the mark, and at least the voxel there."""
    patch = frame.cut(volume)
    if model is None:
        found = {WALK: walk(patch, frame)}
    else:
        blended, walked = model.probability(patch, frame)
        found = {NETWORK: blended, WALK: walked}
    grid = volume.geometry
    masks = {}
    for name, probability in found.items():
        start, values = frame.paste(probability, grid)
        masks[name] = Outline((start[0], start[1], start[2]), _one_piece(values > 0.5, start, frame, grid))
    masks[ELLIPSE] = _ellipse(frame, grid)
    return masks


def _one_piece(inside: NDArray[np.bool_], start: list[int], frame: Frame, grid: Geometry) -> NDArray[np.bool_]:
    from scipy.ndimage import label

    parts, count = label(inside)
    at = np.rint(grid.to_index(frame.centre[None])[0]).astype(int) - start
    seen = bool(((at >= 0) & (at < inside.shape)).all())
    middle = tuple(at.tolist())
    if count > 1:
        own = int(parts[middle]) if seen else 0
        own = own or int(np.bincount(parts.ravel())[1:].argmax()) + 1
        inside = parts == own
    if seen and not inside.any():  # a nodule smaller than a voxel
        inside = inside.copy()
        inside[middle] = True
    return inside


def _ellipse(frame: Frame, grid: Geometry) -> Outline:
    low, high = frame.window(grid)
    axes = [np.arange(a, max(a, b)) for a, b in zip(low, high, strict=True)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"))
    local = frame.local(grid.to_world(index.reshape(3, -1).T)).reshape(*index.shape[1:], 3)
    return Outline((low[0], low[1], low[2]), plain_ellipse(frame, local))
