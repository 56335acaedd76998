"""Patients of a table whose CTs are DICOM folders. The slices are built by pydicom alone, tag by tag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.ici_nsclc.reader import read
from tumorboard.io.nifti import write_nifti

SLICES, ROWS, COLUMNS = 4, 5, 6
CORNER_LPS, SPACING, STEP = (-7.0, -9.0, 30.0), (1.5, 2.0), 2.5
AFFINE = np.array([[-2.0, 0, 0, 7.0], [0, -1.5, 0, 9.0], [0, 0, 2.5, 30.0], [0, 0, 0, 1]])
"""Of the series below, by hand: DICOM counts x to the left and y to the back, a cohort to the right and to the front;
columns are 2.0 mm apart, rows 1.5 mm."""
TABLE = """\
patient_id,centre,age,pfs_days,pfs_event,os_days,os_event
P1,A,61,90,1,400,0
P2,B,70,30,0,30,0
P3,A,55,,,,
"""
SCHEMA = """\
id = "patient_id"
covariates = ["age"]

[columns.age]
as = "age_years"
kind = "numeric"
unit = "years"

[columns.centre]
as = "centre"

[endpoints.PFS]
time = "pfs_days"
unit = "days"
event = "pfs_event"
events = ["1"]
censored = ["0"]

[endpoints.OS]
time = "os_days"
unit = "days"
event = "os_event"
events = ["1"]
censored = ["0"]
"""


def hounsfield() -> np.ndarray:
    """(columns, rows, slices): every voxel another value, lungs and soft tissue."""
    k, row, column = np.mgrid[:SLICES, :ROWS, :COLUMNS]
    return (-900 + 100 * k + 10 * row + column).transpose(2, 1, 0)


def series(folder: Path, *, kind: str = "CT", date: str = "20200305", study: str = "1.2.3") -> None:
    """Axial slices, last first, under names that say nothing of their order; stored values with slope 2."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = generate_uid()
    for number, k in enumerate((2, 0, 3, 1)):
        one = Dataset()
        one.SOPClassUID = CTImageStorage if kind == "CT" else PositronEmissionTomographyImageStorage
        one.SOPInstanceUID = generate_uid()
        one.file_meta = FileMetaDataset()
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.PatientID, one.PatientName, one.PatientSex = "another id", "Nobody", "F"
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, uid, f"{study}.9"
        one.StudyDate, one.StudyTime, one.Modality = date, "101500", kind
        one.ImageType, one.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 9 - k
        one.ImagePositionPatient = [CORNER_LPS[0], CORNER_LPS[1], CORNER_LPS[2] + STEP * k]
        one.ImageOrientationPatient, one.PixelSpacing, one.SliceThickness = [1, 0, 0, 0, 1, 0], list(SPACING), STEP
        one.RescaleSlope, one.RescaleIntercept = 2.0, -1024.0
        set_pixels(one, (hounsfield()[:, :, k].T + 1024) / 2)
        one.save_as(folder / f"{kind}{(number * 7919 + 13) % 10007:05d}", enforce_file_format=True)


def set_pixels(one: Dataset, stored: np.ndarray) -> None:
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.Rows, one.Columns = stored.shape
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    one.PixelData = np.floor(stored).astype("<u2").tobytes()


def shown() -> np.ndarray:
    """What the series says: stored whole numbers times 2, minus 1024."""
    return np.floor((hounsfield() + 1024) / 2) * 2 - 1024


