"""A file of a series with a fault ends as a coded error, before memory is taken for it."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

sys.path.insert(0, str(Path(__file__).parent))

from series_cases import code_of, expected_values

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom.series import read_series

Stack = Callable[..., Path]


@pytest.mark.parametrize(
    "keyword",
    [
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
        "Rows",
        "BitsAllocated",
        "PixelRepresentation",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "Modality",
        "PixelData",
    ],
)
def test_a_missing_attribute_is_named(stack: Stack, keyword: str) -> None:
    folder = stack()
    for path in folder.iterdir():
        dataset = dcmread(path)
        delattr(dataset, keyword)
        dataset.save_as(path)
    with pytest.raises(TumorboardError, match=rf"DCM103.*{keyword}"):
        read_series(folder, unit=Unit.HU)


@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ("ImagePositionPatient", b"1\\nan\\2 ", "DCM104"),
        ("ImagePositionPatient", b"1\\2 ", "DCM104"),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\2\\0 ", "DCM126"),
        ("ImageOrientationPatient", b"1\\0\\0\\1\\0\\0 ", "DCM126"),
        ("PixelSpacing", b"0\\1 ", "DCM104"),
        ("PixelSpacing", b"-1\\1", "DCM104"),
        ("RescaleSlope", b"0 ", "DCM104"),
        ("RescaleSlope", b"inf ", "DCM104"),
        ("RescaleSlope", b"abc ", "DCM104"),
        ("RescaleType", b"MGML", "DCM131"),
    ],
)
def test_impossible_values_are_coded(stack: Stack, keyword: str, value: bytes, code: str) -> None:
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    folder = stack()
    for path in folder.iterdir():
        dataset = dcmread(path)
        tag = Tag(keyword)
        dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True, True)
        dataset.save_as(path)
    assert code_of(folder) == code


def test_colour_and_short_pixels(stack: Stack) -> None:
    folder = stack()
    path = sorted(folder.iterdir())[0]
    dataset = dcmread(path)
    dataset.PixelData = dataset.PixelData[:-10]
    dataset.save_as(path)
    with pytest.raises(TumorboardError, match=r"DCM107.*50 bytes.*expected 60"):
        read_series(folder, unit=Unit.HU)
    dataset.SamplesPerPixel = 3
    dataset.save_as(path)
    assert code_of(folder) == "DCM108"


def test_a_cut_file_and_foreign_bytes(stack: Stack, tmp_path: Path) -> None:
    folder = stack()
    path = sorted(folder.iterdir())[0]
    path.write_bytes(path.read_bytes()[:300])
    assert code_of(folder).startswith("DCM1")
    other = tmp_path / "note.txt"
    other.write_text("no scan")
    assert code_of(other) == "DCM101"
    other.write_bytes(b"")
    assert code_of(other) == "DCM101"
    assert code_of(tmp_path / "nothing") == "FIL101"


def test_the_unit_must_fit_the_modality(stack: Stack) -> None:
    folder = stack()
    for unit in (Unit.SUVBW, Unit.BQML, Unit.GY):
        assert code_of(folder, unit=unit) == "DCM131"


def test_gzipped_and_bare_files(stack: Stack) -> None:
    folder = stack()
    for index, path in enumerate(sorted(folder.iterdir())):
        data = path.read_bytes()
        if index % 2:
            (folder / f"{path.name}.dcm.gz").write_bytes(gzip.compress(data))
            path.unlink()
    np.testing.assert_array_equal(read_series(folder, unit=Unit.HU).array, expected_values())


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path: Path, stack: Stack) -> None:
    from tumorboard.io.dicom.files import read_header

    bomb = tmp_path / "bomb.dcm.gz"
    bomb.write_bytes(gzip.compress(bytes(2**24)))
    with pytest.raises(TumorboardError, match="FIL105"):
        read_header(bomb, max_bytes=2**20)
    dataset = dcmread(sorted(stack().iterdir())[0])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    dataset.PixelData = bytes(2**22)
    deflated = tmp_path / "deflated"
    dataset.save_as(deflated)
    assert deflated.stat().st_size < 2**16
    with pytest.raises(TumorboardError, match="DCM110"):
        read_header(deflated, max_bytes=2**20)
    assert read_header(deflated).text("PatientID") == "P1"
