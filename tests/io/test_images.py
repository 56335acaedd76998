"""Rows of `images`: described from headers, loaded with the options they carry."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.itk import write_itk
from tumorboard.io.nifti import write_nifti

VOLUME = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([-1, -1, 3, 1.0]), Unit.HU)


def described(path: Path, **options) -> dict:
    return describe_image(
        path, image_id="a.0.CT", exam_id="a.0", modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU, **options
    )


@pytest.mark.parametrize("name", ["ct.nii", "CT.NII.GZ", "ct.mha", "ct.mhd"])
def test_every_format_is_described_and_loaded(name: str, tmp_path: Path) -> None:
    (write_nifti if "nii" in name.lower() else write_itk)(VOLUME, tmp_path / name)
    row = described(tmp_path / name)
    assert row["shape"] == [3, 4, 5] and np.allclose(np.reshape(row["affine"], (4, 4)), VOLUME.affine)
    loaded = load_image(row, None)
    np.testing.assert_array_equal(loaded.array, VOLUME.array)
    assert loaded.same_grid(VOLUME)


def test_an_option_that_decides_about_the_place_is_kept_and_used(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii"
    write_nifti(VOLUME, path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<2h", data, 252, 0, 0)
    path.write_bytes(data)
    with pytest.raises(TumorboardError, match="IMG104"):
        described(path)
    row = described(path, options={"read": {"affine": "pixdim", "nan_as": 0}})
    assert np.allclose(np.reshape(row["affine"], (4, 4)), np.diag([1, 1, 3, 1]))
    np.testing.assert_array_equal(load_image(row, None).affine, np.reshape(row["affine"], (4, 4)))


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    (tmp_path / "ct.xyz").write_bytes(b"")
    with pytest.raises(TumorboardError, match="FIL102"):
        described(tmp_path / "ct.xyz")
    with pytest.raises(TumorboardError, match="FIL101"):
        described(tmp_path / "ct.nii")
