"""How values change from the surface of a mask to its core: rims that are hot, cores that are dead."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["profile_features"]


def profile_features(image: ArrayLike, mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> dict[str, float]:
    """Means in shells of equal thickness between the surface (depth 0) and the deepest voxel: `core` (inner third) and
    `middle` over `rim` (outer third); `cold_share`: voxels below four tenths of the 95th percentile. NaN where a shell
    holds no voxel. The values should be on a scale with a true zero, such as SUV; our definition, not IBSI's.
    """
    from scipy.ndimage import distance_transform_edt

    values = np.asarray(image, float)[mask]
    depth = distance_transform_edt(np.pad(mask, 1), sampling=np.asarray(spacing_mm, float))[1:-1, 1:-1, 1:-1][mask]
    third = np.minimum((3 * depth / (depth.max() * (1 + 1e-9))).astype(int), 2)
    rim, middle, core = (float(values[third == n].mean()) if (third == n).any() else np.nan for n in range(3))
    high = float(np.percentile(values, 95))
    return {
        "core_to_rim": core / rim if rim else float("nan"),
        "middle_to_rim": middle / rim if rim else float("nan"),
        "cold_share": float((values < 0.4 * high).mean()),
    }
