"""Volumes and uptake against figures worked out by hand, and against the published ones of real patients."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tumorboard.board.lesions import bounding_box, measure_lesions
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti

LABELS = {1: "GTVp", 2: "GTVn"}


def volume(shape: tuple[int, int, int], spacing_mm: float, unit: Unit, *, first_mm: float = 0.0) -> Volume:
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = (-first_mm, -first_mm, first_mm)
    return Volume(np.zeros(shape, np.uint8 if unit == Unit.LABEL else np.float32), affine, unit)


def test_every_component_has_its_volume_uptake_and_place() -> None:
    mask = volume((30, 30, 30), 2.0, Unit.LABEL)
    mask.array[2:7, 2:7, 2:7] = 1  # 125 voxels of 8 mm3: 1 ml, centre at voxel 4
    mask.array[20:22, 20:22, 20:22] = 1  # 8 voxels: 0.064 ml
    mask.array[10:15, 20:25, 3:8] = 2
    pet = volume((30, 30, 30), 2.0, Unit.SUVBW)
    pet.array[mask.array == 1] = 4.0
    pet.array[3, 3, 3] = 9.0
    pet.array[0, 0, 0] = 50.0  # outside every lesion
    found = measure_lesions(mask, LABELS, pet=pet)
    assert [(lesion.label, lesion.component) for lesion in found] == [("GTVp", 1), ("GTVp", 2), ("GTVn", 1)]
    assert [lesion.volume_ml for lesion in found] == pytest.approx([1.0, 0.064, 1.0])
    assert [lesion.suv_max for lesion in found] == [9.0, 4.0, 0.0]
    assert found[0].suv_mean == pytest.approx((124 * 4 + 9) / 125)
    assert found[0].tlg_ml == pytest.approx((124 * 4 + 9) / 125 * 1.0)
    assert found[0].centre_mm == pytest.approx((-8, -8, 8))
    assert not any(lesion.interpolated for lesion in found)


def test_lesions_that_touch_at_a_corner_are_one() -> None:
    mask = volume((4, 4, 4), 1.0, Unit.LABEL)
    mask.array[0, 0, 0] = mask.array[1, 1, 1] = 1
    assert len(measure_lesions(mask, LABELS)) == 1


def test_a_lesion_between_pet_voxel_centres_is_interpolated_and_says_so() -> None:
    mask = volume((20, 20, 20), 1.0, Unit.LABEL)
    mask.array[2, 2, 2] = 1  # PET centres lie at 0, 4, 8 ... mm: none within half a millimetre of 2
    pet = volume((5, 5, 5), 4.0, Unit.SUVBW)
    pet.array[1, :, :] = 8.0  # halfway between 0 and 8
    (lesion,) = measure_lesions(mask, LABELS, pet=pet)
    assert lesion.interpolated
    assert lesion.suv_max == pytest.approx(4.0)


def test_a_lesion_outside_the_pet_has_a_volume_and_no_suv() -> None:
    mask = volume((20, 20, 20), 1.0, Unit.LABEL, first_mm=500.0)
    mask.array[5, 5, 5] = 1
    (lesion,) = measure_lesions(mask, LABELS, pet=volume((5, 5, 5), 4.0, Unit.SUVBW))
    assert (lesion.volume_ml, lesion.suv_max, lesion.tlg_ml) == (pytest.approx(0.001), None, None)


def test_nothing_drawn_is_no_lesion_and_unnamed_values_are_left_out() -> None:
    mask = volume((6, 6, 6), 1.0, Unit.LABEL)
    assert measure_lesions(mask, LABELS) == []
    mask.array[1, 1, 1] = 7
    assert measure_lesions(mask, LABELS) == []
    assert bounding_box(mask.array) == (slice(1, 2),) * 3


def test_a_pet_in_another_unit_is_refused() -> None:
    mask = volume((6, 6, 6), 1.0, Unit.LABEL)
    with pytest.raises(TumorboardError, match="UNT101"):
        measure_lesions(mask, LABELS, pet=volume((6, 6, 6), 1.0, Unit.BQML))


@pytest.mark.parametrize("patient", ["STS_001", "STS_004", "STS_025"])
def test_real_patients_have_the_published_volumes_and_uptake(real_data: Path, patient: str) -> None:
    """Reference: `geometry.csv` beside the data, made on the PET grid by other code."""
    folder = real_data / "sts_petct"
    with (folder / "geometry.csv").open(encoding="utf-8") as file:
        published = next(row for row in csv.DictReader(file) if row["id"] == patient)
    pet = read_nifti(folder / patient / "PET_image.nii.gz", unit=Unit.SUVBW)
    mask = read_nifti(folder / patient / "PET_mask.nii.gz", unit=Unit.LABEL)
    found = measure_lesions(mask, {1: "GTV"}, pet=pet)
    volume_ml = sum(lesion.volume_ml for lesion in found)
    assert volume_ml == pytest.approx(float(published["gtv_ml_pet"]), abs=0.01)
    assert max(lesion.suv_max or 0 for lesion in found) == pytest.approx(float(published["suvmax_in_gtv"]), abs=0.006)
    mean = sum(lesion.tlg_ml or 0 for lesion in found) / volume_ml
    assert mean == pytest.approx(float(published["suvmean_in_gtv"]), abs=0.006)
