"""X-rays from picture files and from DICOM: grey values, grid, sides, and everything that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom.radiograph import radiograph_facts, read_dicom_radiograph
from tumorboard.io.radiograph import (
    frontal_affine,
    picture_unit,
    read_radiograph,
    read_radiograph_geometry,
)

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20  # 3 rows, 4 columns


def saved(folder: Path, array: np.ndarray[Any, Any], name: str = "a.png", **options: Any) -> Path:
    path = folder / name
    Image.fromarray(array).save(path, **options)
    return path


def test_columns_run_left_and_rows_down(tmp_path: Path) -> None:
    volume = read_radiograph(saved(tmp_path, PIXELS), unit=Unit.GREY8, spacing_mm=(0.2, 0.3))
    assert volume.shape == (4, 3, 1)
    assert np.array_equal(volume.array[:, :, 0].T, PIXELS)
    assert volume.geometry.axis_codes[:2] == "LI"
    assert volume.spacing_mm[:2].tolist() == [0.2, 0.3]
    assert read_radiograph_geometry(tmp_path / "a.png").spacing_mm[:2].tolist() == [1, 1]  # not known: pixels


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    path = saved(tmp_path, PIXELS.astype(np.uint16) * 250)
    assert picture_unit(path) is Unit.GREY16
    volume = read_radiograph(path, unit=Unit.GREY16)
    assert volume.array.dtype == np.uint16
    assert volume.array.max() == 55000
    with pytest.raises(TumorboardError, match="FIL102"):
        read_radiograph(path, unit=Unit.GREY8)


def test_grey_written_as_colours_is_grey(tmp_path: Path) -> None:
    rgba = np.dstack([PIXELS] * 3 + [np.full_like(PIXELS, 255)])
    assert np.array_equal(read_radiograph(saved(tmp_path, rgba), unit=Unit.GREY8).array[:, :, 0].T, PIXELS)


def test_colours_and_transparency_are_refused(tmp_path: Path) -> None:
    rgb = np.dstack([PIXELS, PIXELS, PIXELS])
    rgb[0, 0, 0] = 9
    with pytest.raises(TumorboardError, match="IMG105"):
        read_radiograph(saved(tmp_path, rgb), unit=Unit.GREY8)
    rgba = np.dstack([PIXELS] * 3 + [np.full_like(PIXELS, 254)])
    with pytest.raises(TumorboardError, match="IMG105"):
        read_radiograph(saved(tmp_path, rgba, "b.png"), unit=Unit.GREY8)


def test_a_turn_for_display_is_nobodys_guess(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    path = saved(tmp_path, PIXELS, "a.jpg", exif=exif, quality=100)
    with pytest.raises(TumorboardError, match="IMG106"):
        read_radiograph(path, unit=Unit.GREY8)
    assert read_radiograph(path, unit=Unit.GREY8, exif="ignore").shape == (4, 3, 1)
    turned = read_radiograph(path, unit=Unit.GREY8, exif="apply")
    assert turned.shape == read_radiograph_geometry(path, exif="apply").shape == (3, 4, 1)
    assert np.abs(turned.array[:, :, 0].T.astype(int) - np.rot90(PIXELS, -1)).max() <= 4  # JPEG


def test_what_is_no_whole_picture_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8))
    (tmp_path / "cut.png").write_bytes(path.read_bytes()[:9000])
    with pytest.raises(TumorboardError, match="FIL104"):
        read_radiograph(tmp_path / "cut.png", unit=Unit.GREY8)
    with pytest.raises(TumorboardError, match="FIL105"):
        read_radiograph(path, unit=Unit.GREY8, max_pixels=39_999)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(TumorboardError, match="FIL102"):
        read_radiograph(tmp_path / "text.png", unit=Unit.GREY8)
    with pytest.raises(TumorboardError, match="FIL101"):
        read_radiograph(tmp_path / "absent.png", unit=Unit.GREY8)


def dicom(folder: Path, **changes: Any) -> Path:
    """A DX file of 3 rows and 4 columns with 12 bits, values 0 to 11."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    dataset.Modality, dataset.PatientID = "DX", "P1"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 3, 4, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = np.arange(12, dtype="<u2").tobytes()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    path = folder / "x.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_dicom_as_it_is(tmp_path: Path) -> None:
    path = dicom(tmp_path, ImagerPixelSpacing=[0.3, 0.2], ViewPosition="PA", PatientOrientation=["L", "F"])
    facts = radiograph_facts(path)
    assert (facts.unit, facts.view, facts.spacing_mm) == (Unit.GREY16, "PA", (0.2, 0.3))
    assert facts.spacing_source == "ImagerPixelSpacing"
    assert not facts.is_lateral
    volume = read_dicom_radiograph(path, unit=Unit.GREY16)
    assert np.array_equal(volume.array[:, :, 0].T, np.arange(12).reshape(3, 4))
    assert np.allclose(volume.affine, frontal_affine((0.2, 0.3)))


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    path = dicom(tmp_path, PhotometricInterpretation="MONOCHROME1")
    assert radiograph_facts(path).inverted
    assert read_dicom_radiograph(path, unit=Unit.GREY16).array[0, 0, 0] == 4095


def test_sides_come_from_the_header(tmp_path: Path) -> None:
    assert radiograph_facts(dicom(tmp_path, PatientOrientation=["R", "F"])).geometry.axis_codes[:2] == "RI"
    assert radiograph_facts(dicom(tmp_path, PatientOrientation=["A", "F"])).is_lateral
    assert radiograph_facts(dicom(tmp_path, ViewPosition="LL")).is_lateral
    assert radiograph_facts(dicom(tmp_path)).spacing_mm is None
    with pytest.raises(TumorboardError, match="DCM104"):
        radiograph_facts(dicom(tmp_path, PatientOrientation=["L", "R"]))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Modality": "CT"}, "DCM131"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "DCM108"),
        ({"NumberOfFrames": 2}, "DCM108"),
        ({"ImagerPixelSpacing": [0.0, 0.2]}, "DCM104"),
    ],
)
def test_what_is_no_radiograph_is_refused(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(TumorboardError, match=code):
        radiograph_facts(dicom(tmp_path, **changes))
