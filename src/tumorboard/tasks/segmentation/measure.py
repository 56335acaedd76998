"""What a mask measures: volume and uptake of each lesion, as rows of `findings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

__all__ = ["measure_mask", "suv_peaks"]

_PEAK_RADIUS_MM = (3 * 1000 / (4 * np.pi)) ** (1 / 3)
"""Of the 1 ml sphere of PERCIST (Wahl et al., J Nucl Med 2009; 50 Suppl 1:122S)."""


def measure_mask(
    mask: Volume,
    pet: Volume | None,
    *,
    labels: Mapping[int, str],
    image_id: str,
    run_id: str,
    components: bool = True,
    smallest_ml: float = 0.0,
) -> list[dict[str, Any]]:
    """One row for each label (component 0) and, with `components`, one per connected lesion of it (26 neighbours) of at
    least `smallest_ml`; smaller ones count in the label's row only.

    Measurements: volume_ml and, with a `pet` (SUVbw, any grid), mtv_ml (the contour's volume), suv_max, suv_mean,
    suv_peak (highest mean of a 1 ml sphere centred in the lesion) and tlg_ml (suv_mean x mtv_ml). SUV is read from the
    PET's own voxels whose centre lies in the lesion; a lesion that holds none has no SUV figures, and its row says so
    in `attributes`. A label without voxels gives no row.
    """
    import cc3d

    if pet is not None:
        pet.require(Unit.SUVBW, where=f"PET of {image_id}")
    rows = []
    for value, name in labels.items():
        inside = np.ascontiguousarray(mask.array == value)
        if not inside.any():
            continue
        parts, count = cc3d.connected_components(inside, connectivity=26, return_N=True) if components else (None, 0)
        shapes = _Shapes(inside, parts, int(count), mask)
        uptake = None if pet is None else _Uptake(inside, parts, int(count), mask, pet)
        for component in range(int(count) + 1):
            if component and shapes.volume_ml(component) < smallest_ml:
                continue
            figures = {"volume_ml": shapes.volume_ml(component)}
            figures |= {} if uptake is None else uptake.figures(component, figures["volume_ml"])
            cold = uptake is not None and "suv_max" not in figures
            rows.append(
                {
                    "finding_id": f"{image_id}.{value}.{component}",
                    "image_id": image_id,
                    "run_id": run_id,
                    "kind": "mask label",
                    "label": name,
                    "value": int(value),
                    "component": component,
                    "points_mm": shapes.centroid_mm(component),
                    "box": shapes.box_mm(component),
                    "measurements": figures,
                    "attributes": '{"uptake": "no PET voxel inside"}' if cold else None,
                }
            )
    return rows


class _Shapes:
    """Volume, centroid and box of all components in one pass over the voxels of a label; 0 stands for all of it."""

    def __init__(self, inside: NDArray[np.bool_], parts: NDArray[Any] | None, count: int, mask: Volume) -> None:
        self._grid = mask.geometry
        places = np.argwhere(inside)
        part = np.zeros(len(places), np.int64) if parts is None else parts[inside].astype(np.int64)
        counts, sums = _grouped(part, places, count)
        low = np.full((count + 1, 3), np.iinfo(np.int64).max)
        high = np.full((count + 1, 3), -1)
        np.minimum.at(low, part, places)
        np.maximum.at(high, part, places)
        low[0], high[0] = places.min(axis=0), places.max(axis=0)
        self._counts, self._middle, self._low, self._high = counts, sums / counts[:, None], low, high

    def volume_ml(self, component: int) -> float:
        return float(self._counts[component]) * self._grid.voxel_volume_ml

    def centroid_mm(self, component: int) -> list[float]:
        return self._grid.to_world(self._middle[component]).tolist()  # type: ignore[no-any-return]

    def box_mm(self, component: int) -> list[float]:
        """World-aligned box round the voxels' edges."""
        corners = np.stack([self._low[component] - 0.5, self._high[component] + 0.5])
        world = self._grid.to_world(np.stack(np.meshgrid(*corners.T, indexing="ij"), axis=-1).reshape(-1, 3))
        return [*world.min(axis=0).tolist(), *world.max(axis=0).tolist()]


class _Uptake:
    """SUV figures of all components in one pass over the PET voxels in a label; 0 stands for all of it."""

    def __init__(
        self, inside: NDArray[np.bool_], parts: NDArray[Any] | None, count: int, mask: Volume, pet: Volume
    ) -> None:
        on_pet = _at_centres(inside.astype(np.uint8) if parts is None else parts, mask, pet)
        chosen = on_pet > 0
        part = on_pet[chosen].astype(np.int64) if parts is not None else np.zeros(int(chosen.sum()), np.int64)
        suv, peaks = pet.array[chosen].astype(np.float64), _peaks_near(pet, chosen)[chosen]
        self._counts, sums = _grouped(part, suv[:, None], count)
        self._sums = sums[:, 0]
        self._max, self._peak = np.full(count + 1, -np.inf), np.full(count + 1, -np.inf)
        for highest, values in ((self._max, suv), (self._peak, peaks)):
            np.maximum.at(highest, part, values)
            highest[0] = values.max(initial=-np.inf)

    def figures(self, component: int, volume_ml: float) -> dict[str, float]:
        figures = {"mtv_ml": volume_ml}
        if not self._counts[component]:
            return figures
        mean = float(self._sums[component] / self._counts[component])
        return figures | {
            "suv_max": float(self._max[component]),
            "suv_mean": mean,
            "suv_peak": float(self._peak[component]),
            "tlg_ml": mean * volume_ml,
        }


def _grouped(part: NDArray[np.int64], values: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number and sum of rows of `values` (n, c) for parts 1..count, and for all of them at 0."""
    counts = np.bincount(part, minlength=count + 1)
    sums = np.stack([np.bincount(part, weights=column, minlength=count + 1) for column in values.T], axis=1)
    counts[0], sums[0] = len(part), values.sum(axis=0)
    return counts, sums


def suv_peaks(pet: Volume) -> NDArray[np.float32]:
    """Mean SUV of the 1 ml sphere round every voxel; voxels whose centre lies in the sphere count equally."""
    reach = _peak_reach(pet)
    offsets = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)
    sphere = np.linalg.norm(offsets @ pet.affine[:3, :3].T, axis=-1) <= _PEAK_RADIUS_MM
    sums = ndimage.convolve(pet.array.astype(np.float64), sphere.astype(float), mode="constant")
    counts = ndimage.convolve(np.ones(pet.shape), sphere.astype(float), mode="constant")
    return (sums / counts).astype(np.float32)


def _peak_reach(pet: Volume) -> NDArray[np.int64]:
    """Voxels along each axis that the sphere may reach, obliqueness included."""
    inverse = np.linalg.inv(pet.affine[:3, :3])
    return np.ceil(_PEAK_RADIUS_MM * np.linalg.norm(inverse, axis=1)).astype(np.int64)


def _peaks_near(pet: Volume, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """`suv_peaks` at the voxels `inside`, 0 elsewhere: only their neighbourhood is computed."""
    peaks = np.zeros(pet.shape, np.float32)
    if inside.any():
        places, reach = np.argwhere(inside), _peak_reach(pet)
        low = np.maximum(places.min(axis=0) - reach, 0)
        high = np.minimum(places.max(axis=0) + reach + 1, pet.shape)
        peaks[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = suv_peaks(pet.crop(low, high))
        peaks[~inside] = 0
    return peaks


def _at_centres(parts: NDArray[Any], mask: Volume, pet: Volume) -> NDArray[Any]:
    """Component number of the mask at every PET voxel centre, 0 outside the mask's grid."""
    step = np.linalg.inv(mask.affine) @ pet.affine
    return ndimage.affine_transform(
        parts, step[:3, :3], step[:3, 3], output_shape=pet.shape, order=0, mode="grid-constant", cval=0
    )
