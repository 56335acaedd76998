"""Images that no prediction should be made from: constant, not finite, or not what their unit says."""

from __future__ import annotations

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.cases import CaseVolumes

__all__ = ["refuse_broken"]

_MOST_SUV = 500.0
"""Nothing in a patient takes up more, a bladder included (100 to 200); a PET in Bq/ml has thousands."""
_LEAST_SUV = 0.5
"""Some voxel of every patient has more: blood alone has 1 to 2."""
_AIR_TO_TISSUE_HU = 50.0


def refuse_broken(volumes: CaseVolumes, *, where: str = "exam") -> None:
    """SGM107 for a CT or PET that shows nothing, holds values that are no numbers, or values that its unit cannot have.

    A PET without any uptake above 0.5 SUV, or with one above 500; a CT whose values span less than 50 HU.
    """
    for name, volume in (("CT", volumes.ct), ("PET", volumes.pet)):
        if volume is None:
            continue
        low, high = float(volume.array.min()), float(volume.array.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise _broken(where, name, "values that are no numbers", "finite values", volume)
        if low == high:
            raise _broken(where, name, f"{low:g} in every voxel", "an image", volume)
        if name == "CT" and high - low < _AIR_TO_TISSUE_HU:
            raise _broken(where, name, f"{low:g} to {high:g} HU", "air and tissue", volume)
        if name == "PET" and not _LEAST_SUV <= high <= _MOST_SUV:
            raise _broken(where, name, f"a highest SUV of {high:g}", f"{_LEAST_SUV:g} to {_MOST_SUV:g}", volume)


def _broken(where: str, name: str, found: str, expected: str, volume: Volume) -> TumorboardError:
    return TumorboardError(codes.BROKEN, f"{where}, {name}", found=f"{found} ({volume.unit})", expected=expected)
