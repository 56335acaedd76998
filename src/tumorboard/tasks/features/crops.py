"""What a network sees of a patient: one box round the tumour, every modality on one grid, and which are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.components import connected_parts
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.features import codes
from tumorboard.tasks.features.modalities import BaselineImages, baseline_images

__all__ = ["CHANNELS", "CropSettings", "Crops", "crop_centre", "crop_of", "crops_of"]

CHANNELS = ("PET", "CT", "dose", "mask")
_UPTAKE_SUV, _BRAIN_ML, _SPECK_ML = 4.0, 250.0, 0.5


@dataclass(frozen=True)
class CropSettings:
    """`edge_mm` of the cube round the tumour and `spacing_mm` of its voxels; part of a model."""

    edge_mm: float = 84.0
    spacing_mm: float = 3.5

    @property
    def voxels(self) -> int:
        return round(self.edge_mm / self.spacing_mm)


@dataclass(frozen=True)
class Crops:
    """`values` float16 (n, channels, i, j, k), 0 where a channel is missing; `has` (n, channels)."""

    values: NDArray[np.float16]
    has: NDArray[np.bool_]


_KEPT: WeakKeyDictionary[Cohort, dict[tuple[str, CropSettings], dict[str, Any]]] = WeakKeyDictionary()
"""Crops of cohorts in memory (some 0.1 MB a patient); gone with their cohort."""


def crops_of(cohort: Cohort, patient_ids: Sequence[str], *, masks: str, settings: CropSettings) -> Crops:
    """The crops of patients, in their order; each image is read once as long as the cohort lives."""
    known = _KEPT.setdefault(cohort, {}).setdefault((masks, settings), {})
    new = [patient for patient in dict.fromkeys(patient_ids) if patient not in known]
    for images in baseline_images(cohort, masks=masks, patient_ids=new) if new else ():
        known[images.patient_id] = crop_of(images, settings)
    n = settings.voxels
    values = np.zeros((len(patient_ids), len(CHANNELS), n, n, n), np.float16)
    for place, patient in enumerate(patient_ids):
        values[place] = known[patient][0]
    return Crops(values, np.array([known[patient][1] for patient in patient_ids], bool).reshape(-1, len(CHANNELS)))


def crop_of(images: BaselineImages, settings: CropSettings) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """One patient: values (channels, i, j, k) and which channels are there. Without a place to crop nothing is.

    PET as log(1 + SUV), CT from -200 to 300 HU as 0 to 1, dose in units of 70 Gy, mask as the share of each voxel.
    """
    n = settings.voxels
    values, has = np.zeros((len(CHANNELS), n, n, n), np.float16), np.zeros(len(CHANNELS), bool)
    volumes = {name: images.load(name) for name in CHANNELS if images.has(name)}
    try:
        centre = crop_centre(volumes, where=images.patient_id)
    except TumorboardError as error:
        if error.code is not codes.CROP_LOST:
            raise
        return values, has
    grid = _cube(centre, settings)
    for place, name in enumerate(CHANNELS):
        if name in volumes:
            values[place] = _scaled(name, volumes[name], grid)
            has[place] = True
    return values, has


def crop_centre(volumes: Mapping[str, Volume], *, where: str) -> NDArray[np.float64]:
    """RAS mm of the middle of the largest drawn lesion; without a mask, of the most active uptake that is neither the
    brain (over 250 ml above SUV 4) nor a speck. FEA104 when neither shows a place."""
    mask = volumes.get("mask")
    if mask is not None and (mask.array > 0).any():
        parts, _ = connected_parts(mask.array > 0)
        largest = int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
        return mask.geometry.to_world(np.argwhere(parts == largest).mean(axis=0))
    pet = volumes.get("PET")
    if pet is not None:
        parts, _ = connected_parts(pet.array >= _UPTAKE_SUV)
        volumes_ml = np.bincount(parts.ravel()) * pet.voxel_volume_ml
        activity = np.bincount(parts.ravel(), weights=pet.array.ravel())
        activity[(volumes_ml > _BRAIN_ML) | (volumes_ml < _SPECK_ML)] = 0
        activity[0] = 0
        if activity.any():
            return pet.geometry.to_world(np.argwhere(parts == int(activity.argmax())).mean(axis=0))
    raise TumorboardError(codes.CROP_LOST, where, found="no drawn lesion and no uptake above SUV 4", expected="one")


def _cube(centre: NDArray[np.float64], settings: CropSettings) -> Geometry:
    n = settings.voxels
    affine = np.diag([settings.spacing_mm] * 3 + [1.0])
    affine[:3, 3] = centre - settings.spacing_mm * (n - 1) / 2
    return Geometry((n, n, n), affine)


def _scaled(name: str, volume: Volume, grid: Geometry) -> NDArray[np.float32]:
    if name == "mask":
        share = Volume((volume.array > 0).astype(np.float32), volume.affine, Unit.PROBABILITY)
        return resample_to(share, grid, method="linear", anti_alias=True, allow_empty=True).array
    array = resample_to(volume, grid, method="linear", anti_alias=True, allow_empty=True).array
    if name == "PET":
        return np.asarray(np.log1p(np.maximum(array, 0)), np.float32)
    if name == "CT":
        return np.asarray(np.clip((array + 200.0) / 500.0, 0, 1), np.float32)
    return array / 70.0  # type: ignore[no-any-return]
