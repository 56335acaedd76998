"""Releases laid out by hand after the published descriptions, with nibabel, SimpleITK and openpyxl: the reader is not
only right about what our own writer writes."""

from __future__ import annotations

import nibabel
import numpy as np
import openpyxl
import pytest
import SimpleITK as sitk

from tumorboard.datasets.hecktor.reader import read

CT_AFFINE = np.array([[-0.98, 0, 0, 120.5], [0, -0.98, 0, 88.25], [0, 0, 3.27, -700.125], [0, 0, 0, 1]])
PET_AFFINE = np.array([[-4.07, 0, 0, 119.0], [0, -4.07, 0, 90.0], [0, 0, 5.0, -698.0], [0, 0, 0, 1]])
RNG = np.random.default_rng(11)
CT = RNG.integers(-1000, 1000, (8, 9, 7)).astype("int16")
PET = RNG.gamma(2.0, 1.0, (3, 4, 5)).astype("float32")
MASK = np.zeros((8, 9, 7), "uint8")
MASK[2:4, 3:5, 2:4], MASK[5:7, 5:7, 4:6] = 1, 2


def nifti(path, array, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def patient_files(folder, patient, *, mask=None, dose=False):
    nifti(folder / f"{patient}__CT.nii.gz", CT, CT_AFFINE)
    nifti(folder / f"{patient}__PT.nii.gz", PET, PET_AFFINE)
    if mask is not None:
        nifti(mask, MASK, CT_AFFINE)
    if dose:
        nifti(folder / f"{patient}__RTDOSE.nii.gz", PET, PET_AFFINE)


def assert_images(cohort, patient, *kinds):
    rows = {row["image_id"]: row for row in cohort.patient(patient).images()}
    assert set(rows) == {f"{patient}.0.{kind}" for kind in kinds}
    np.testing.assert_array_equal(cohort.image(f"{patient}.0.CT").array, CT)
    np.testing.assert_allclose(cohort.image(f"{patient}.0.CT").affine, CT_AFFINE, atol=1e-4)
    pet = cohort.image(f"{patient}.0.PT")
    np.testing.assert_allclose(pet.array, PET, rtol=1e-6)
    np.testing.assert_allclose(pet.affine, PET_AFFINE, atol=1e-4)
    assert pet.unit == "SUVbw"
    if "mask" in kinds:
        mask = rows[f"{patient}.0.mask"]
        assert mask["reference_image_id"] == f"{patient}.0.CT"
        assert mask["labels"] == {1: "GTVp", 2: "GTVn"}
        np.testing.assert_array_equal(cohort.image(mask["image_id"]).array, MASK)
    if "dose" in kinds:
        assert (rows[f"{patient}.0.dose"]["unit"], rows[f"{patient}.0.dose"]["role"]) == ("Gy", "dose")


@pytest.mark.parametrize("mask", ["CHUM-001", "CHUM_001"])  # the page prints an underscore, the files have a dash
def test_2022(mask, tmp_path):
    base = tmp_path / "hecktor2022_training"
    patient_files(base / "imagesTr", "CHUM-001", mask=base / "labelsTr" / f"{mask}.nii.gz")
    (base / "hecktor2022_clinical_info_training.csv").write_text(
        "PatientID,Task 1,Task 2,CenterID,Gender,Age,Weight,Tobacco,Alcohol,Performance status,"
        '"HPV status (0=-, 1=+)",Surgery,Chemotherapy\n'
        "CHUM-001,1,1,2,F,57,63.0,,0,1,1,0,1\nMDA-200,0,1,5,M,,,,,,,,\n"
    )
    (base / "hecktor2022_endpoint_training.csv").write_text("PatientID,Relapse,RFS\nCHUM-001,1,368\n")
    cohort = read(tmp_path)
    assert_images(cohort, "CHUM-001", "CT", "PT", "mask")
    record = cohort.row("patients", patient_id="CHUM-001")
    expected = {
        "centre": "CHUM", "sex": "female", "age_years": 57.0, "weight_kg": 63.0, "tobacco": None, "alcohol": "no",
        "performance_status": "1", "hpv": "positive", "surgery": "no", "chemotherapy": "yes", "treatment": None,
        "centre_code": "2", "tasks": "1 2", "split": None,
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert cohort.row("patients", patient_id="MDA-200")["tasks"] == "2"
    survival = cohort.outcome("RFS")
    assert (survival.patient_ids, survival.event.tolist(), survival.time_days.tolist()) == (
        ("CHUM-001",),
        [True],
        [368.0],
    )
    assert cohort.outcome("HPV").values == ("positive",)


def test_2025_task_folders(tmp_path):
    head = "PatientID,CenterID,Age,Gender,Tobacco Consumption,Alcohol Consumption,Performance Status,Treatment,M-stage"
    for n in (1, 2, 3):
        folder = tmp_path / f"Task {n}"
        mask = folder / "HGJ-010" / "HGJ-010.nii.gz" if n == 1 else None  # some Task 2 patients have no mask
        patient_files(folder / "HGJ-010", "HGJ-010", mask=mask, dose=n == 2)
        (folder / f"HECKTOR_2025_Training_Task_{n}.csv").write_text(
            f"{head},HPV Status,Relapse,RFS\nHGJ-010,3.0,66.0,1.0,,1.0,0.0,1.0,M0,0.0,0.0,1200.0\n"
        )
    cohort = read(tmp_path)
    assert cohort.patient_ids == ["HGJ-010"]
    assert_images(cohort, "HGJ-010", "CT", "PT", "mask", "dose")
    record = cohort.row("patients", patient_id="HGJ-010")
    expected = {"sex": "male", "treatment": "chemoradiation", "m_stage": "M0", "hpv": "negative", "tasks": "1 2 3"}
    assert {name: record[name] for name in expected} == expected
    assert cohort.outcome("RFS").event.tolist() == [False]


def test_2025_defaced_all(tmp_path):
    base = tmp_path / "HECKTOR 2025 Training Data Defaced ALL"
    patient_files(base / "USZ-003", "USZ-003", mask=base / "USZ-003" / "USZ-003.nii.gz", dose=True)
    book = openpyxl.Workbook()
    book.active.title = "Data"
    book.active.append(
        ["PatientID", "Task 1", "Task 2 ", "Task 3", "Age ", "Gender", "Treatment", "T-stage ", "N-stage"]
    )
    book.active.append(["USZ-003", 1, 1, 0, 71, 0, 0, "T4b", "N2a"])
    book.create_sheet("Data Dictionary").append(["Gender", "0=female"])
    book.save(tmp_path / "HECKTOR_2025_Training_EHR_with_Data_Dictionary.xlsx")
    cohort = read(tmp_path)
    assert_images(cohort, "USZ-003", "CT", "PT", "mask", "dose")
    record = cohort.row("patients", patient_id="USZ-003")
    expected = {"sex": "female", "treatment": "radiotherapy", "t_stage": "T4", "n_stage": "N2", "tasks": "1 2"}
    assert {name: record[name] for name in expected} == expected
    assert '"t stage": "T4b"' in record["published"]


@pytest.mark.parametrize(("slug_key", "with_inputs"), [("socket", True), ("interface", True), ("", False)])
def test_grand_challenge_case(slug_key, with_inputs, tmp_path):
    """A 2026 case as the platform lays it out; the sample record has a trailing comma. SimpleITK speaks LPS."""
    for place, array, affine in (("ct", CT, CT_AFFINE), ("pet", PET, PET_AFFINE)):
        image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
        image.SetSpacing(np.abs(np.diag(affine)[:3]).tolist())
        image.SetOrigin([-affine[0, 3], -affine[1, 3], affine[2, 3]])  # RAS -> LPS; the axes -x, -y are LPS identity
        (tmp_path / "input/images" / place).mkdir(parents=True)
        sitk.WriteImage(image, tmp_path / "input/images" / place / f"a1b2-{place}.mha", useCompression=True)
    (tmp_path / "input/ehr.json").write_text(
        '{\n "CenterID": 9,\n "Age": 58,\n "Gender": 1,\n "Tobacco Consumption": 1,\n "Alcohol Consumption": null,\n'
        ' "Performance Status": 1,\n "Treatment": 1,\n "HPV Status": 1,\n}\n'
    )
    if with_inputs:
        entries = [
            (f'"{slug_key}": {{"slug": "{slug}"}}') for slug in ("ct-image", "pet-image", "electronic-health-record")
        ]
        (tmp_path / "input/inputs.json").write_text("[" + ", ".join(f"{{{entry}}}" for entry in entries) + "]")
    cohort = read(tmp_path / "input", patient_id="CHUP-044")
    assert_images(cohort, "CHUP-044", "CT", "PT")
    record = cohort.row("patients", patient_id="CHUP-044")
    expected = {
        "centre": "CHUP",
        "centre_code": "9",
        "age_years": 58.0,
        "sex": "male",
        "tobacco": "yes",
        "alcohol": None,
    }
    assert {name: record[name] for name in expected} == expected
    assert cohort.outcome("HPV").values == ("positive",)
