"""Real CTs, where they are at hand: found, head first, whatever the storage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.units import Unit
from tumorboard.io.nifti import read_nifti
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.slices import body_slices

CONFIG = BodyPartConfig()


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("ts_example_ct", "RAS"),
        ("ts_aorta_ct_cropped", "LPS"),
        ("lidc_idri_0314_chest", "LPS"),
        ("ibsi1_phantom", "LPS"),
    ],
)
def test_same_slices_whatever_the_storage(real_data: Path, name: str, stored: str) -> None:
    volume = read_nifti(real_data / "ct" / f"{name}.nii.gz", unit=Unit.HU)
    assert volume.geometry.axis_codes == stored
    first, second = (body_slices(v, CONFIG, where=name) for v in (volume, volume.reorient("PIR")))
    assert np.array_equal(first.hu, second.hu) and np.allclose(first.z_mm, second.z_mm)
    assert (np.diff(first.z_mm) < 0).all() and len(first) > 30


def test_head_is_up_by_the_spine(real_data: Path) -> None:
    """Labels 33 (T11) to 26 (S1): the affine says which end is the head, and the vertebrae agree."""
    labels = read_nifti(real_data / "ct" / "ts_spine_totalseg.nii.gz", unit=Unit.LABEL)
    places = [labels.geometry.to_world(np.argwhere(labels.array == n))[:, 2].mean() for n in range(33, 25, -1)]
    assert (np.diff(places) < 0).all()
    volume = read_nifti(real_data / "ct" / "ts_example_ct.nii.gz", unit=Unit.HU)
    slices = body_slices(volume, CONFIG, where="x")
    inside = [(slices.hu[k] > -950) & (slices.hu[k] < -600) for k in (0, len(slices) - 1)]
    assert inside[0].sum() > 100 > inside[1].sum()  # lung in the first slice, none in the last
