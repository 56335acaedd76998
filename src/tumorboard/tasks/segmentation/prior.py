"""A third channel beside CT and PET: where to look first. From a map of abnormal uptake, or from a control that any
such map has to beat.

Every channel has a fixed range, 0 to 1, that nothing in the image changes:

``smoothed-suv``   log(1 + SUV) / log(1 + 20), clipped, of the PET smoothed as the maps are (Gaussian of 3 mm SD)
``suv-2.5``        1 where SUV is above 2.5, else 0
``anomaly``        log(1 + z) / log(1 + 20), clipped, of the map's z-score; what is colder than expected is 0
``other-patient``  the same of another patient's map, laid box upon box over this exam

The first two are made of the working grid's PET, so they see what the network sees. The last two are images of the
cohort (`tasks.segmentation.prior_maps` says which).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to

__all__ = ["FROM_MAPS", "PRIORS", "PriorName", "prior_channel"]

PriorName = Literal["none", "smoothed-suv", "suv-2.5", "other-patient", "anomaly"]
PRIORS: tuple[PriorName, ...] = get_args(PriorName)
FROM_MAPS: tuple[PriorName, ...] = ("other-patient", "anomaly")
"""Those that need images of a run of `anomaly`."""

SMOOTH_MM = 3.0
_THRESHOLD_SUV = 2.5
_HIGHEST = 20.0
"""SUV, and z-score, that count as 1."""

Floats = NDArray[np.float32]


def prior_channel(name: PriorName, inputs: Floats, working: Geometry, *, prior_map: Volume | None) -> Floats:
    """The channel (i, j, k) of a prepared exam, 0 to 1.

    `inputs` (2 or more, i, j, k): CT and PET as the network sees them, on the grid `working`; `prior_map`: z-scores on
    any grid. Zeros for a map that is not there. UNT101 for a map in another unit, OPS101 for a patient's own map that
    does not meet the exam.
    """
    if name == "smoothed-suv":
        from scipy.ndimage import gaussian_filter

        suv = gaussian_filter(np.expm1(inputs[1]), SMOOTH_MM / working.spacing_mm, truncate=3.0)
        return _scaled(suv)
    if name == "suv-2.5":
        above: Floats = (inputs[1] > np.float32(np.log1p(_THRESHOLD_SUV))).astype(np.float32)
        return above
    if prior_map is None:
        return np.zeros(working.shape, np.float32)
    z = prior_map.require(Unit.ZSCORE, where="prior map").astype(np.float32)
    laid = _laid_over(z, working) if name == "other-patient" else z
    return _scaled(resample_to(laid, working, method="linear", fill=0.0, anti_alias=True).array)


def _scaled(values: NDArray[np.floating]) -> Floats:
    share = np.log1p(np.maximum(values, 0.0)) / np.log1p(_HIGHEST)
    clipped: Floats = np.minimum(share, 1.0).astype(np.float32)
    return clipped


def _laid_over(volume: Volume, working: Geometry) -> Volume:
    """`volume` stretched so that its box, turned to the same side, is the box of `working`."""
    turned = volume.reorient("RAS")
    box = working.with_spacing(working.extent_mm / np.asarray(turned.shape))
    return Volume(turned.array, box.affine, turned.unit)
