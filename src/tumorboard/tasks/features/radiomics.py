"""Radiomics of one structure in one image, along IBSI's steps: resample, round, re-segment, bin, count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.radiomics.intensity import bin_by_number, bin_by_size, histogram_features, intensity_features
from tumorboard.metrics.radiomics.peak import intensity_peaks
from tumorboard.metrics.radiomics.shape import shape_features
from tumorboard.metrics.radiomics.texture import texture_features
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.features import codes

__all__ = ["CT", "DEFAULTS", "DOSE", "PET", "Extraction", "radiomics"]


@dataclass(frozen=True)
class Extraction:
    """How features are made; part of their meaning, and recorded with them.

    `spacing_mm` of the cubic voxels (None: as stored); `bin_width` with `lowest` for bins of equal size, or `bins` for
    a fixed number; `keep` the values that count in intensities and texture (re-segmentation); `whole` rounds to whole
    numbers after interpolation, as CT is.
    """

    spacing_mm: float | None = 2.0
    bin_width: float | None = None
    lowest: float = 0.0
    bins: int | None = None
    keep: tuple[float, float] | None = None
    whole: bool = False

    def levels(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Grey levels of values."""
        if self.bin_width is not None:
            return bin_by_size(values, width=self.bin_width, lowest=self.lowest)
        return bin_by_number(values, bins=self.bins or 32)


CT = Extraction(2.0, bin_width=25.0, lowest=-200.0, keep=(-200.0, 300.0), whole=True)
"""Soft tissue of a contrast CT; bone, air and metal in a contour do not count."""
PET = Extraction(3.0, bin_width=0.5, lowest=0.0)
DOSE = Extraction(3.0, bin_width=2.0, lowest=0.0)
DEFAULTS = {Unit.HU: CT, Unit.SUVBW: PET, Unit.GY: DOSE}
"""By unit of the image; others are refused."""
_MARGIN_MM = 12.0
"""Round the mask, so that peaks and interpolation see beyond it."""


def radiomics(
    image: Volume, mask: Volume, *, value: int | None = None, extraction: Extraction | None = None, texture: bool = True
) -> dict[str, float]:
    """Features of where `mask` (any grid) is `value` (default: is not 0) in `image`, with the prefixes ``shape_``,
    ``intensity_``, ``histogram_``, ``glcm_``, ``glrlm_`` and ``glszm_``.

    Both are taken to one grid of cubic voxels, aligned at the centre of the image as IBSI prescribes; a voxel belongs
    to the mask when half of it or more does. Errors: FEA102 for a mask that is empty there, UNT101 for a unit without
    a default extraction.
    """
    chosen = extraction or DEFAULTS.get(image.unit)
    if chosen is None:
        image.require(Unit.HU, where="radiomics")
        raise AssertionError("unreachable")
    inside = (mask.array != 0) if value is None else mask.array == value
    if not inside.any():
        raise TumorboardError(codes.NOTHING_TO_MEASURE, "radiomics", found="an empty mask", expected="a voxel at least")
    grid = _near(_grid(image.geometry, chosen.spacing_mm), mask.geometry, inside)
    share = resample_to(
        Volume(inside.astype(np.float32), mask.affine, Unit.PROBABILITY), grid, method="linear", allow_empty=True
    ).array
    body = share >= 0.5 - 1e-6
    if not body.any():
        raise TumorboardError(
            codes.NOTHING_TO_MEASURE,
            "radiomics",
            found=f"a mask smaller than half a voxel of {chosen.spacing_mm} mm",
            expected="a structure that the grid can show",
        )
    values = resample_to(image, grid, method="linear", fill=float(image.array.min())).array.astype(np.float64)
    if chosen.whole:
        values = np.rint(values)
    return _features(values, body, grid, chosen, texture=texture)


def _features(
    values: NDArray[np.float64], body: NDArray[np.bool_], grid: Geometry, chosen: Extraction, *, texture: bool
) -> dict[str, float]:
    found = {f"shape_{name}": number for name, number in shape_features(body, grid.spacing_mm).items()}
    counted = body
    if chosen.keep is not None:
        counted = body & (values >= chosen.keep[0]) & (values <= chosen.keep[1])
    if not counted.any():
        return found  # nothing but air, bone or metal: shape is all there is
    found |= {f"intensity_{name}": number for name, number in intensity_features(values[counted]).items()}
    steps = grid.affine[:3, :3]
    found |= {f"intensity_{name}": number for name, number in intensity_peaks(values, counted, steps).items()}
    grey = np.zeros(body.shape, np.int32)
    grey[counted] = chosen.levels(values[counted])
    found |= {f"histogram_{name}": number for name, number in histogram_features(grey[counted]).items()}
    if texture:
        found |= texture_features(grey)
    return found


def _grid(native: Geometry, spacing_mm: float | None) -> Geometry:
    """Cubic voxels about the centre of the image, as many as cover it."""
    if spacing_mm is None:
        return native
    count = np.ceil(native.extent_mm / spacing_mm - 1e-6).astype(int)
    affine = native.affine.copy()
    affine[:3, :3] = native.direction * spacing_mm
    middle = native.to_world((np.asarray(native.shape) - 1) / 2)
    affine[:3, 3] = middle - affine[:3, :3] @ ((count - 1) / 2)
    return Geometry((int(count[0]), int(count[1]), int(count[2])), affine)


def _near(grid: Geometry, masked: Geometry, inside: NDArray[np.bool_]) -> Geometry:
    """The part of `grid` round the mask, with a margin: features cost by its size, not by the scan's."""
    places = np.argwhere(inside)
    corners = np.stack([places.min(axis=0) - 0.5, places.max(axis=0) + 0.5])
    world = masked.to_world(np.stack(np.meshgrid(*corners.T, indexing="ij"), axis=-1).reshape(-1, 3))
    index = grid.to_index(world)
    margin = np.ceil(_MARGIN_MM / grid.spacing_mm)
    low = np.floor(index.min(axis=0) - margin).astype(int)
    high = np.ceil(index.max(axis=0) + margin).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, grid.shape)
    if (high <= low).any():
        raise TumorboardError(
            codes.NOTHING_TO_MEASURE, "radiomics", found="a mask outside the image", expected="a mask inside it"
        )
    return grid.crop(low.tolist(), high.tolist())
