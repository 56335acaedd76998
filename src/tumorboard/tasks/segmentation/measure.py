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
    mask: Volume, pet: Volume | None, *, labels: Mapping[int, str], image_id: str, run_id: str
) -> list[dict[str, Any]]:
    """One row per connected lesion (26 neighbours) of each label, and one for the whole label (component 0).

    Measurements: volume_ml and, with a `pet` (SUVbw, any grid), mtv_ml (the contour's volume), suv_max, suv_mean,
    suv_peak (highest mean of a 1 ml sphere centred in the lesion) and tlg_ml (suv_mean x mtv_ml). SUV is read from the
    PET's own voxels whose centre lies in the lesion; a lesion that holds none has no SUV figures, and its row says so
    in `attributes`. A label without voxels gives no row.
    """
    import cc3d

    suv = None if pet is None else pet.require(Unit.SUVBW, where=f"PET of {image_id}").array
    rows = []
    for value, name in labels.items():
        inside = np.ascontiguousarray(mask.array == value)
        if not inside.any():
            continue
        parts = cc3d.connected_components(inside, connectivity=26)
        on_pet = None if pet is None else _at_centres(parts, mask, pet)
        peaks = None if pet is None or on_pet is None else _peaks_near(pet, on_pet > 0)
        for component in range(int(parts.max()) + 1):
            voxels = inside if component == 0 else parts == component
            chosen = None if on_pet is None else (on_pet > 0 if component == 0 else on_pet == component)
            figures = {"volume_ml": float(voxels.sum()) * mask.voxel_volume_ml}
            figures |= {} if suv is None else _uptake(suv, peaks, chosen, figures["volume_ml"])
            low, high = _box_mm(voxels, mask)
            rows.append(
                {
                    "finding_id": f"{image_id}.{value}.{component}",
                    "image_id": image_id,
                    "run_id": run_id,
                    "kind": "mask label",
                    "label": name,
                    "value": int(value),
                    "component": component,
                    "points_mm": mask.geometry.to_world(np.argwhere(voxels).mean(axis=0)).tolist(),
                    "box": [*low, *high],
                    "measurements": figures,
                    "attributes": None if suv is None or "suv_max" in figures else '{"uptake": "no PET voxel inside"}',
                }
            )
    return rows


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


def _uptake(
    suv: NDArray[Any], peaks: NDArray[np.float32] | None, inside: NDArray[np.bool_] | None, volume_ml: float
) -> dict[str, float]:
    figures = {"mtv_ml": volume_ml}
    if inside is None or peaks is None or not inside.any():
        return figures
    mean = float(suv[inside].mean(dtype=np.float64))
    return figures | {
        "suv_max": float(suv[inside].max()),
        "suv_mean": mean,
        "suv_peak": float(peaks[inside].max()),
        "tlg_ml": mean * volume_ml,
    }


def _at_centres(parts: NDArray[Any], mask: Volume, pet: Volume) -> NDArray[Any]:
    """Component number of the mask at every PET voxel centre, 0 outside the mask's grid."""
    step = np.linalg.inv(mask.affine) @ pet.affine
    return ndimage.affine_transform(
        parts, step[:3, :3], step[:3, 3], output_shape=pet.shape, order=0, mode="grid-constant", cval=0
    )


def _box_mm(voxels: NDArray[np.bool_], mask: Volume) -> tuple[list[float], list[float]]:
    places = np.argwhere(voxels)
    corners = np.stack([places.min(axis=0) - 0.5, places.max(axis=0) + 0.5])
    grid = np.stack(np.meshgrid(*corners.T, indexing="ij"), axis=-1).reshape(-1, 3)
    world = mask.geometry.to_world(grid)
    return world.min(axis=0).tolist(), world.max(axis=0).tolist()
