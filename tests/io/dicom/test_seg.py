"""Segmentations: bit by bit, by position, never by frame number. highdicom reads what we write, and the reverse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.seg import own_geometry, read_segment_labels, read_segmentation, segment_mask
from tumorboard.io.dicom.seg_write import write_segmentation
from tumorboard.io.dicom.series import Series, arrange_series
from tumorboard.io.dicom.terms import term_for

LABELS = {1: "GTVp", 2: "GTVn", 5: "odd thing"}


@pytest.fixture
def source(ct: Callable[..., Dataset], save: Callable[..., Path]) -> Series:
    """A series of 7 slices of 13 x 11 pixels: frames of 143 bits, which begin in the middle of bytes."""
    slices = [
        ct(np.zeros((11, 13), np.int16), (3, 4, 2.5 * k), spacing=(1.7, 1.3), number=99 - k)
        for k in (3, 0, 6, 2, 5, 1, 4)
    ]
    headers = [read_header(path) for path in sorted(save(slices, "source").iterdir())]
    return arrange_series(headers, unit=Unit.HU)


@pytest.fixture
def mask(source: Series) -> Volume:
    array = np.random.default_rng(5).choice([0, 0, 1, 2, 5], source.geometry.shape).astype(np.uint8)
    array[:, :, 4] = 0
    return Volume(array, source.geometry.affine, Unit.LABEL)


def back(path: Path, mask: Volume, segments: dict[str, int], **options: Any) -> np.ndarray:
    affine = mask.affine.ravel().tolist()
    return read_segment_labels(
        path, unit=Unit.LABEL, shape=mask.shape, affine=affine, segments=segments, **options
    ).array


def test_written_and_read_back_bit_equal(source: Series, mask: Volume, tmp_path: Path) -> None:
    path = tmp_path / "seg.dcm"
    write_segmentation(mask, path, source=source, labels=LABELS)
    np.testing.assert_array_equal(back(path, mask, {"1": 1, "2": 2, "5": 3}), mask.array)
    first = path.read_bytes()
    write_segmentation(mask, path, source=source, labels=LABELS)
    assert path.read_bytes() == first


def test_highdicom_reads_the_same_mask_and_codes(source: Series, mask: Volume, tmp_path: Path) -> None:
    from highdicom.seg import segread

    path = tmp_path / "seg.dcm"
    write_segmentation(mask, path, source=source, labels=LABELS)
    other = segread(path)
    uids = [plane.sop_uid for plane in source.planes]
    frames = other.get_pixels_by_source_instance(uids, combine_segments=False, assert_missing_frames_are_empty=True)
    for index, value in enumerate(LABELS):
        np.testing.assert_array_equal(frames[..., index].transpose(2, 1, 0), mask.array == value)
    types = [other.get_segment_description(n).segmented_property_type.meaning for n in (1, 2, 3)]
    assert types == ["Neoplasm, Primary", "Neoplasm, Secondary", "odd thing"]
    region = other.get_segment_description(2).anatomic_regions[0]
    assert (region.value, region.scheme_designator) == ("59441001", "SCT")
    assert other.FrameOfReferenceUID == "1.2.3.9"
    assert other.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.2"


def test_the_source_is_not_touched(source: Series, mask: Volume, tmp_path: Path) -> None:
    write_segmentation(mask, tmp_path / "seg.dcm", source=source, labels=LABELS)
    assert source.first.text("PatientName") == "Nobody^At All"
    assert dcmread(tmp_path / "seg.dcm").PatientName == "Nobody^At All"


def test_an_empty_mask_is_written_as_one(source: Series, mask: Volume, tmp_path: Path) -> None:
    path = tmp_path / "seg.dcm"
    empty = mask.with_array(np.zeros_like(mask.array))
    write_segmentation(empty, path, source=source, labels={1: "GTVp"})
    assert not back(path, empty, {"1": 1}).any()


def test_frames_are_placed_by_position(source: Series, mask: Volume, tmp_path: Path) -> None:
    """The frames in another order, with their descriptions, are the same segmentation."""
    path = tmp_path / "seg.dcm"
    write_segmentation(mask, path, source=source, labels=LABELS)
    dataset = dcmread(path)
    count, size = dataset.NumberOfFrames, dataset.Rows * dataset.Columns
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little", count=count * size)
    order = np.random.default_rng(0).permutation(count)
    packed = np.packbits(bits.reshape(count, size)[order].ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    dataset.PerFrameFunctionalGroupsSequence = [dataset.PerFrameFunctionalGroupsSequence[int(i)] for i in order]
    dataset.save_as(path)
    np.testing.assert_array_equal(back(path, mask, {"1": 1, "2": 2, "5": 3}), mask.array)


def made_by_highdicom(source: Series, pixels: np.ndarray, kind: str, segments: int) -> Any:
    """A segmentation by highdicom itself; pixels (slices, rows, columns[, segments])."""
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    datasets = []
    for plane in source.planes:
        dataset = source.header_of(plane).dataset
        for keyword in ("PatientBirthDate", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
            setattr(dataset, keyword, "")
        datasets.append(dataset)
    described = [
        SegmentDescription(n, f"S{n}", codes.SCT.Tissue, codes.SCT.Liver, "MANUAL") for n in range(1, segments + 1)
    ]
    return Segmentation(datasets, pixels, kind, described, generate_uid(), 1, generate_uid(), 1, "M", "M", "1", "0")


def test_overlapping_segments(source: Series, mask: Volume, tmp_path: Path) -> None:
    pixels = np.zeros((7, 11, 13, 2), np.uint8)
    pixels[1:4, 2:8, 2:8, 0] = 1
    pixels[2:5, 5:10, 5:10, 1] = 1
    path = tmp_path / "overlap.dcm"
    made_by_highdicom(source, pixels, "BINARY", 2).save_as(path)
    stored = read_segmentation(path)
    for index, segment in enumerate(stored.segments):
        found = segment_mask(stored, segment, source.geometry)
        np.testing.assert_array_equal(found.transpose(2, 1, 0), pixels[..., index] > 0)
    with pytest.raises(TumorboardError, match="SEG104"):
        back(path, mask, {"1": 1, "2": 2})
    last = back(path, mask, {"1": 1, "2": 2}, overlap="last")
    np.testing.assert_array_equal((last == 2).transpose(2, 1, 0), pixels[..., 1] > 0)


def test_fractional_values_need_a_threshold(source: Series, mask: Volume, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).uniform(0, 1, (7, 11, 13)).astype(np.float32)
    path = tmp_path / "fractional.dcm"
    made_by_highdicom(source, pixels, "FRACTIONAL", 1).save_as(path)
    with pytest.raises(TumorboardError, match="SEG102"):
        back(path, mask, {"1": 1})
    found = back(path, mask, {"1": 1}, threshold=0.4)
    clear = np.abs(pixels - 0.4) > 0.01  # stored in 255 steps
    np.testing.assert_array_equal((found == 1).transpose(2, 1, 0)[clear], (pixels > 0.4)[clear])


def test_label_maps_of_the_newer_kind(source: Series, mask: Volume, tmp_path: Path) -> None:
    values = np.minimum(mask.array, 2).transpose(2, 1, 0).astype(np.uint8)
    path = tmp_path / "labelmap.dcm"
    made_by_highdicom(source, np.ascontiguousarray(values), "LABELMAP", 2).save_as(path)
    np.testing.assert_array_equal(back(path, mask, {"1": 1, "2": 2}), np.minimum(mask.array, 2))


def test_another_grid_is_refused_and_its_own_is_known(source: Series, mask: Volume, tmp_path: Path) -> None:
    path = tmp_path / "seg.dcm"
    write_segmentation(mask, path, source=source, labels=LABELS)
    moved = mask.affine.copy()
    moved[2, 3] += 1.0
    for other in (Volume(mask.array, moved, Unit.LABEL), mask.crop((0, 0, 0), (12, 11, 7)), mask.flip(0)):
        with pytest.raises(TumorboardError, match="SEG103"):
            back(path, other, {"1": 1})
    with pytest.raises(TumorboardError, match="DCM121"):  # slice 4 has no frame
        own_geometry(read_segmentation(path))
    whole = mask.with_array(np.ones_like(mask.array))
    write_segmentation(whole, path, source=source, labels={1: "GTVp"})
    assert own_geometry(read_segmentation(path)).same_grid(mask.geometry)


def test_broken_segmentations(source: Series, mask: Volume, tmp_path: Path) -> None:
    path = tmp_path / "seg.dcm"

    def code_after(change: Callable[[Dataset], Any]) -> str:
        write_segmentation(mask, path, source=source, labels=LABELS)
        dataset = dcmread(path)
        change(dataset)
        dataset.save_as(path)
        with pytest.raises(TumorboardError) as caught:
            back(path, mask, {"1": 1, "2": 2, "5": 3})
        return caught.value.code.id

    frames = "PerFrameFunctionalGroupsSequence"
    assert code_after(lambda d: setattr(d, "PixelData", d.PixelData[:-8])) == "DCM107"
    assert code_after(lambda d: delattr(d, frames)) == "SEG101"
    assert code_after(lambda d: setattr(d, frames, list(getattr(d, frames))[1:])) == "SEG101"
    assert code_after(lambda d: delattr(getattr(d, frames)[3], "SegmentIdentificationSequence")) == "SEG101"
    assert code_after(lambda d: delattr(getattr(d, frames)[3], "PlanePositionSequence")) == "DCM103"
    assert code_after(lambda d: setattr(d, "SegmentSequence", list(d.SegmentSequence)[:1])) == "SEG101"
    assert code_after(lambda d: setattr(d, "SegmentationType", "OTHER")) == "SEG101"
    assert code_after(lambda d: setattr(d, "NumberOfFrames", 10**9)) in ("DCM110", "SEG101")
    write_segmentation(mask, path, source=source, labels=LABELS)
    with pytest.raises(TumorboardError, match="RTS101"):
        back(path, mask, {"1": 9})


def test_names_outside_the_table_claim_nothing() -> None:
    assert term_for("GTVp").type == ("372087000", "SCT", "Neoplasm, Primary")
    assert term_for("gtv_n").type[0] == "14799000"
    assert term_for("Tumour") == term_for("tumor") == term_for("GTV")
    unknown = term_for("Ähnliches Ding 7")
    assert unknown.category == ("309825002", "SCT", "Spatial and Relational Concept")
    assert unknown.type[1] == "99TUMORBOARD"
    assert len(unknown.type[0]) <= 16
