"""Lung masks of a frontal chest X-ray: which part is which lung, and the boxes of masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["box_of", "largest_part", "split_lungs"]

Mask = NDArray[np.bool_]

_PART = 0.15
"""Part of both lungs that a connected piece needs to be a lung of its own."""


def box_of(mask: NDArray[Any]) -> tuple[float, float, float, float] | None:
    """Box [x1, y1, x2, y2] of a mask (rows, columns) in pixel edges: a mask of one pixel has width 1. None when
    empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def largest_part(mask: NDArray[Any]) -> Mask:
    """The largest connected piece (8 neighbours) of a mask."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count < 2:
        return np.asarray(mask, bool)
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))


def split_lungs(mask: NDArray[Any]) -> tuple[Mask, Mask]:
    """Both lungs (rows, columns), hung as usual -> the patient's right lung (left in the picture) and left lung.

    Whole connected pieces go to the side of their centre; one piece that holds both is cut where it is thinnest between
    its outer quarters. Either may be empty.
    """
    from scipy import ndimage

    mask = np.asarray(mask, bool)
    box = box_of(mask)
    if box is None:
        return mask, mask.copy()
    left, right = int(box[0]), int(box[2])
    heights = mask[:, left:right].sum(axis=0)
    quarter = max(1, len(heights) // 4)
    inner = heights[quarter : len(heights) - quarter]
    thin = np.flatnonzero(inner == inner.min()) if len(inner) else np.array([len(heights) // 2])
    cut = left + quarter + int(thin[len(thin) // 2])
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    on_right = np.zeros_like(mask)
    on_right[:, :cut] = mask[:, :cut]
    if (sizes >= _PART * mask.sum()).sum() >= 2:
        centres = np.array([centre[1] for centre in ndimage.center_of_mass(mask, labels, range(1, count + 1))])
        on_right = np.isin(labels, 1 + np.flatnonzero(centres < cut))
    return on_right, mask & ~on_right
