"""A scan seen from one side."""

from __future__ import annotations

from typing import Literal

from tumorboard.core.volume import Volume

__all__ = ["View", "maximum_projection"]

View = Literal["axial", "coronal", "sagittal"]

_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}


def maximum_projection(volume: Volume, view: View = "coronal") -> Volume:
    """The greatest value along the line of sight, as a volume one voxel thick that fills the same box.

    The scan is stored along the axes nearest to right, anterior, superior first; lines run along its own voxel axis
    nearest to the view's, so an oblique scan is seen at its own angle.
    """
    upright = volume.reorient("RAS")
    axis = _AXIS[view]
    count = upright.shape[axis]
    affine = upright.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (count - 1) / 2
    affine[:3, axis] *= count
    return Volume(upright.array.max(axis=axis, keepdims=True), affine, volume.unit)
