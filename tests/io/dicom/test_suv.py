"""Every vendor case of SUV with numbers worked out by hand, and every missing or contradictory value as an error.

The standard slice (conftest): 70 kg, 370 MBq of 18F (half-life 6586.2 s) at 10:00, scan at 11:00, so after 3600 s
    decayed dose = 370e6 * 2 ** (-3600 / 6586.2) = 370e6 * exp(-0.378872) = 370e6 * 0.684633 = 253.314 MBq
    SUV of 1000 Bq/ml = 1000 * 70000 / 253.314e6 = 0.276337
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.pet_times import mean_activity_s
from tumorboard.io.dicom.series import read_series
from tumorboard.io.dicom.suv import SuvAssumptions, suv_recipe

Pet = Callable[..., Dataset]
Save = Callable[..., Path]
STORED = np.full((2, 2), 1000, np.int16)
ONE_HOUR = 2.0 ** (-3600 / 6586.2)
AT_START = 1000 * 70_000 / (370e6 * ONE_HOUR)
AS_INJECTED = 1000 * 70_000 / 370e6


@pytest.fixture
def suv_of(pet: Pet, save: Save) -> Callable[..., np.ndarray]:
    """SUV per slice of a series of three slices; `change(dataset, k)` alters each."""

    def read(change: Callable[[Dataset, int], None] | None = None, suv: Any = None, **keywords: Any) -> np.ndarray:
        datasets = []
        for k in range(3):
            dataset = pet(STORED, (0, 0, 3 * k), **keywords)
            if change:
                change(dataset, k)
            datasets.append(dataset)
        return read_series(save(datasets), unit=Unit.SUVBW, suv=suv).array[0, 0]

    return read


@pytest.fixture
def code_of(suv_of: Callable[..., np.ndarray]) -> Callable[..., str]:
    def code(*arguments: Any, **keywords: Any) -> str:
        with pytest.raises(TumorboardError) as caught:
            suv_of(*arguments, **keywords)
        return caught.value.code.id

    return code


def drug_of(dataset: Dataset) -> Dataset:
    return dataset.RadiopharmaceuticalInformationSequence[0]


def drug(**attributes: Any) -> Callable[[Dataset, int], None]:
    def change(dataset: Dataset, _: int) -> None:
        for keyword, value in attributes.items():
            if value is None:
                delattr(drug_of(dataset), keyword)
            else:
                setattr(drug_of(dataset), keyword, value)

    return change


# ---- units -----------------------------------------------------------------------------------------------
def test_the_hand_calculation_itself() -> None:
    assert pytest.approx(0.684633, abs=1e-6) == ONE_HOUR
    assert pytest.approx(0.276337, abs=1e-6) == AT_START


def test_bqml_start(suv_of: Callable[..., np.ndarray]) -> None:
    np.testing.assert_allclose(suv_of(), [AT_START] * 3, rtol=1e-6)


def test_bqml_admin(suv_of: Callable[..., np.ndarray]) -> None:
    np.testing.assert_allclose(suv_of(DecayCorrection="ADMIN"), [AS_INJECTED] * 3, rtol=1e-6)


def test_bqml_none_decays_to_every_slices_own_frame(suv_of: Callable[..., np.ndarray]) -> None:
    def beds(dataset: Dataset, k: int) -> None:
        dataset.AcquisitionTime = f"11{3 * k:02d}00"

    found = suv_of(beds, DecayCorrection="NONE", CorrectedImage=["ATTN"])
    # The mean activity of a 180 s frame is met x/2 - x^2/24 into it, in units of 1/lambda with x = lambda * 180.
    rate = np.log(2) / 6586.2
    x = rate * 180
    inside = (x / 2 - x**2 / 24) / rate
    seconds = 3600 + 180 * np.arange(3) + inside
    np.testing.assert_allclose(found, 1000 * 70_000 / (370e6 * 2 ** (-seconds / 6586.2)), rtol=1e-6)
    assert 89.5 < mean_activity_s(180, 6586.2) < 90
    assert mean_activity_s(0, 6586.2) == 0


def test_gml_is_suv_already(suv_of: Callable[..., np.ndarray]) -> None:
    np.testing.assert_array_equal(suv_of(units="GML"), [1000] * 3)
    np.testing.assert_array_equal(suv_of(units="GML", SUVType="BW"), [1000] * 3)
    # Nothing but the units matters: no weight, no dose.
    np.testing.assert_array_equal(
        suv_of(units="GML", PatientWeight=None, RadiopharmaceuticalInformationSequence=[]), [1000] * 3
    )


@pytest.mark.parametrize("kind", ["LBM", "LBMJANMA", "BSA", "IBW"])
def test_gml_of_another_type_is_another_number(code_of: Callable[..., str], kind: str) -> None:
    assert code_of(units="GML", SUVType=kind) == "SUV101"


@pytest.mark.parametrize("units", ["PROPCOUNTS", "CPS", "NONE", "PCNT"])
def test_units_without_a_way_to_suv(code_of: Callable[..., str], units: str) -> None:
    assert code_of(units=units) == "SUV101"


def test_missing_and_mixed_units(code_of: Callable[..., str]) -> None:
    assert code_of(Units=None) == "DCM103"

    def mixed(dataset: Dataset, k: int) -> None:
        dataset.Units = "GML" if k else "BQML"

    assert code_of(mixed) == "SUV101"


def philips(suv: float | None, activity: float | None) -> Callable[[Dataset, int], None]:
    def change(dataset: Dataset, k: int) -> None:
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        if suv is not None:
            block.add_new(0x00, "DS", str(suv))
        if activity is not None:
            block.add_new(0x09, "DS", str(activity))

    return change


def test_philips_counts(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    np.testing.assert_allclose(suv_of(philips(0.0005, 2.5), units="CNTS"), [0.5] * 3, rtol=1e-6)
    np.testing.assert_allclose(suv_of(philips(0.0, 2.5), units="CNTS"), [2.5 * AT_START] * 3, rtol=1e-6)
    np.testing.assert_allclose(suv_of(philips(None, 2.5), units="CNTS"), [2.5 * AT_START] * 3, rtol=1e-6)
    assert code_of(philips(0.0, 0.0), units="CNTS") == "SUV110"
    assert code_of(philips(-1.0, None), units="CNTS") == "SUV110"
    assert code_of(units="CNTS") == "SUV110"


def test_philips_factors_whose_creator_was_stripped(suv_of: Callable[..., np.ndarray]) -> None:
    def bare(dataset: Dataset, _: int) -> None:
        dataset.Manufacturer = "Philips Medical Systems"
        dataset.add_new(0x70531000, "DS", "0.0005")

    np.testing.assert_allclose(suv_of(bare, units="CNTS"), [0.5] * 3, rtol=1e-6)


def test_counts_and_activity_can_be_read_as_they_are(pet: Pet, save: Save) -> None:
    dataset = pet(STORED, (0, 0, 0), units="CNTS")
    philips(0.0, 2.5)(dataset, 0)
    folder = save([dataset])
    assert read_series(folder, unit=Unit.CNTS).array[0, 0, 0] == 1000
    assert read_series(folder, unit=Unit.BQML).array[0, 0, 0] == 2500
    with pytest.raises(TumorboardError, match="DCM131"):
        read_series(save([pet(STORED, (0, 0, 0), units="GML")], "gml"), unit=Unit.BQML)


def test_every_slice_has_its_own_rescale(suv_of: Callable[..., np.ndarray]) -> None:
    def slopes(dataset: Dataset, k: int) -> None:
        dataset.RescaleSlope = [1, 0.5, 3][k]

    np.testing.assert_allclose(suv_of(slopes), AT_START * np.array([1, 0.5, 3]), rtol=1e-6)


# ---- weight, dose, half-life -------------------------------------------------------------------------------
@pytest.mark.parametrize("weight", [None, "", "0", "0.3", "70000", "-70"])
def test_weight_missing_zero_or_in_grams(
    suv_of: Callable[..., np.ndarray], code_of: Callable[..., str], weight: str | None
) -> None:
    assert code_of(PatientWeight=weight) == "SUV102"
    np.testing.assert_allclose(
        suv_of(PatientWeight=weight, suv={"assume_weight_kg": 35}), [AT_START / 2] * 3, rtol=1e-6
    )


def test_two_weights_in_one_series(code_of: Callable[..., str]) -> None:
    def change(dataset: Dataset, k: int) -> None:
        dataset.PatientWeight = str(70 + k)

    assert code_of(change) == "SUV102"


def test_dose_missing_or_in_mbq(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    assert code_of(drug(RadionuclideTotalDose=None)) == "SUV103"
    assert code_of(drug(RadionuclideTotalDose="0")) == "SUV103"
    assert code_of(drug(RadionuclideTotalDose="4e11")) == "SUV103"
    assert code_of(RadiopharmaceuticalInformationSequence=[]) == "SUV103"
    with pytest.raises(TumorboardError, match="as MBq it would be plausible"):
        suv_of(drug(RadionuclideTotalDose="370"))
    assumed = suv_of(drug(RadionuclideTotalDose="370"), suv={"assume_dose_bq": 370e6})
    np.testing.assert_allclose(assumed, [AT_START] * 3, rtol=1e-6)


def test_half_life_missing_or_of_another_nuclide(
    suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]
) -> None:
    assert code_of(drug(RadionuclideHalfLife=None)) == "SUV104"
    assert code_of(drug(RadionuclideHalfLife="109.77")) == "SUV104"  # minutes
    assert code_of(drug(RadionuclideHalfLife="4062.6")) == "SUV104"  # that of 68Ga
    with pytest.raises(TumorboardError, match=r"assume_half_life_s=6586\.2"):
        suv_of(drug(RadionuclideHalfLife=None))
    np.testing.assert_allclose(
        suv_of(drug(RadionuclideHalfLife=None), suv={"assume_half_life_s": 6586.2}), [AT_START] * 3, rtol=1e-6
    )
    # Vendors write 6588 for 18F: their number is used, 0.01 % from ours.
    vendor = suv_of(drug(RadionuclideHalfLife="6588"))
    np.testing.assert_allclose(vendor, [1000 * 70_000 / (370e6 * 2 ** (-3600 / 6588))] * 3, rtol=1e-6)


def test_admin_needs_no_half_life(suv_of: Callable[..., np.ndarray]) -> None:
    def change(dataset: Dataset, k: int) -> None:
        drug(RadionuclideHalfLife=None, RadiopharmaceuticalStartTime=None)(dataset, k)

    np.testing.assert_allclose(suv_of(change, DecayCorrection="ADMIN"), [AS_INJECTED] * 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "meaning", "half_life_s"),
    [("35337001", "^68^Gallium", 4080), ("C-105A1", "^11^Carbon", 1223), ("X1", "Zr-89", 282240), ("X2", "18F", 6588)],
)
def test_other_nuclides_by_code_or_name(
    suv_of: Callable[..., np.ndarray], value: str, meaning: str, half_life_s: float
) -> None:
    def change(dataset: Dataset, _: int) -> None:
        item = drug_of(dataset).RadionuclideCodeSequence[0]
        item.CodeValue, item.CodeMeaning = value, meaning
        drug_of(dataset).RadionuclideHalfLife = str(half_life_s)

    np.testing.assert_allclose(suv_of(change), [1000 * 70_000 / (370e6 * 2 ** (-3600 / half_life_s))] * 3, rtol=1e-6)


# ---- times -------------------------------------------------------------------------------------------------
def test_midnight_is_never_crossed_in_silence(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    late = {"injected": "233000", "series_time": "003000", "acquired": "003000"}
    assert code_of(**late) == "SUV106"
    np.testing.assert_allclose(suv_of(**late, suv={"assume_midnight": True}), [AT_START] * 3, rtol=1e-6)


def test_a_full_injection_date_crosses_midnight_by_itself(suv_of: Callable[..., np.ndarray]) -> None:
    change = drug(RadiopharmaceuticalStartDateTime="20200304233000.00")
    found = suv_of(change, injected=None, series_time="003000", acquired="003000")
    np.testing.assert_allclose(found, [AT_START] * 3, rtol=1e-6)


def test_time_zones_are_compared_where_both_are_stated(suv_of: Callable[..., np.ndarray]) -> None:
    change = drug(RadiopharmaceuticalStartDateTime="20200305090000+0000")
    found = suv_of(change, injected=None, TimezoneOffsetFromUTC="+0100")
    np.testing.assert_allclose(found, [AT_START] * 3, rtol=1e-6)


def test_shifted_dates(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    change = drug(RadiopharmaceuticalStartDateTime="20200105100000")
    assert code_of(change) == "SUV107"
    np.testing.assert_allclose(suv_of(change, suv={"assume_same_day": True}), [AT_START] * 3, rtol=1e-6)
    later = drug(RadiopharmaceuticalStartDateTime="20200306100000")
    assert code_of(later) == "SUV106"


def test_injection_time_missing_or_double(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    assert code_of(injected=None) == "SUV105"
    assert code_of(drug(RadiopharmaceuticalStartDateTime="20200305094500")) == "SUV105"
    assumed = suv_of(injected=None, suv={"assume_injection_time": "100000"})
    np.testing.assert_allclose(assumed, [AT_START] * 3, rtol=1e-6)
    assert code_of(drug(RadiopharmaceuticalStartTime="2500")) == "DCM104"


def beds(dataset: Dataset, k: int) -> None:
    """Three beds of three minutes from 11:00 on, saved again at 14:00."""
    dataset.AcquisitionTime = f"11{3 * k:02d}00"
    dataset.SeriesTime = "140000"


def test_a_reprocessed_series_is_not_decayed_to_its_series_time(
    suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]
) -> None:
    assert code_of(beds) == "SUV105"
    np.testing.assert_allclose(suv_of(beds, suv={"assume_scan_start": "acquisition"}), [AT_START] * 3, rtol=1e-6)
    four_hours = 1000 * 70_000 / (370e6 * 2 ** (-4 * 3600 / 6586.2))
    np.testing.assert_allclose(suv_of(beds, suv={"assume_scan_start": "series"}), [four_hours] * 3, rtol=1e-6)


def test_the_ge_scan_time_replaces_a_late_series_time(suv_of: Callable[..., np.ndarray]) -> None:
    def change(dataset: Dataset, k: int) -> None:
        beds(dataset, k)
        dataset.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200305110000.00")

    np.testing.assert_allclose(suv_of(change), [AT_START] * 3, rtol=1e-6)


def test_the_frame_reference_time_leads_back_to_the_start(suv_of: Callable[..., np.ndarray]) -> None:
    """Bed k was taken from 180 k to 180 (k + 1) s after the start; its activity is that of 89.9 s into the bed."""

    def change(dataset: Dataset, k: int) -> None:
        beds(dataset, k)
        rate = np.log(2) / 6586.2
        x = rate * 180
        dataset.FrameReferenceTime = str(round(1000 * (180 * k + (x / 2 - x**2 / 24) / rate), 3))

    np.testing.assert_allclose(suv_of(change), [AT_START] * 3, rtol=1e-6)


def test_scan_times_missing(code_of: Callable[..., str]) -> None:
    assert code_of(SeriesTime=None) == "SUV105"
    assert code_of(AcquisitionTime=None) == "SUV105"
    assert code_of(AcquisitionTime=None, DecayCorrection="NONE", CorrectedImage=["ATTN"]) == "SUV105"
    assert code_of(ActualFrameDuration=None, DecayCorrection="NONE", CorrectedImage=["ATTN"]) == "SUV105"
    assert code_of(SeriesDate="20201345") == "DCM104"


# ---- corrections -----------------------------------------------------------------------------------------------
def test_decay_correction_not_stated(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    assert code_of(DecayCorrection=None) == "SUV108"
    assert code_of(DecayCorrection="YES") == "SUV108"
    assumed = suv_of(DecayCorrection=None, suv={"assume_decay_correction": "ADMIN"})
    np.testing.assert_allclose(assumed, [AS_INJECTED] * 3, rtol=1e-6)


def test_attenuation_must_be_corrected(suv_of: Callable[..., np.ndarray], code_of: Callable[..., str]) -> None:
    assert code_of(CorrectedImage=["DECY"]) == "SUV109"
    assert code_of(CorrectedImage=None) == "SUV109"
    assert code_of(CorrectedImage=["ATTN"]) == "SUV109"  # START is said, DECY is not
    assert code_of(units="GML", CorrectedImage=["DECY"]) == "SUV109"
    np.testing.assert_allclose(suv_of(CorrectedImage=None, suv={"assume_corrected": True}), [AT_START] * 3, rtol=1e-6)


# ---- options and record ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"assume_wieght_kg": 70},
        {"assume_weight_kg": 0},
        {"assume_weight_kg": float("nan")},
        {"assume_dose_bq": "370"},
        {"assume_scan_start": "now"},
        {"assume_decay_correction": "YES"},
        {"assume_injection_time": "ten"},
    ],
)
def test_assumptions_that_cannot_be(code_of: Callable[..., str], options: dict[str, Any]) -> None:
    assert code_of(suv=options) == "SUV111"


def test_the_recipe_records_what_was_used_and_no_date(pet: Pet, save: Save) -> None:
    folder = save([pet(STORED, (0, 0, 3 * k), PatientWeight="0") for k in range(2)])
    headers = [read_header(path) for path in sorted(folder.iterdir())]
    recipe = suv_recipe(headers, SuvAssumptions(assume_weight_kg=80))
    assert recipe.case == "BQML, START"
    assert recipe.facts["assumed"] == {"assume_weight_kg": 80}
    assert recipe.facts["decay_s"] == [3600.0, 3600.0]
    assert recipe.facts["scan_start"] == "series time"
    assert "2020" not in str(recipe.facts)
