"""What a mask measures: volume, uptake and axes of each lesion, as rows of `findings`: the one place that does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.core.lesion import LONG_AXIS_MM, SHORT_AXIS_MM
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.radiomics.peak import peaks_near
from tumorboard.metrics.radiomics.shape import surface_area_mm2, surface_points
from tumorboard.metrics.recist import Axes, mask_axes
from tumorboard.ops.components import connected_parts
from tumorboard.tasks.features.spread import GAP_MM, gaps_mm, largest_distance_mm

__all__ = ["INTERPOLATED", "NO_UPTAKE", "measure_mask"]

INTERPOLATED, NO_UPTAKE = "interpolated", "no PET voxel inside"
"""What a row's attribute ``uptake`` says of a lesion without a PET voxel centre inside: read between the voxels, or
not covered by the PET at all."""


def measure_mask(
    mask: Volume,
    pet: Volume | None,
    *,
    labels: Mapping[int, str],
    image_id: str,
    run_id: str,
    components: bool = True,
    smallest_ml: float = 0.0,
    axes: bool = False,
    surface: bool = False,
    certainty: Volume | None = None,
) -> list[dict[str, Any]]:
    """One row for each label (component 0) and, with `components`, one per connected lesion of it (26 neighbours) of at
    least `smallest_ml`; smaller ones count in the label's row only.

    Measurements: volume_ml and, with a `pet` (SUVbw, any grid), mtv_ml (the contour's volume), suv_max, suv_mean,
    suv_peak (highest mean of a 1 ml sphere centred in the lesion) and tlg_ml (suv_mean x mtv_ml). SUV is read from the
    PET's own voxels whose centre lies in the lesion, since interpolation lowers the maximum; a lesion that holds none
    is read between them, without a peak, and its row says so in `attributes`. A label without voxels gives no row.

    With `axes`: long_axis_mm and short_axis_mm too (RECIST 1.1; `metrics.recist.mask_axes`), their four ends as the
    attribute `axes_points_mm` and `slice_tilt_degrees` where the slices are oblique. A label's row has the axes of that
    of its components with the longest.

    With `surface`: surface_mm2 (marching cubes) of everything, gap_mm of each lesion to the nearest other one of the
    mask, and of each label largest_distance_mm between its lesions' centroids. With `certainty` (probabilities on the
    mask's grid, or on a part of it with all labels) its mean over a row's voxels as the row's `score`.
    """
    mask.require(Unit.LABEL, where=f"mask {image_id}")
    if pet is not None:
        pet.require(Unit.SUVBW, where=f"PET of {image_id}")
    rows: list[dict[str, Any]] = []
    surfaces: dict[int, NDArray[np.float64]] = {}
    for value, name in labels.items():
        part = _box_of(mask, value)
        if part is None:
            continue
        sure = None if certainty is None else _cut_to(certainty, part)
        first = len(rows)
        inside = np.ascontiguousarray(part.array == value)
        parts, count = connected_parts(inside) if components else (None, 0)
        shapes = _Shapes(inside, parts, count, part)
        uptake = None if pet is None else _Uptake(inside, parts, count, part, pet)
        for component in range(count + 1):
            if component and shapes.volume_ml(component) < smallest_ml:
                continue
            figures = {"volume_ml": shapes.volume_ml(component)}
            figures |= {} if uptake is None else uptake.figures(component, figures["volume_ml"])
            note = None if uptake is None else uptake.note(component)
            facts: dict[str, Any] = {} if note is None else {"uptake": note}
            if axes and (found := shapes.axes(component)) is not None:
                figures |= {LONG_AXIS_MM: found.long_mm, SHORT_AXIS_MM: found.short_mm}
                tilt = {"slice_tilt_degrees": round(found.tilt_degrees, 2)} if found.tilt_degrees > 0.005 else {}
                facts |= {"axes_points_mm": [round(x, 4) for x in found.points_mm()], **tilt}
            if surface:
                points = shapes.surface(component)
                figures["surface_mm2"] = points.area_mm2
                if component:
                    surfaces[len(rows)] = points.points_mm
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
                    "score": None if sure is None else shapes.mean_of(sure, component),
                    "measurements": figures,
                    "attributes": json.dumps(facts) if facts else None,
                }
            )
        mine = [row["points_mm"] for row in rows[first:] if row["component"]]
        if surface and (widest := largest_distance_mm(np.array(mine))) is not None:
            rows[first]["measurements"]["largest_distance_mm"] = widest
    for index, gap in zip(surfaces, gaps_mm(list(surfaces.values())), strict=True):
        rows[index]["measurements"] |= {} if gap is None else {GAP_MM: gap}
    return rows


def _cut_to(volume: Volume, part: Volume) -> NDArray[Any]:
    """The voxels of `volume` (on the mask's grid, or a part of it) in the box `part` of the mask."""
    low = np.rint(volume.geometry.to_index(part.geometry.to_world((0, 0, 0)))).astype(int)
    return volume.array[tuple(slice(a, a + n) for a, n in zip(low, part.shape, strict=True))]


@dataclass(frozen=True, eq=False)
class _Surface:
    """Area, and points (n, 3) in RAS, in mm; no points for a whole label."""

    area_mm2: float
    points_mm: NDArray[np.float64]


def _box_of(mask: Volume, value: int) -> Volume | None:
    """The smallest box of the mask with every voxel of one value; None when there is none."""
    inside = mask.array == value
    low, high = [], []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(hit):
            return None
        low.append(int(hit[0]))
        high.append(int(hit[-1]) + 1)
    return mask.crop(low, high)


class _Shapes:
    """Volume, centroid and box of all components in one pass over the voxels of a label; 0 stands for all of it."""

    def __init__(self, inside: NDArray[np.bool_], parts: NDArray[Any] | None, count: int, mask: Volume) -> None:
        self._grid, self._inside, self._parts = mask.geometry, inside, parts
        places = np.argwhere(inside)
        part = np.zeros(len(places), np.int64) if parts is None else parts[inside].astype(np.int64)
        counts, sums = _grouped(part, places, count)
        low = np.full((count + 1, 3), np.iinfo(np.int64).max)
        high = np.full((count + 1, 3), -1)
        np.minimum.at(low, part, places)
        np.maximum.at(high, part, places)
        low[0], high[0] = places.min(axis=0), places.max(axis=0)
        self._counts, self._middle, self._low, self._high = counts, sums / counts[:, None], low, high
        self._axes: dict[int, Axes | None] = {}

    def volume_ml(self, component: int) -> float:
        return float(self._counts[component]) * self._grid.voxel_volume_ml

    def centroid_mm(self, component: int) -> list[float]:
        return self._grid.to_world(self._middle[component]).tolist()  # type: ignore[no-any-return]

    def box_mm(self, component: int) -> list[float]:
        """World-aligned box round the voxels' edges."""
        corners = np.stack([self._low[component] - 0.5, self._high[component] + 0.5])
        world = self._grid.to_world(np.stack(np.meshgrid(*corners.T, indexing="ij"), axis=-1).reshape(-1, 3))
        return [*world.min(axis=0).tolist(), *world.max(axis=0).tolist()]

    def surface(self, component: int) -> _Surface:
        """Of one component, or of all of the label (0)."""
        mine, low = self._alone(component)
        grid = self._grid.crop(low.tolist(), (low + mine.shape).tolist())
        points = surface_points(mine, np.ones(3)) if component else np.zeros((0, 3))
        return _Surface(surface_area_mm2(mine, grid.spacing_mm), grid.to_world(points))

    def mean_of(self, values: NDArray[Any], component: int) -> float:
        """Mean of `values` (on the label's box) over a component's voxels."""
        mine, low = self._alone(component)
        box = tuple(slice(a, a + n) for a, n in zip(low, mine.shape, strict=True))
        return float(values[box][mine].mean())

    def _alone(self, component: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """A component in its own box, and the box's low corner."""
        low, high = self._low[component], self._high[component] + 1
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        whole = self._parts is None or component == 0
        return (self._inside[box] if whole else self._parts[box] == component), low  # type: ignore[index]

    def axes(self, component: int) -> Axes | None:
        """RECIST axes of one component; of 0 those of the component with the longest, of the mask where none is cut."""
        if component == 0 and self._parts is not None:
            found = [axes for n in range(1, len(self._counts)) if (axes := self.axes(n)) is not None]
            return max(found, key=lambda axes: axes.long_mm, default=None)
        if component not in self._axes:
            low, high = self._low[component], self._high[component] + 1
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            mine = self._inside[box] if self._parts is None else self._parts[box] == component
            self._axes[component] = mask_axes(mine, self._grid.crop(low.tolist(), high.tolist()).affine)
        return self._axes[component]


class _Uptake:
    """SUV figures of all components in one pass over the PET voxels in a label; 0 stands for all of it."""

    def __init__(
        self, inside: NDArray[np.bool_], parts: NDArray[Any] | None, count: int, mask: Volume, pet: Volume
    ) -> None:
        near = _box_near(pet, mask)
        self._counts = np.zeros(count + 1)
        self._sums = np.zeros(count + 1)
        self._max, self._peak = np.full(count + 1, -np.inf), np.full(count + 1, -np.inf)
        self._between = _Between.nothing(count)
        if near is None:
            return
        low, high = near
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        on_pet = _at_centres(inside.astype(np.uint8) if parts is None else parts, mask, pet.crop(low, high))
        chosen = np.zeros(pet.shape, bool)
        chosen[box] = on_pet > 0
        part = on_pet[on_pet > 0].astype(np.int64) if parts is not None else np.zeros(int(chosen.sum()), np.int64)
        suv = pet.array[chosen].astype(np.float64)
        peaks = peaks_near(pet.array, chosen, pet.affine[:3, :3])[chosen]
        self._counts, sums = _grouped(part, suv[:, None], count)
        self._sums = sums[:, 0]
        for highest, values in ((self._max, suv), (self._peak, peaks)):
            np.maximum.at(highest, part, values)
            highest[0] = values.max(initial=-np.inf)
        if not self._counts.all():
            self._between = _Between.of(inside, parts, self._counts, mask, pet)

    def figures(self, component: int, volume_ml: float) -> dict[str, float]:
        figures = {"mtv_ml": volume_ml}
        if not self._counts[component]:
            return figures | self._between.figures(component, volume_ml)
        mean = float(self._sums[component] / self._counts[component])
        return figures | {
            "suv_max": float(self._max[component]),
            "suv_mean": mean,
            "suv_peak": float(self._peak[component]),
            "tlg_ml": mean * volume_ml,
        }

    def note(self, component: int) -> str | None:
        """What is special about the component's uptake; None when it was read as usual."""
        if self._counts[component]:
            return None
        return INTERPOLATED if self._between.counts[component] else NO_UPTAKE


@dataclass(frozen=True, eq=False)
class _Between:
    """SUV interpolated at the mask's voxels of those components that hold no PET voxel centre, as far as the PET
    reaches: number of voxels, sum and highest value per component."""

    counts: NDArray[Any]
    sums: NDArray[Any]
    highest: NDArray[np.float64]

    @classmethod
    def nothing(cls, count: int) -> _Between:
        return cls(np.zeros(count + 1), np.zeros(count + 1), np.full(count + 1, -np.inf))

    @classmethod
    def of(
        cls, inside: NDArray[np.bool_], parts: NDArray[Any] | None, centres: NDArray[Any], mask: Volume, pet: Volume
    ) -> _Between:
        """`centres`: how many PET voxel centres lie in each component."""
        places = np.argwhere(inside)
        part = np.zeros(len(places), np.int64) if parts is None else parts[inside].astype(np.int64)
        chosen = centres[part] == 0
        places, part = places[chosen], part[chosen]
        index = pet.geometry.to_index(mask.geometry.to_world(places))
        reached = ((index >= -0.5) & (index <= np.asarray(pet.shape) - 0.5)).all(axis=1)
        suv = ndimage.map_coordinates(pet.array, index[reached].T, output=np.float64, order=1, mode="nearest")
        between = cls.nothing(len(centres) - 1)
        counts, sums = _grouped(part[reached], suv[:, None], len(centres) - 1)
        np.maximum.at(between.highest, part[reached], suv)
        between.highest[0] = suv.max(initial=-np.inf)
        return cls(counts, sums[:, 0], between.highest)

    def figures(self, component: int, volume_ml: float) -> dict[str, float]:
        """Without a peak, which needs the PET's own voxels; nothing where the PET does not reach."""
        if not self.counts[component]:
            return {}
        mean = float(self.sums[component] / self.counts[component])
        return {"suv_max": float(self.highest[component]), "suv_mean": mean, "tlg_ml": mean * volume_ml}


def _grouped(part: NDArray[np.int64], values: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number and sum of rows of `values` (n, c) for parts 1..count, and for all of them at 0."""
    counts = np.bincount(part, minlength=count + 1)
    sums = np.stack([np.bincount(part, weights=column, minlength=count + 1) for column in values.T], axis=1)
    counts[0], sums[0] = len(part), values.sum(axis=0)
    return counts, sums


def _box_near(pet: Volume, mask: Volume) -> tuple[list[int], list[int]] | None:
    """The box of PET voxels that the mask's grid may cover; None when the two do not meet."""
    corners = pet.geometry.to_index(mask.geometry.corners_mm())
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, pet.shape)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, pet.shape)
    return (low.tolist(), high.tolist()) if (high > low).all() else None


def _at_centres(parts: NDArray[Any], mask: Volume, pet: Volume) -> NDArray[Any]:
    """Component number of the mask at every PET voxel centre, 0 outside the mask's grid."""
    step = np.linalg.inv(mask.affine) @ pet.affine
    return ndimage.affine_transform(
        parts, step[:3, :3], step[:3, 3], output_shape=pet.shape, order=0, mode="grid-constant", cval=0
    )
