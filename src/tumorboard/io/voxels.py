"""What readers of every format do with the voxels themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io import codes
from tumorboard.io.remarks import Remark

__all__ = ["count_not_finite", "finite_values", "not_finite_remark"]


def finite_values(array: NDArray[Any], unit: Unit, nan_as: float | None, path: Path) -> NDArray[Any]:
    """`array` with NaN and infinity replaced by `nan_as`; without it they stay, except in labels: IMG102."""
    if array.dtype.kind != "f" or (nan_as is None and unit != Unit.LABEL):
        return array
    bad = ~np.isfinite(array)
    if not bad.any():
        return array
    if nan_as is None:
        raise TumorboardError(
            codes.VOXELS_NOT_FINITE, path, found=f"{int(bad.sum()):,} NaN or infinite labels", expected="labels"
        )
    return np.where(bad, array.dtype.type(nan_as), array)


def count_not_finite(values: NDArray[Any]) -> int:
    """How many are NaN or infinite."""
    return 0 if values.dtype.kind != "f" else int(np.count_nonzero(~np.isfinite(values)))


def not_finite_remark(path: Path, count: int) -> list[Remark]:
    """IMG102 as a warning, or nothing when all are numbers."""
    if not count:
        return []
    return [
        Remark.of(
            codes.VOXELS_NOT_FINITE,
            path,
            severity="warning",
            found=f"{count:,} NaN or infinite voxels (read as they are)",
            expected="numbers",
        )
    ]
