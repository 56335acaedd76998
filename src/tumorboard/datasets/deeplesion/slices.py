"""The pixels of a cohort as slices or NIfTI sub-volumes of the layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets import codes
from tumorboard.datasets.deeplesion.names import SubVolumeName
from tumorboard.datasets.deeplesion.nifti import official_affine
from tumorboard.datasets.deeplesion.numbering import NumberedImage
from tumorboard.datasets.deeplesion.records import LesionRecord
from tumorboard.datasets.deeplesion.volumes import IMAGE_FOLDERS
from tumorboard.io.files import atomic_write_text
from tumorboard.io.images import image_path
from tumorboard.io.nifti import write_nifti
from tumorboard.io.slice_stack import HU_OFFSET, stack_affine, write_slice

__all__ = ["CONVENTION_FILE", "write_images"]

CONVENTION_FILE = "CONVENTION.txt"
_WORDS = {
    "frame": (
        "Array (column, row, slice): columns to the patient's left, rows to the back, slices towards the feet. Layer k "
        "is slice FIRST + k of the name. World (RAS, mm): x = -column sx, y = -row sy, z = -(slice number) sz.\n"
    ),
    "official": (
        "Array (row, column, slice): rows to the back, columns to the patient's left, slices towards the feet. Layer k "
        "is slice FIRST + k of the name. World (RAS, mm): x = -column sx, y = -row sy, z = -layer sz; every file "
        "begins at the origin.\n"
    ),
}


def write_images(
    cohort: Cohort,
    records: Sequence[LesionRecord],
    folder: Path,
    *,
    images: Literal["png", "nifti", "none"],
    z: Literal["frame", "official"],
) -> None:
    """Write the slices that the records name, one scan in memory at a time. FIL101 a scan that is gone, FIL102 values
    that 16 bits cannot hold, LAY113 options."""
    if images not in ("png", "nifti", "none") or z not in _WORDS:
        raise TumorboardError(codes.OPTION, "options images, z", found=f"{images}, {z}", expected="png, nifti or none")
    wanted: dict[str, set[tuple[int, int]]] = {}
    of: dict[str, NumberedImage] = {}
    for record in records:
        image_id = record.image.row["image_id"]
        of[image_id] = record.image
        wanted.setdefault(image_id, set()).add(record.slice_range)
    for image_id, ranges in wanted.items():
        image = of[image_id]
        if images == "none" or not image.row["path"] or image.geometry is None:
            continue
        if images == "png":
            _write_slices(cohort, image, sorted(ranges), folder / IMAGE_FOLDERS[0] / image.series_name)
        else:
            place = folder / IMAGE_FOLDERS[1]
            place.mkdir(exist_ok=True)
            atomic_write_text(place / CONVENTION_FILE, _WORDS[z])
            _write_nifti(cohort, image, sorted(ranges), place, z=z)


def _write_slices(cohort: Cohort, image: NumberedImage, ranges: Sequence[tuple[int, int]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    read = json.loads(image.row["options"] or "{}").get("read", {})
    if image.row["format"] == "slice-stack" and "floor_hu" not in read:
        source = image_path(image.row, cohort.root)
        for number in _numbers(ranges):  # the same bytes
            shutil.copyfile(source / f"{read.get('prefix', '')}{number:03d}.png", folder / f"{number:03d}.png")
        return
    voxels = cohort.image(image.row["image_id"]).reorient("LPI").array
    for number in _numbers(ranges):
        write_slice(voxels[:, :, number - image.first].T, folder / f"{number:03d}.png")


def _write_nifti(
    cohort: Cohort, image: NumberedImage, ranges: Sequence[tuple[int, int]], folder: Path, *, z: str
) -> None:
    volume = cohort.image(image.row["image_id"]).reorient("LPI")
    for first, last in ranges:
        path = folder / f"{SubVolumeName(image.series_name, first, last)}.nii.gz"
        layers = _int16(volume.array[:, :, first - image.first : last - image.first + 1], path)
        spacing = volume.spacing_mm.tolist()
        if z == "official":
            write_nifti(Volume(layers.transpose(1, 0, 2), official_affine(spacing), Unit.HU), path)
        else:
            write_nifti(Volume(layers, stack_affine(spacing, first=first), Unit.HU), path)


def _numbers(ranges: Sequence[tuple[int, int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


def _int16(values: NDArray[np.generic], path: Path) -> NDArray[np.int16]:
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite([low, high]).all() and low >= -HU_OFFSET and high < HU_OFFSET):
        raise TumorboardError(
            codes.NOT_WRITABLE, path, found=f"values {low:g} to {high:g}", expected="-32768 to 32767 HU"
        )
    whole: NDArray[np.int16] = np.rint(values).astype(np.int16)
    return whole
