"""DICOM files built attribute by attribute with pydicom alone: none of the code under test has a hand in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PT_CLASS = "1.2.840.10008.5.1.4.1.1.128"


def fresh(sop_class: str, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PatientID = "P1"
    dataset.PatientName = "Nobody^At All"
    dataset.PatientSex = "M"
    dataset.PatientAge = "061Y"
    dataset.StudyInstanceUID = "1.2.3.1"
    dataset.FrameOfReferenceUID = "1.2.3.9"
    dataset.StudyDate = "20200305"
    dataset.StudyTime = "101500"
    return dataset


def ct_slice(
    stored: np.ndarray,
    position: Sequence[float],
    *,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    spacing: Sequence[float] = (1.0, 1.0),
    slope: float = 1.0,
    intercept: float = 0.0,
    bits: int = 16,
    number: int = 1,
    series: str = "1.2.3.2",
) -> Dataset:
    """A CT slice of stored values (rows, columns)."""
    dataset = fresh(CT_CLASS)
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID = series
    dataset.InstanceNumber = number
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient = [float(v) for v in position]
    dataset.ImageOrientationPatient = [float(v) for v in orientation]
    dataset.PixelSpacing = list(spacing)
    dataset.SliceThickness = 2.0
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    set_pixels(dataset, stored, bits)
    return dataset


def set_pixels(dataset: Dataset, stored: np.ndarray, bits: int = 16) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)


def pet_slice(
    stored: np.ndarray,
    position: Sequence[float],
    *,
    units: str = "BQML",
    slope: float = 1.0,
    acquired: str = "110000",
    series_time: str = "110000",
    injected: str | None = "100000",
    **attributes: Any,
) -> Dataset:
    """A PET slice: 70 kg, 370 MBq of 18F at 10:00, scanned at 11:00, decay-corrected to the start."""
    dataset = ct_slice(stored, position, slope=slope, series="1.2.3.3")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = PT_CLASS
    dataset.Modality = "PT"
    dataset.Units = units
    dataset.CorrectedImage = ["ATTN", "DECY", "SCAT"]
    dataset.DecayCorrection = "START"
    dataset.PatientWeight = "70"
    dataset.SeriesDate = dataset.AcquisitionDate = "20200305"
    dataset.SeriesTime, dataset.AcquisitionTime = series_time, acquired
    dataset.ActualFrameDuration = "180000"
    drug = Dataset()
    if injected is not None:
        drug.RadiopharmaceuticalStartTime = injected
    drug.RadionuclideTotalDose = "370000000"
    drug.RadionuclideHalfLife = "6586.2"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "^18^Fluorine"
    drug.RadionuclideCodeSequence = [code]
    dataset.RadiopharmaceuticalInformationSequence = [drug]
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


Save = Callable[[Sequence[Dataset]], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write datasets to a folder under names that say nothing about their order."""

    def write(datasets: Sequence[Dataset], name: str = "series") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for index, dataset in enumerate(datasets):
            dataset.save_as(folder / f"file{(index * 7919 + 13) % 10007:05d}", enforce_file_format=True)
        return folder

    return write


@pytest.fixture
def ct() -> Callable[..., Dataset]:
    return ct_slice


@pytest.fixture
def pet() -> Callable[..., Dataset]:
    return pet_slice


@pytest.fixture
def stack(save: Save) -> Callable[..., Path]:
    """A folder with an axial CT series: 4 slices of 5 rows, 6 columns, 2 mm apart, values 100 k + 10 row + column."""

    def build(**keywords: Any) -> Path:
        rows, columns = np.mgrid[:5, :6]
        order = [2, 0, 3, 1]
        return save(
            [
                ct_slice(
                    (100 * k + 10 * rows + columns).astype(np.int16), (-7, -9, 30 + 2 * k), number=9 - k, **keywords
                )
                for k in order
            ]
        )

    return build


def gdcm_compress(path: Path, syntax: str) -> None:
    """Compress a file in place by a syntax that gdcm names."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


@pytest.fixture
def recompress() -> Callable[[Path, str], None]:
    return gdcm_compress
