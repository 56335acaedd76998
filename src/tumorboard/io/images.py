"""One row of `images` -> Volume: picks the reader by the row's `format`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.registry import resolve
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes
from tumorboard.io.files import sha256_of

__all__ = ["describe_image", "image_path", "load_image"]

FORMATS = {".nii": "nifti", ".nii.gz": "nifti", ".mha": "itk", ".mhd": "itk", ".tif": "itk", ".tiff": "itk"}

# format -> reader(path, unit=Unit, **options) -> Volume
READERS = {
    "nifti": "tumorboard.io.nifti:read_nifti",
    "itk": "tumorboard.io.itk:read_itk",
    "dicom-series": "tumorboard.io.dicom.series:read_series",
    "dicom-seg": "tumorboard.io.dicom.seg:read_segment_labels",
    "rtstruct": "tumorboard.io.dicom.rtstruct:read_structure_labels",
    "rtdose": "tumorboard.io.dicom.rtdose:read_dose",
    "radiograph": "tumorboard.io.radiograph:read_radiograph",
    "dicom-radiograph": "tumorboard.io.dicom.radiograph:read_dicom_radiograph",
    "slice-stack": "tumorboard.io.slice_stack:read_slice_stack",
    "nifti-slices": "tumorboard.io.slice_stack:read_sub_volume",
}

# format -> header reader(path) -> Geometry
GEOMETRIES = {
    "nifti": "tumorboard.io.nifti:read_nifti_geometry",
    "itk": "tumorboard.io.itk:read_itk_geometry",
}


def image_path(row: Mapping[str, Any], root: Path | None) -> Path:
    """Where the image's bytes are. FIL101 when nothing is there."""
    path = Path(row["path"])
    if not path.is_absolute() and root is not None:
        path = root / path
    if not path.exists():
        raise TumorboardError(
            codes.FILE_MISSING, path, found="no such file", expected=f"the voxels of image {row['image_id']}"
        )
    return path


def load_image(row: Mapping[str, Any], root: Path | None) -> Volume:
    """Read the voxels of one row of `images`, in its stated unit.

    Its `options` may hold ``read`` (keyword arguments of the reader) and ``convert`` (``from_unit`` and ``factor``: the
    file is in another unit, and its values times the factor are in the row's).
    """
    reader = READERS.get(row["format"])
    if reader is None:
        raise TumorboardError(
            codes.FILE_FORMAT, row["path"], found=f"format {row['format']!r}", expected=", ".join(READERS)
        )
    options = json.loads(row.get("options") or "{}")
    convert = options.get("convert")
    stored = Unit(convert["from_unit"] if convert else row["unit"])
    volume: Volume = resolve(reader)(image_path(row, root), unit=stored, **options.get("read", {}))
    if convert:
        scaled = volume.array.astype(np.float32) * np.float32(convert["factor"])
        volume = volume.with_array(scaled, Unit(row["unit"]))
    return volume


def describe_image(
    path: Path,
    *,
    image_id: str,
    exam_id: str,
    modality: Modality,
    role: Role,
    unit: Unit,
    run_id: str | None = None,
    reference_image_id: str | None = None,
    labels: Mapping[int, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of `images` for one file: grid from its header, checksum of its bytes; no voxels are read."""
    name = path.name.lower()
    suffix = next((s for s in sorted(FORMATS, key=len, reverse=True) if name.endswith(s)), None)
    if suffix is None:
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"suffix {path.suffix!r}", expected=", ".join(FORMATS))
    geometry = _header_geometry(GEOMETRIES[FORMATS[suffix]], path, (options or {}).get("read", {}))
    return {
        "image_id": image_id,
        "exam_id": exam_id,
        "modality": str(modality),
        "role": str(role),
        "unit": str(unit),
        "format": FORMATS[suffix],
        "path": str(path.resolve()),
        "shape": list(geometry.shape),
        "affine": geometry.affine.ravel().tolist(),
        "sha256": sha256_of(path),
        "run_id": run_id,
        "reference_image_id": reference_image_id,
        "labels": dict(labels) if labels else None,
        "options": json.dumps(options, sort_keys=True) if options else None,
    }


def _header_geometry(reader: str, path: Path, read_options: Mapping[str, Any]) -> Geometry:
    """The grid under those of the row's reading options that decide about it (`affine`, `frame`, ...)."""
    read = resolve(reader)
    known = inspect.signature(read).parameters
    geometry: Geometry = read(path, **{key: value for key, value in read_options.items() if key in known})
    return geometry
