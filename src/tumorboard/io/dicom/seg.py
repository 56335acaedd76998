"""DICOM segmentations -> masks, every frame placed by its position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.header import Header, walk_items
from tumorboard.io.dicom.labels import label_map
from tumorboard.io.dicom.pixels import MAX_FRAME_PIXELS, pixel_bytes, stored_frames, transfer_syntax
from tumorboard.io.dicom.slices import Plane, planes_of

__all__ = ["Segment", "SegmentationFile", "read_segment_labels", "read_segmentation", "segment_mask"]

MAX_BYTES = 8 * 2**30
_PLACE_TOLERANCE_MM = 0.1


@dataclass(frozen=True)
class Segment:
    """One segment: number, label, and the coded property as (value, scheme, meaning)."""

    number: int
    label: str
    property_type: tuple[str, str, str]
    algorithm_type: str


@dataclass(frozen=True)
class SegmentationFile:
    """A segmentation as stored: segments, frames (columns, rows) and the plane and segment of each frame."""

    segments: tuple[Segment, ...]
    kind: str  # BINARY, FRACTIONAL, LABELMAP
    largest: int  # value of a full voxel: 1, or MaximumFractionalValue
    frames: tuple[NDArray[Any], ...]
    planes: tuple[Plane, ...]
    frame_segments: tuple[int, ...]  # 0 for a label map, whose values name the segments
    frame_of_reference_uid: str
    series_uids: tuple[str, ...]
    where: str

    def segment(self, label: str) -> Segment:
        """The segment of that label. RTS101 when there is none, or more than one."""
        found = [segment for segment in self.segments if segment.label == label]
        if len(found) != 1:
            raise TumorboardError(
                codes.RT_STRUCTURE,
                self.where,
                found=f"{len(found)} segments labelled {label!r}",
                expected=f"one; there are {[segment.label for segment in self.segments][:12]}",
            )
        return found[0]


def read_segmentation(path: Path) -> SegmentationFile:
    """All frames of a DICOM SEG file. DCM102 to DCM110 for a damaged file, SEG101 for a form that cannot be placed."""
    header = read_header(path, pixels=True)
    if header.text("Modality") != "SEG":
        raise header.impossible("Modality", header.text("Modality"), "SEG")
    kind = header.required("SegmentationType").upper()
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise TumorboardError(codes.SEG_FORM, path, found=f"SegmentationType {kind}", expected="BINARY or LABELMAP")
    segments = tuple(_segment(item) for item in header.items("SegmentSequence"))
    numbers = [0] if kind == "LABELMAP" else _frame_segments(header)
    planes = planes_of(header) if header.items("PerFrameFunctionalGroupsSequence") else []
    if kind == "LABELMAP":
        numbers = [0] * len(planes)
    frames = _bits(header) if header.whole("BitsAllocated") == 1 else tuple(stored_frames(header))
    if not planes or not len(frames) == len(planes) == len(numbers):
        raise TumorboardError(
            codes.SEG_FORM,
            path,
            found=f"{len(frames)} frames, {len(planes)} positions, {len(numbers)} segment numbers",
            expected="one of each per frame",
        )
    unknown = set(numbers) - {0} - {segment.number for segment in segments}
    if unknown or not segments:
        raise TumorboardError(
            codes.SEG_FORM, path, found=f"frames of segments {sorted(unknown)}", expected="segments that are described"
        )
    series = {item.text("SeriesInstanceUID") for item in header.items("ReferencedSeriesSequence")}
    return SegmentationFile(
        segments,
        kind,
        header.whole("MaximumFractionalValue") if kind == "FRACTIONAL" else 1,
        tuple(frame.T for frame in frames),
        tuple(planes),
        tuple(numbers),
        header.text("FrameOfReferenceUID"),
        tuple(sorted(series - {""})),
        str(path),
    )


def _segment(item: Header) -> Segment:
    code = item.item("SegmentedPropertyTypeCodeSequence")
    value = (
        (code.text("CodeValue"), code.text("CodingSchemeDesignator"), code.text("CodeMeaning")) if code else ("",) * 3
    )
    number = item.whole("SegmentNumber")
    return Segment(number, item.text("SegmentLabel") or f"segment {number}", value, item.text("SegmentAlgorithmType"))  # type: ignore[arg-type]


def _frame_segments(header: Header) -> list[int]:
    numbers = []
    shared = header.item("SharedFunctionalGroupsSequence")
    common = shared.item("SegmentIdentificationSequence") if shared else None
    for frame in header.items("PerFrameFunctionalGroupsSequence"):
        identification = frame.item("SegmentIdentificationSequence") or common
        if identification is None:
            raise TumorboardError(
                codes.SEG_FORM, frame.where, found="a frame without segment number", expected="one for every frame"
            )
        numbers.append(identification.whole("ReferencedSegmentNumber"))
    return numbers


def _bits(header: Header) -> tuple[NDArray[np.uint8], ...]:
    """Frames of a one-bit image: packed without gaps, so that frames need not begin at a byte (PS3.5 8.1.1)."""
    rows, columns = header.whole("Rows"), header.whole("Columns")
    count = header.whole("NumberOfFrames", default=1)
    bits = rows * columns * count
    if rows * columns > MAX_FRAME_PIXELS or bits > MAX_BYTES:
        raise TumorboardError(
            codes.TOO_LARGE, header.where, found=f"{bits:,} voxels", expected=f"at most {MAX_BYTES:,}"
        )
    if transfer_syntax(header).is_compressed:
        raise TumorboardError(
            codes.TRANSFER_SYNTAX, header.where, found="compressed one-bit frames", expected="uncompressed ones"
        )
    size = (bits + 7) // 8
    data = pixel_bytes(header) if "PixelData" in header.dataset else b""
    if len(data) not in (size, size + size % 2):
        raise TumorboardError(
            codes.PIXELS_SIZE,
            header.where,
            found=f"{len(data):,} bytes of pixel data",
            expected=f"{size:,} ({count} x {rows} x {columns} bits)",
        )
    flat = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little", count=bits)
    return tuple(flat.reshape(count, rows, columns))


def segment_mask(
    stored: SegmentationFile, segment: Segment, geometry: Geometry, *, threshold: float | None = None
) -> NDArray[np.bool_]:
    """Mask of one segment on a grid; slices without a frame are empty.

    `threshold` (0 to 1) turns a fractional segmentation into a mask; SEG102 without it. SEG103 when a frame is not on
    the grid: other pixels, orientation or spacing, or between its slices.
    """
    if stored.kind == "FRACTIONAL" and threshold is None:
        raise TumorboardError(
            codes.SEG_FRACTIONAL, stored.where, found="fractional values", expected="a threshold, or a binary mask"
        )
    mask = np.zeros(geometry.shape, bool, order="F")
    placed: dict[int, int] = {}
    for index, (frame, plane, number) in enumerate(
        zip(stored.frames, stored.planes, stored.frame_segments, strict=True)
    ):
        if number not in (0, segment.number):
            continue
        k = slice_of(plane, geometry, stored.where)
        if placed.setdefault(k, index) != index:
            raise TumorboardError(
                codes.SEG_FORM, stored.where, found=f"two frames of {segment.label!r} in slice {k}", expected="one"
            )
        if stored.kind == "LABELMAP":
            mask[:, :, k] = frame == segment.number
        elif stored.kind == "FRACTIONAL":
            mask[:, :, k] = frame >= float(threshold or 0) * stored.largest if threshold else frame > 0
        else:
            mask[:, :, k] = frame != 0
    return mask


def slice_of(plane: Plane, geometry: Geometry, where: str) -> int:
    """Index of the grid's slice that a plane is: same pixels at the same places within 0.1 mm; SEG103 otherwise."""
    columns, rows = plane.shape
    across = plane.row_direction * plane.spacing_mm[0] * (columns - 1)
    down = plane.column_direction * plane.spacing_mm[1] * (rows - 1)
    corners = np.array([plane.position_mm, plane.position_mm + across, plane.position_mm + down]) * (-1.0, -1.0, 1.0)
    index = geometry.to_index(corners)
    k = round(float(index[0, 2]))
    expected = np.array([[0, 0, k], [columns - 1, 0, k], [0, rows - 1, k]], float)
    off_mm = np.abs((index - expected) * geometry.spacing_mm).max()
    if plane.shape != geometry.shape[:2] or not 0 <= k < geometry.shape[2] or off_mm > _PLACE_TOLERANCE_MM:
        raise TumorboardError(
            codes.SEG_GRID,
            where,
            found=f"a frame of {columns} x {rows} pixels {off_mm:.2f} mm off slice {k}",
            expected=f"a slice of {geometry}",
        )
    return k


