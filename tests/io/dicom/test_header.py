"""Attributes read from their bytes are what pydicom makes of them, in every encoding; broken ones are refused."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom.header import Header

WRITTEN = {
    "Rows": 513,
    "PixelRepresentation": 0,
    "SimpleFrameList": [1, 2],
    "PixelSpacing": [0.75, 1.5],
    "NumberOfFrames": 12,
    "Modality": "CT",
    "WindowCenter": [40, -600],
    "AcquisitionDate": "20261122",
    "DimensionIndexValues": [1, 70_000],
    "VerticesOfThePolygonalShutter": [3, 4, 65_535, 0],
}


def read_back(encoding: tuple[bool, bool]) -> Dataset:
    """`WRITTEN` as bytes and back, nothing converted yet."""
    dataset = Dataset()
    for keyword, value in WRITTEN.items():
        setattr(dataset, keyword, value)
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = encoding
    write_dataset(file, dataset)
    return read_dataset(BytesIO(file.getvalue()), *encoding)


@pytest.mark.parametrize("encoding", [(True, True), (False, True), (False, False)], ids=["implicit", "little", "big"])
@pytest.mark.parametrize("keyword", WRITTEN)
def test_text_is_what_pydicom_reads(encoding: tuple[bool, bool], keyword: str) -> None:
    value = read_back(encoding)[keyword].value
    parts = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    assert Header(read_back(encoding), "x").text(keyword) == "\\".join(str(part) for part in parts)


def test_whole_numbers_of_a_wrong_length_are_refused() -> None:
    raw = b"\x28\x00\x10\x00US\x03\x00\x01\x02\x03"  # Rows with three bytes
    with pytest.raises(TumorboardError, match="DCM104"):
        Header(read_dataset(BytesIO(raw), False, True), "x").whole("Rows")


def test_a_default_stands_for_absent_and_empty_alone() -> None:
    dataset = Dataset()
    dataset.SliceThickness = None
    header = Header(dataset, "x")
    assert header.number("SliceThickness", default=2.5) == header.number("SpacingBetweenSlices", default=2.5) == 2.5
    with pytest.raises(TumorboardError, match="DCM103"):
        header.number("SliceThickness")
    dataset.SliceThickness = 0
    assert header.number("SliceThickness", default=2.5) == 0
