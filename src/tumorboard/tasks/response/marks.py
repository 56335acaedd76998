"""What is known of a lesion at one exam: axes, volume and place, from its row or from its mask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import LONG_AXIS_MM, MASK_LABEL, SHORT_AXIS_MM, VOLUME_ML
from tumorboard.core.volume import Volume
from tumorboard.metrics.recist import Axes, mask_axes
from tumorboard.ops.components import connected_parts

__all__ = ["Mark", "MaskPart", "measure_parts", "read_marks"]


@dataclass(frozen=True, eq=False)
class Mark:
    """One finding. Axes and volume are None where neither row nor mask gives them; `facts`: its attributes."""

    finding_id: str
    image_id: str
    label: str
    long_axis_mm: float | None
    short_axis_mm: float | None
    volume_ml: float | None
    centre_mm: NDArray[np.float64] | None
    measured_by: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    axes: Axes | None = None
    """With their ends, of a mark that was measured in its mask."""


@dataclass(frozen=True)
class MaskPart:
    """Voxels of one `value` of a mask image: all of them (component 0), its 26-connected part of that number, or those
    in a box (RAS mm), where findings of one value are told apart by their boxes alone."""

    image_id: str
    value: int
    component: int = 0
    box_mm: Sequence[float] | None = None


def read_marks(cohort: Cohort, finding_ids: Iterable[str], *, masks: bool) -> dict[str, Mark]:
    """Finding -> what it measures. Axes are those stated, else between the marked ends, else of the mask; with `masks`
    those of the mask wherever a finding has one (its own image, or `mask_image_id` and `value` in its attributes).
    A mask is read once for all its lesions."""
    wanted = set(finding_ids)
    rows = [row for row in cohort.rows("findings") if row["finding_id"] in wanted]
    stated = {row["finding_id"]: _stated(row) for row in rows}
    places = {row["finding_id"]: _mask_part(row) for row in rows}
    by_image: dict[str, list[str]] = {}
    for finding, mark in stated.items():
        if (place := places[finding]) is not None and (masks or mark.long_axis_mm is None):
            by_image.setdefault(place.image_id, []).append(finding)
    for image_id in sorted(by_image):
        asked = sorted(by_image[image_id])
        found = measure_parts(cohort.image(image_id), [place for one in asked if (place := places[one]) is not None])
        for finding, measured in zip(asked, found, strict=True):
            if measured is not None:
                stated[finding] = _from_mask(stated[finding], *measured)
    return stated


def measure_parts(mask: Volume, wanted: Iterable[MaskPart]) -> list[tuple[Axes, float] | None]:
    """Axes and volume (ml) of parts of a mask; None where there is no such voxel. The mask is searched once, and only
    the boxes of its values are looked at."""
    from scipy import ndimage

    array = mask.array if mask.array.dtype.kind in "iu" else np.rint(mask.array).astype(np.int32)
    boxes = ndimage.find_objects(array)
    found: list[tuple[Axes, float] | None] = []
    for part in wanted:
        box = boxes[part.value - 1] if 0 < part.value <= len(boxes) else None
        if box is None:
            found.append(None)
            continue
        inside = np.ascontiguousarray(array[box] == part.value)
        grid = mask.geometry.crop([s.start for s in box], [s.stop for s in box])
        if part.component:
            inside = connected_parts(inside)[0] == part.component
        elif part.box_mm is not None:
            inside &= _within(grid, part.box_mm)
        axes = mask_axes(inside, grid.affine)
        found.append(None if axes is None else (axes, float(inside.sum()) * mask.voxel_volume_ml))
    return found


def _within(grid: Geometry, box_mm: Sequence[float]) -> NDArray[np.bool_]:
    """Voxels whose centre lies in a box (low corner then high corner, RAS mm) or on its rim."""
    places = grid.to_world(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1))
    low, high = np.asarray(box_mm[:3]) - 1e-3, np.asarray(box_mm[3:]) + 1e-3
    inside: NDArray[np.bool_] = np.logical_and(places >= low, places <= high).all(axis=-1)
    return inside


def _stated(row: Mapping[str, Any]) -> Mark:
    facts = json.loads(row["attributes"]) if row["attributes"] else {}
    figures = row["measurements"] or {}
    long_mm, short_mm = figures.get(LONG_AXIS_MM), figures.get(SHORT_AXIS_MM)
    points = np.asarray(row["points_mm"] or [], float)
    measured_by = "stated"
    if long_mm is None and points.size == 12:
        ends = points.reshape(4, 3)
        long_mm = float(np.linalg.norm(ends[1] - ends[0]))
        short_mm = float(np.linalg.norm(ends[3] - ends[2]))
        measured_by = "ends of the axes"
    centre = points.reshape(-1, 3).mean(axis=0) if points.size and points.size % 3 == 0 else None
    if centre is None and row["box"] and len(row["box"]) == 6:
        centre = np.asarray(row["box"], float).reshape(2, 3).mean(axis=0)
    return Mark(
        row["finding_id"],
        row["image_id"],
        row["label"] or "lesion",
        long_mm,
        short_mm,
        figures.get(VOLUME_ML),
        centre,
        measured_by if long_mm is not None else "nothing",
        facts,
    )


def _mask_part(row: Mapping[str, Any]) -> MaskPart | None:
    """Where a finding's voxels are; None when it has no mask."""
    box = row["box"] if row["box"] and len(row["box"]) == 6 else None
    if row["kind"] == MASK_LABEL and row["value"] is not None:
        whole = row["component"] is not None
        return MaskPart(row["image_id"], int(row["value"]), int(row["component"] or 0), None if whole else box)
    facts = json.loads(row["attributes"]) if row["attributes"] else {}
    if facts.get("mask_image_id") and facts.get("value") is not None:
        return MaskPart(str(facts["mask_image_id"]), int(facts["value"]))
    return None


def _from_mask(mark: Mark, axes: Axes, volume_ml: float) -> Mark:
    centre = np.concatenate([axes.long_ends_mm, axes.short_ends_mm]).mean(axis=0)
    return Mark(
        mark.finding_id,
        mark.image_id,
        mark.label,
        axes.long_mm,
        axes.short_mm,
        volume_ml,
        centre,
        "mask",
        mark.facts,
        axes,
    )
