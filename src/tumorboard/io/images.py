"""One row of `images` -> Volume: picks the reader by the row's `format`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import resolve
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes

__all__ = ["image_path", "load_image"]

# format -> reader(path, unit=Unit, **options) -> Volume
READERS = {
    "nifti": "tumorboard.io.nifti:read_nifti",
    "itk": "tumorboard.io.itk:read_itk",
    "dicom-series": "tumorboard.io.dicom.series:read_series",
    "dicom-seg": "tumorboard.io.dicom.seg:read_segment_labels",
    "rtstruct": "tumorboard.io.dicom.rtstruct:read_structure_labels",
    "rtdose": "tumorboard.io.dicom.rtdose:read_dose",
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
    """Read the voxels of one row of `images`, in its stated unit."""
    reader = READERS.get(row["format"])
    if reader is None:
        raise TumorboardError(
            codes.FILE_FORMAT, row["path"], found=f"format {row['format']!r}", expected=", ".join(READERS)
        )
    options = json.loads(row.get("options") or "{}").get("read", {})
    volume: Volume = resolve(reader)(image_path(row, root), unit=Unit(row["unit"]), **options)
    return volume