def mask(path: Path, affine: np.ndarray = AFFINE) -> None:
    drawn = np.zeros((COLUMNS, ROWS, SLICES), np.uint8)
    drawn[1:4, 2:4, 1:3] = 1
    path.parent.mkdir(exist_ok=True)
    write_nifti(Volume(drawn, affine, Unit.LABEL), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dataset.toml").write_text('crop = "lesion"\nlabels = "1=GTV"\n', encoding="utf-8")
    (tmp_path / "clinical.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "clinical.toml").write_text(SCHEMA, encoding="utf-8")
    return tmp_path


def images(cohort: Cohort, exam: str) -> dict[str, dict]:
    return {str(row["modality"]): row for row in cohort.rows("images", exam_id=exam)}


def test_a_dicom_folder_is_the_patient_of_its_name_with_hu_and_place(folder: Path) -> None:
    series(folder / "ct" / "P1")
    cohort = read(folder)
    assert list(cohort.patient_ids) == ["P1", "P2", "P3"]
    (row,) = cohort.rows("images")
    assert (row["exam_id"], row["modality"], row["role"], row["unit"]) == ("P1.0", Modality.CT, Role.IMAGE, Unit.HU)
    volume = cohort.image(row["image_id"])
    for index in np.ndindex(COLUMNS, ROWS, SLICES):  # whichever way the axes run, each value is where the DICOM says
        place = np.linalg.solve(volume.geometry.affine, AFFINE @ [*index, 1])[:3]
        np.testing.assert_allclose(place, np.round(place), atol=1e-5)
        assert volume.array[tuple(np.round(place).astype(int))] == shown()[index]
    pfs, death = cohort.outcome("PFS"), cohort.outcome("OS")
    assert dict(zip(pfs.patient_ids, pfs.time_days.tolist(), strict=True)) == {"P1": 90.0, "P2": 30.0}
    assert pfs.event.tolist() == [True, False] and death.time_days.tolist() == [400.0, 30.0]
    assert cohort.provenance[0]["crop"] == "lesion"


def test_dicom_and_nifti_stand_beside_each_other_and_a_mask_finds_its_series(folder: Path) -> None:
    series(folder / "ct" / "P1")
    write_nifti(Volume(shown().astype(np.int16), AFFINE, Unit.HU), folder / "ct" / "P2.nii.gz")
    for patient in ("P1", "P2"):
        mask(folder / "mask" / f"{patient}.nii.gz")
    cohort = read(folder)
    for exam in ("P1.0", "P2.0"):
        found = images(cohort, exam)
        assert set(found) == {"CT", "SEG"}
        assert found["SEG"]["reference_image_id"] == found["CT"]["image_id"] and found["SEG"]["problem"] is None
        ct, drawn = (cohort.image(found[kind]["image_id"]) for kind in ("CT", "SEG"))
        assert ct.geometry.same_grid(drawn.geometry) and int((drawn.array > 0).sum()) == 12
        assert sorted(ct.array[drawn.array > 0].tolist()) == sorted(shown()[1:4, 2:4, 1:3].ravel().tolist())


def test_a_mask_of_another_grid_is_no_mask_of_the_series(folder: Path) -> None:
    series(folder / "ct" / "P1")
    moved = AFFINE.copy()
    moved[0, 3] += 40.0
    mask(folder / "mask" / "P1.nii.gz", moved)
    found = images(read(folder), "P1.0")
    assert found["SEG"]["reference_image_id"] is None and found["SEG"]["problem"]


@pytest.mark.parametrize("order", [("20200305", "20200601"), ("20200601", "20200305")])
def test_later_studies_are_later_exams_and_other_modalities_are_left_out(folder: Path, order: Sequence[str]) -> None:
    for number, date in enumerate(order):
        series(folder / "ct" / "P1" / f"s{number}", date=date, study=f"1.2.{number}")
    series(folder / "ct" / "P1" / "pet", kind="PT", date=order[0], study="1.2.0")
    mask(folder / "mask" / "P1.nii.gz")
    cohort = read(folder)
    exams = {row["exam_id"]: row for row in cohort.rows("exams")}
    assert set(exams) == {"P1.0", "P1.1"} and exams["P1.0"]["order"] < exams["P1.1"]["order"]
    kinds = {exam: set(images(cohort, exam)) for exam in exams}
    assert kinds == {"P1.0": {"CT", "SEG"}, "P1.1": {"CT"}}
    first = images(cohort, "P1.0")["CT"]
    assert f"s{order.index('20200305')}" in str(first["path"])
