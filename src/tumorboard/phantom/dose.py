"""A planned dose: full dose on the tumour with a margin, less on the elective nodes, fall-off outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.phantom.disease import LEVELS
from tumorboard.phantom.render import Pose, render
from tumorboard.phantom.solids import Solid, tube
from tumorboard.phantom.tissue import TissueValues

__all__ = ["plan_dose"]

FULL_GY, ELECTIVE_GY, MARGIN_MM, FALL_OFF_MM, GRID_MM = 70.0, 54.0, 8.0, 22.0, 4.0


def plan_dose(mask: NDArray[np.uint8], grid: Geometry, pose: Pose, *, stage: int) -> Volume:
    """Dose in Gy on its own 4 mm grid over the CT's field: 70 Gy to the drawn tumour + 8 mm, 54 Gy to levels
    II-IV of both sides (IV spared in T1), falling by about 4 % per mm outside (phantom.md 4.1)."""
    from scipy.ndimage import distance_transform_edt, map_coordinates

    coarse = grid.with_spacing(np.maximum(GRID_MM, grid.spacing_mm))
    chain = [LEVELS[level] for level in ("II", "III", "IV")[: 2 if stage == 1 else 3]]
    paths = [[(side * x, y, z, 14.0) for x, y, z in chain] for side in (1.0, -1.0)]
    neck = Solid(tube(*paths), "elective")
    values = {"elective": TissueValues(0, 1.0, 0, 0, 0.1, 0)}
    elective = render([neck], coarse, pose, tissues=values, what="suv").values > 0.5
    index = np.stack(np.meshgrid(*(np.arange(n) for n in coarse.shape), indexing="ij")).reshape(3, -1).T
    at = grid.to_index(coarse.to_world(index)).T
    tumour = map_coordinates((mask > 0).astype(np.float32), at, order=1, mode="nearest").reshape(coarse.shape) > 0.3
    dose = np.zeros(coarse.shape, np.float32)
    for region, prescribed, margin in ((tumour, FULL_GY, MARGIN_MM), (elective, ELECTIVE_GY, 2.0)):
        if region.any():
            away = distance_transform_edt(~region, sampling=coarse.spacing_mm) - margin
            dose = np.maximum(dose, prescribed * np.exp(-np.clip(away, 0, None) / FALL_OFF_MM)).astype(np.float32)
    return Volume(np.round(dose, 2), coarse.affine, Unit.GY)