def read_segment_labels(
    path: Path,
    *,
    unit: Unit,
    shape: Sequence[int],
    affine: Sequence[float],
    segments: Mapping[str, int],
    threshold: float | None = None,
    overlap: Literal["error", "last"] = "error",
) -> Volume:
    """Segments of a DICOM SEG file as one label map: the loader behind the images table.

    `segments` maps the voxel value (as text) to the segment's number; other parameters as in `segment_mask` and
    `rtstruct.read_structure_labels`. Errors: those of `read_segmentation`, `segment_mask` and `labels.label_map`.
    """
    geometry = Geometry(tuple(shape), np.asarray(affine, float).reshape(4, 4))  # type: ignore[arg-type]
    stored = read_segmentation(Path(path))
    by_number = {segment.number: segment for segment in stored.segments}
    masks = {}
    for value, number in segments.items():
        if number not in by_number:
            raise TumorboardError(
                codes.RT_STRUCTURE, path, found=f"no segment {number}", expected=f"one of {sorted(by_number)}"
            )
        masks[int(value)] = segment_mask(stored, by_number[number], geometry, threshold=threshold)
    return label_map(masks, geometry, unit=unit, overlap=overlap, where=str(path))


def own_geometry(stored: SegmentationFile, *, slice_step_mm: float | None = None) -> Geometry:
    """The grid that a segmentation spans by itself, where its source image is not at hand: from its first to its last
    frame. DCM121 and its like when the frames do not form a stack."""
    from tumorboard.io.dicom.slices import sort_planes, stack_geometry

    seen: dict[float, Plane] = {}
    normal = stored.planes[0].normal
    for plane in stored.planes:
        seen.setdefault(round(float(plane.position_mm @ normal), 3), plane)
    ordered = sort_planes(list(seen.values()), stored.where)
    return stack_geometry(ordered, stored.where, slice_step_mm=slice_step_mm)


def source_uids(header: Header) -> set[str]:
    """Instances that the frames were derived from."""
    chain = ("PerFrameFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence")
    return {item.text("ReferencedSOPInstanceUID") for item in walk_items(header, *chain)} - {""}
