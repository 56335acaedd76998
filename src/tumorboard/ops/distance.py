"""Exact Euclidean distances in millimetres, between voxel centres."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops import codes

__all__ = ["distance_to", "signed_distance"]

Backend = Literal["edt", "scipy"]


def distance_to(mask: Volume, *, backend: Backend | None = None) -> Volume:
    """For every voxel the distance to the nearest voxel of `mask` that is not 0 (float32, mm): 0 on the mask
    itself, infinite everywhere when it is empty. What lies beyond the volume counts for nothing.

    `backend`: edt, or scipy where that is not installed. OPS105 on a sheared grid.
    """
    return mask.with_array(_outside(mask.array != 0, mask, backend), Unit.MM)


def signed_distance(mask: Volume, *, backend: Backend | None = None) -> Volume:
    """Distance to the mask outside it, minus the distance to the nearest voxel outside it within (float32, mm).

    Infinite for an empty mask, minus infinite for one that fills the volume. OPS105 on a sheared grid.
    """
    inside = mask.array != 0
    outward = _outside(inside, mask, backend)
    outward -= _outside(~inside, mask, backend)
    return mask.with_array(outward, Unit.MM)


def _outside(target: NDArray[np.bool_], mask: Volume, backend: Backend | None) -> NDArray[Any]:
    if not mask.geometry.is_orthogonal:
        raise TumorboardError(codes.GRID_SHEARED, "distance", found=f"{mask.geometry}", expected="right angles")
    if not target.any():
        return np.full(target.shape, np.inf, np.float32)
    if (backend or ("edt" if find_spec("edt") else "scipy")) == "scipy":
        from scipy import ndimage

        return ndimage.distance_transform_edt(~target, sampling=mask.spacing_mm.tolist()).astype(np.float32)
    import edt

    away, spacing = ~target, mask.spacing_mm.tolist()
    if away.flags.f_contiguous:
        flipped: NDArray[Any] = edt.edt(away.T, anisotropy=tuple(spacing[::-1]), black_border=False, order="C")
        return flipped.T
    distance: NDArray[Any] = edt.edt(
        np.ascontiguousarray(away), anisotropy=tuple(spacing), black_border=False, order="C"
    )
    return distance
