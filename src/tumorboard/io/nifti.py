"""NIfTI volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import atomic_file

__all__ = ["read_nifti", "read_nifti_geometry", "write_nifti"]


def read_nifti(path: Path, *, unit: Unit) -> Volume:
    """The scan in `path`, scaled, in its stated unit."""
    import nibabel

    image = nibabel.load(path)
    return Volume(np.asanyarray(image.dataobj), image.affine, unit)


def read_nifti_geometry(path: Path) -> Geometry:
    """The grid of `path`, from its header alone."""
    import nibabel

    image = nibabel.load(path)
    return Geometry(image.shape, image.affine)


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume atomically; the affine goes into sform and qform."""
    import nibabel

    image = nibabel.Nifti1Image(volume.array, volume.affine)
    image.header.set_xyzt_units("mm")
    with atomic_file(path) as temporary:
        nibabel.save(image, temporary)
