"""Slices for a Slice-Depth Transformer: one box of a patient's CT (and PET) on a fixed grid, by a stated crop rule.

``lesion``: a box of fixed size round the largest drawn lesion, or the most active uptake (`features.crops`); ``lung``:
the box of both lungs, found as the air inside the body, stretched to the grid; ``whole``: all of the CT, for files that
are crops already. Without a place to crop the image counts as missing, never as something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.volume import Volume
from tumorboard.ops.components import connected_parts
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.features import codes
from tumorboard.tasks.features.crops import crop_centre
from tumorboard.tasks.features.modalities import BaselineImages, baseline_images

__all__ = ["SLAB_CHANNELS", "SlabSettings", "Slabs", "lung_box", "slab_of", "slabs_of"]

SLAB_CHANNELS = ("CT", "PET")
_AIR_HU, _LARGEST_SUV = -500.0, 30.0
_LUNG_ML, _MARGIN_MM = 300.0, 5.0


@dataclass(frozen=True)
class SlabSettings:
    """The crop rule, the grid (slices, rows, columns) and, of the rule ``lesion``, its spacing in mm."""

    rule: Literal["lesion", "lung", "whole"] = "lesion"
    shape: tuple[int, int, int] = (24, 96, 96)
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5)


@dataclass(frozen=True)
class Slabs:
    """`values` float16 (n, channels, slices, rows, columns): CT from -1000 to 400 HU as 0 to 1, PET as log(1 + SUV) /
    2; slices from the feet up, rows to the front, columns to the left. `has` (n, channels); `inside` (n, slices):
    whether a slice lies in the image, the others are padding."""

    values: NDArray[np.float16]
    has: NDArray[np.bool_]
    inside: NDArray[np.bool_]


_KEPT: WeakKeyDictionary[Cohort, dict[SlabSettings, dict[str, Any]]] = WeakKeyDictionary()
"""Slabs of cohorts in memory (0.4 MB a channel and patient); gone with their cohort."""


def slabs_of(cohort: Cohort, patient_ids: Sequence[str], settings: SlabSettings, *, masks: str = EXPERT) -> Slabs:
    """The slabs of patients, in their order; each image is read once as long as the cohort lives."""
    known = _KEPT.setdefault(cohort, {}).setdefault(settings, {})
    new = [patient for patient in dict.fromkeys(patient_ids) if patient not in known]
    for images in baseline_images(cohort, masks=masks, patient_ids=new) if new else ():
        known[images.patient_id] = slab_of(images, settings)
    n, channels = len(patient_ids), len(SLAB_CHANNELS)
    values = np.zeros((n, channels, *settings.shape), np.float16)
    has, inside = np.zeros((n, channels), bool), np.zeros((n, settings.shape[0]), bool)
    for place, patient in enumerate(patient_ids):
        values[place], has[place], inside[place] = known[patient]
    return Slabs(values, has, inside)


def slab_of(
    images: BaselineImages, settings: SlabSettings
) -> tuple[NDArray[np.float16], NDArray[np.bool_], NDArray[np.bool_]]:
    """One patient: values, which channels are there, which slices lie in the image."""
    values = np.zeros((len(SLAB_CHANNELS), *settings.shape), np.float16)
    has, inside = np.zeros(len(SLAB_CHANNELS), bool), np.zeros(settings.shape[0], bool)
    volumes = {name: images.load(name) for name in (*SLAB_CHANNELS, "mask") if images.has(name)}
    shown = next((volumes[name] for name in SLAB_CHANNELS if name in volumes), None)
    if shown is None:
        return values, has, inside
    try:
        grid = _grid(volumes, shown, settings, where=images.patient_id)
    except TumorboardError as error:
        if error.code is not codes.CROP_LOST:
            raise
        return values, has, inside
    for place, name in enumerate(SLAB_CHANNELS):
        if name in volumes:
            found = resample_to(volumes[name], grid, method="linear", anti_alias=True, allow_empty=True).array
            values[place] = _scaled(name, found).transpose(2, 1, 0)
            has[place] = True
    low, high = shown.geometry.bounds_mm()
    heights = grid.origin_mm[2] + np.arange(settings.shape[0]) * grid.spacing_mm[2]
    half = 0.5 * grid.spacing_mm[2]
    inside[:] = (heights >= low[2] - half) & (heights <= high[2] + half)
    return values, has, inside


def lung_box(ct: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Corners (RAS mm) of the box of both lungs: the air that no side or top of the image touches in plane, parts of
    300 ml or more. None where there is none."""
    air = np.asarray(ct.array < _AIR_HU)
    parts, _ = connected_parts(air, connectivity=6)
    rim = np.ones(air.shape, bool)
    axes = [axis for axis in range(3) if axis != int(np.argmax(np.abs(ct.geometry.direction[2])))]
    for axis in axes:
        rim &= ~_ends(air.shape, axis)
    outer = np.unique(parts[~rim])
    sizes = np.bincount(parts.ravel()) * ct.voxel_volume_ml
    kept = [label for label in np.flatnonzero(sizes >= _LUNG_ML) if label and label not in outer]
    if not kept:
        return None
    where = ct.geometry.to_world(np.argwhere(np.isin(parts, kept)))
    return where.min(axis=0) - _MARGIN_MM, where.max(axis=0) + _MARGIN_MM


def _ends(shape: tuple[int, ...], axis: int) -> NDArray[np.bool_]:
    found = np.zeros(shape, bool)
    for end in (0, -1):
        place: list[Any] = [slice(None)] * 3
        place[axis] = end
        found[tuple(place)] = True
    return found


def _grid(volumes: Mapping[str, Volume], shown: Volume, settings: SlabSettings, *, where: str) -> Geometry:
    """Axis-aligned grid (x, y, z) of the slab."""
    shape = (settings.shape[2], settings.shape[1], settings.shape[0])
    if settings.rule == "lesion":
        spacing = np.array(settings.spacing_mm[::-1])
        centre = crop_centre(volumes, where=where)
    else:
        bounds = shown.geometry.bounds_mm() if settings.rule == "whole" else lung_box(shown)
        if bounds is None:
            raise TumorboardError(codes.CROP_LOST, where, found="no lungs in the CT", expected="air inside the body")
        low, high = bounds
        centre, spacing = (low + high) / 2, (high - low) / np.array(shape)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = centre - spacing * (np.array(shape) - 1) / 2
    return Geometry(shape, affine)


def _scaled(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if name == "PET":
        return np.asarray(np.log1p(np.clip(array, 0, _LARGEST_SUV)) / 2, np.float32)
    return np.asarray(np.clip((array + 1000.0) / 1400.0, 0, 1), np.float32)
