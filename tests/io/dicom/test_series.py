"""A series ends as voxels in the right place with the right value, or as a coded error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless

sys.path.insert(0, str(Path(__file__).parent))

from series_cases import code_of, expected_values

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom.series import read_series

Stack = Callable[..., Path]


# ---- order and place --------------------------------------------------------------------------------------
def test_slices_stand_in_the_order_of_their_position(stack: Stack) -> None:
    volume = read_series(stack(spacing=(0.8, 0.5)), unit=Unit.HU)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, expected_values())
    # By hand: columns run to the patient's left (LPS +x), 0.5 mm; rows to the back, 0.8 mm; RAS turns both signs.
    np.testing.assert_allclose(
        volume.affine, [[-0.5, 0, 0, 7], [0, -0.8, 0, 9], [0, 0, 2, 30], [0, 0, 0, 1]], atol=1e-12
    )


def test_oblique_and_reversed_axes_give_the_exact_affine(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    angle = np.deg2rad(20)
    row = np.array([-1.0, 0, 0])
    column = np.array([0, np.cos(angle), np.sin(angle)])
    normal = np.cross(row, column)
    start = np.array([11.0, -5, 40])
    slices = [
        ct(np.full((2, 3), k, np.int16), start + 3 * k * normal, orientation=[*row, *column], spacing=(2, 1.5))
        for k in range(3)
    ]
    volume = read_series(save(slices), unit=Unit.HU)
    np.testing.assert_array_equal(volume.array[0, 0], [0, 1, 2])
    lps_to_ras = np.array([-1, -1, 1])
    for index, place in {
        (0, 0, 0): start,
        (2, 0, 0): start + 3 * row,
        (0, 1, 0): start + 2 * column,
        (2, 1, 2): start + 3 * row + 2 * column + 6 * normal,
    }.items():
        np.testing.assert_allclose(volume.geometry.to_world(index), place * lps_to_ras, atol=1e-9)


def test_a_single_slice_takes_its_thickness(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    dataset = ct(np.zeros((2, 2), np.int16), (0, 0, 5))
    assert read_series(save([dataset]), unit=Unit.HU).spacing_mm[2] == 2.0
    del dataset.SliceThickness
    folder = save([dataset])
    assert code_of(folder) == "DCM103"
    assert read_series(folder, unit=Unit.HU, slice_step_mm=1.25).spacing_mm[2] == 1.25


def at(ct: Callable[..., Dataset], *positions: tuple[float, float, float], **keywords: object) -> list[Dataset]:
    return [ct(np.full((3, 3), i, np.int16), p, **keywords) for i, p in enumerate(positions)]


def test_a_gap_is_named_with_its_place(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    folder = save(at(ct, *[(0, 0, 2.0 * k) for k in range(9) if k not in (4, 5)]))
    with pytest.raises(TumorboardError, match=r"DCM121.*2 slices missing: 2 behind 6\.00 mm"):
        read_series(folder, unit=Unit.HU)


def test_uneven_steps_duplicates_and_sideways_moves(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    assert code_of(save(at(ct, (0, 0, 0), (0, 0, 2), (0, 0, 3.1), (0, 0, 6)), "uneven")) == "DCM123"
    assert code_of(save(at(ct, (0, 0, 0), (0, 0, 2), (0, 0, 2), (0, 0, 4)), "double")) == "DCM122"
    assert code_of(save(at(ct, (0, 0, 0), (5, 0, 2), (0, 0, 4)), "aside")) == "DCM123"


def test_rounded_positions_are_no_fault(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    positions = [(0.0, 0.0, round(1.333333 * k, 1)) for k in range(12)]
    volume = read_series(save(at(ct, *positions)), unit=Unit.HU)
    assert volume.spacing_mm[2] == pytest.approx(positions[-1][2] / 11)


def test_the_same_file_twice_counts_once(stack: Stack) -> None:
    folder = stack()
    first = sorted(folder.iterdir())[0]
    (folder / "copy").write_bytes(first.read_bytes())
    np.testing.assert_array_equal(read_series(folder, unit=Unit.HU).array, expected_values())
    changed = dcmread(first)
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(folder / "copy")
    assert code_of(folder) == "DCM122"


def test_gantry_tilt_is_refused_or_exact(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    # 15 degrees: every slice 3 mm higher and 3 tan(15) = 0.804 mm further back.
    shift = 3 * np.tan(np.deg2rad(15))
    folder = save(at(ct, *[(0, shift * k, 3.0 * k) for k in range(6)]))
    with pytest.raises(TumorboardError, match=r"DCM125.*15\.0 degrees"):
        read_series(folder, unit=Unit.HU)
    volume = read_series(folder, unit=Unit.HU, allow_shear=True)
    np.testing.assert_allclose(volume.affine[:3, 2], [0, -shift, 3], atol=1e-9)
    assert not volume.geometry.is_orthogonal


def test_localizers_and_mixed_stacks(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    slices = at(ct, (0, 0, 0), (0, 0, 2), (0, 0, 4))
    scout = ct(np.zeros((3, 3), np.int16), (0, 0, 0), orientation=(1, 0, 0, 0, 0, -1))
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    folder = save([*slices, scout])
    assert code_of(folder) == "DCM124"
    chosen = read_series(folder, unit=Unit.HU, select={"ImageType": "ORIGINAL\\PRIMARY\\AXIAL"})
    assert chosen.shape == (3, 3, 3)
    assert code_of(folder, select={"ImageType": "NONE"}) == "DCM105"
    assert code_of(save([*slices, ct(np.zeros((4, 3), np.int16), (0, 0, 6))], "size")) == "DCM124"


def test_two_series_in_one_folder(stack: Stack, ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    folder = stack()
    ct(np.zeros((5, 6), np.int16), (0, 0, 0), series="1.2.3.77").save_as(folder / "other")
    assert code_of(folder) == "DCM106"
    assert read_series(folder, unit=Unit.HU, series_uid="1.2.3.2").shape == (6, 5, 4)
    assert code_of(folder, series_uid="1.2.3.78") == "DCM105"


def test_files_outside_the_folder_are_refused(stack: Stack) -> None:
    folder = stack()
    assert code_of(folder, files=["../../etc/passwd"]) == "FIL103"


# ---- values -----------------------------------------------------------------------------------------------
def test_every_slice_has_its_own_rescale(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    stored = np.array([[1, 2], [3, 4]], np.int16)
    folder = save([ct(stored, (0, 0, 0), slope=0.5, intercept=-1), ct(stored, (0, 0, 2), slope=2.25, intercept=10)])
    array = read_series(folder, unit=Unit.HU).array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[:, :, 0].T, [[-0.5, 0], [0.5, 1]])
    np.testing.assert_array_equal(array[:, :, 1].T, [[12.25, 14.5], [16.75, 19]])


def test_unsigned_values_and_large_ones(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    stored = np.array([[0, 40000], [1024, 65535]], np.uint16)
    array = read_series(save([ct(stored, (0, 0, 0), intercept=-1024)]), unit=Unit.HU).array
    assert array.dtype == np.int32
    np.testing.assert_array_equal(array[:, :, 0].T, [[-1024, 38976], [0, 64511]])


def test_bits_above_the_stored_ones_are_no_value(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    # 12 bits signed: 0xF801 is -2047 with its sign extended, 0x5801 the same value under a stray overlay bit.
    stored = np.array([[0xF801, 0x5801], [0x07FF, 0xA000]], np.uint16).view(np.int16)
    array = read_series(save([ct(stored, (0, 0, 0), bits=12)]), unit=Unit.HU).array
    np.testing.assert_array_equal(array[:, :, 0].T, [[-2047, -2047], [2047, 0]])


def test_padding_is_kept_or_replaced_as_stated(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    dataset = ct(np.array([[-2000, -1995], [5, 0]], np.int16), (0, 0, 0), intercept=-1024)
    dataset.PixelPaddingValue = -2000
    folder = save([dataset], "single")
    assert read_series(folder, unit=Unit.HU).array.min() == -3024
    single = read_series(folder, unit=Unit.HU, padding_as=-1024).array[:, :, 0].T
    np.testing.assert_array_equal(single, [[-1024, -3019], [-1019, -1024]])
    dataset.PixelPaddingRangeLimit = -1990
    ranged = read_series(save([dataset], "range"), unit=Unit.HU, padding_as=-1024).array[:, :, 0].T
    np.testing.assert_array_equal(ranged, [[-1024, -1024], [-1019, -1024]])


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_slices_equal_the_plain_ones(stack: Stack, syntax: str) -> None:
    folder = stack()
    for path in folder.iterdir():
        dataset = dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(read_series(folder, unit=Unit.HU).array, expected_values())


@pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14_1", "JPEG2000Lossless"])
def test_codecs_of_the_archives(
    ct: Callable[..., Dataset], save: Callable[..., Path], recompress: Callable[[Path, str], None], syntax: str
) -> None:
    values = np.random.default_rng(0).integers(-1000, 1500, (3, 32, 40)).astype(np.int16)
    folder = save([ct(values[k], (0, 0, 2 * k), intercept=-24) for k in range(3)])
    for path in folder.iterdir():
        recompress(path, syntax)
        assert dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    array = read_series(folder, unit=Unit.HU).array
    np.testing.assert_array_equal(array, values.transpose(2, 1, 0) - 24)


def test_a_missing_decoder_is_named(stack: Stack) -> None:
    folder = stack()
    for path in folder.iterdir():
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"  # HTJ2K
        dataset.save_as(path)
    with pytest.raises(TumorboardError, match=r"DCM109.*High-Throughput JPEG 2000.*pylibjpeg-openjpeg"):
        read_series(folder, unit=Unit.HU)


def test_a_codestream_of_another_size_is_not_decoded(stack: Stack) -> None:
    folder = stack()
    for path in folder.iterdir():
        dataset = dcmread(path)
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        dataset.Rows = 8000
        dataset.save_as(path)
    with pytest.raises(TumorboardError, match=r"DCM107.*5 x 6 pixels for 8000 x 6"):
        read_series(folder, unit=Unit.HU)


# ---- enhanced multi-frame ------------------------------------------------------------------------------------
@pytest.fixture
def enhanced_ct(ct: Callable[..., Dataset]) -> Dataset:
    """Four frames, stored out of order, rows 0.8 mm apart, with a rescale per frame."""
    rows, columns = np.mgrid[:5, :6]
    dataset = ct((10 * rows + columns).astype(np.int16), (0, 0, 0))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        delattr(dataset, keyword)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    dataset.SeriesInstanceUID = "1.2.3.4"
    order = [3, 1, 0, 2]
    dataset.PixelData = np.stack([100 * k + 10 * rows + columns for k in order]).astype("<i2").tobytes()
    dataset.NumberOfFrames = 4
    shared, frames = Dataset(), []
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.5], 2
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    for k in order:
        frame, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-7, -9, 30 + 2 * k]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -k, "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [values]
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = frames
    return dataset


def test_frames_of_an_enhanced_object_are_slices(enhanced_ct: Dataset, save: Callable[..., Path]) -> None:
    volume = read_series(save([enhanced_ct]), unit=Unit.HU)
    np.testing.assert_array_equal(volume.array, expected_values() - np.arange(4))
    np.testing.assert_allclose(volume.affine[:3, 3], [7, 9, 30])
    np.testing.assert_allclose(volume.spacing_mm, [0.5, 0.8, 2])


def test_frames_without_positions_are_refused(enhanced_ct: Dataset, save: Callable[..., Path]) -> None:
    frames = enhanced_ct.PerFrameFunctionalGroupsSequence
    position = frames[2].PlanePositionSequence
    del frames[2].PlanePositionSequence
    assert code_of(save([enhanced_ct], "one")) == "DCM103"
    frames[2].PlanePositionSequence = position
    fifth, place = Dataset(), Dataset()
    place.ImagePositionPatient = [-7, -9, 38]
    fifth.PlanePositionSequence = [place]
    fifth.PixelValueTransformationSequence = frames[0].PixelValueTransformationSequence
    frames.append(fifth)
    assert code_of(save([enhanced_ct], "five")) == "DCM107"
    del enhanced_ct.PerFrameFunctionalGroupsSequence
    assert code_of(save([enhanced_ct], "none")) == "DCM103"


def test_missing_end_slices_of_a_pet_are_noticed(pet: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    folder = save([pet(np.ones((2, 2), np.int16), (0, 0, 3 * k), NumberOfSlices=5) for k in range(4)])
    assert code_of(folder, unit=Unit.BQML) == "DCM121"
    assert read_series(folder, unit=Unit.BQML, allow_incomplete=True).shape == (2, 2, 4)


# ---- real data ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("patient", ["STS_019", "STS_025"])
def test_real_series_equal_their_nifti(real_data: Path, patient: str) -> None:
    """The NIfTI files were made by other people from the same DICOM files."""
    import nibabel

    for folder, unit in (("CT", Unit.HU), ("PET", Unit.SUVBW)):
        volume = read_series(real_data / "sts_dicom" / patient / folder / "image", unit=unit)
        other = nibabel.load(real_data / "sts_petct" / patient / f"{folder}_image.nii.gz")
        values = np.asarray(other.dataobj)
        np.testing.assert_allclose(volume.affine, other.affine, atol=1e-4)
        if folder == "CT":
            np.testing.assert_array_equal(volume.array, values)
        else:
            np.testing.assert_allclose(volume.array, values, rtol=1e-6, atol=0)


def test_real_single_slices_with_padding(real_data: Path) -> None:
    files = sorted((real_data / "ct" / "longitudinal_slices").rglob("*.dcm.gz"))
    assert len(files) == 8
    for path in files:
        kept = read_series(path, unit=Unit.HU)
        clean = read_series(path, unit=Unit.HU, padding_as=-1024)
        assert kept.shape == (512, 512, 1)
        declared = kept.array.min() == -3024  # the eighth has -2048 and declares no padding
        assert clean.array.min() == (-1024 if declared else -2048)
        inside = kept.array > -1024
        np.testing.assert_array_equal(clean.array[inside], kept.array[inside])
