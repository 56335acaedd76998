"""Mask -> RT structure set on its source series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage

from tumorboard.core.volume import Volume
from tumorboard.io.dicom.contours import join_with_keyholes, trace_mask
from tumorboard.io.dicom.identifiers import copy_patient_and_study, made_uid
from tumorboard.io.dicom.save import save_dataset
from tumorboard.io.dicom.seg_write import require_labels, require_source_grid
from tumorboard.io.dicom.series import Series
from tumorboard.io.dicom.slices import Plane
from tumorboard.io.dicom.terms import Code, term_for

__all__ = ["write_structures"]

_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"


def write_structures(
    mask: Volume,
    path: Path,
    *,
    source: Series,
    labels: Mapping[int, str],
    label: str = "Tumorboard",
    holes: Literal["keyhole", "separate"] = "keyhole",
    manual: bool = False,
    algorithm: str = "tumorboard",
    series_number: int = 901,
) -> None:
    """Write a label map as an RTSTRUCT, one structure per value; filled again on the source's grid it is the same mask.

    Parameters
    ----------
    mask : whole numbers on the grid of `source`.
    source : the series it was made on, arranged from its headers.
    labels : value -> structure; every value in the mask needs one (SEG105).
    holes : ``keyhole`` joins holes to the outline by channels of no width; ``separate`` writes them as
        contours of their own, which readers combine by exclusive or.

    Errors: SEG103 another grid than the source's, SEG105, UNT101.
    """
    require_source_grid(mask, source, str(path))
    names = require_labels(mask, labels, str(path))
    uid = made_uid("RTSTRUCT", source.first.text("SeriesInstanceUID"), label, algorithm, names, mask.array.tobytes())
    dataset = _head(source, uid, label, series_number)
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(source)]
    regions, contours, observations = [], [], []
    for number, (value, name) in enumerate(names.items(), 1):
        drawn = _contours(mask, value, source, holes)
        regions.append(_region(number, name, source, "MANUAL" if manual else "AUTOMATIC", algorithm))
        contours.append(_roi_contour(number, name, drawn))
        observations.append(_observation(number, name))
    dataset.StructureSetROISequence = regions
    dataset.ROIContourSequence = contours
    dataset.RTROIObservationsSequence = observations
    save_dataset(dataset, path)


def _head(source: Series, uid: str, label: str, series_number: int) -> Dataset:
    from tumorboard import __version__

    dataset = Dataset()
    copy_patient_and_study(source.first, dataset)
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = uid
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = made_uid(uid, "series")
    dataset.SeriesNumber = series_number
    dataset.SeriesDescription = label[:64]
    dataset.OperatorsName = ""
    dataset.Manufacturer = "Tumorboard"
    dataset.ManufacturerModelName = "Tumorboard"
    dataset.SoftwareVersions = __version__
    dataset.FrameOfReferenceUID = source.first.required("FrameOfReferenceUID")
    dataset.PositionReferenceIndicator = source.first.text("PositionReferenceIndicator")
    dataset.StructureSetLabel = label[:16]
    dataset.StructureSetDate = source.first.text("StudyDate") or "19000101"
    dataset.StructureSetTime = source.first.text("StudyTime") or "000000"
    dataset.InstanceNumber = 1
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _frame_of_reference(source: Series) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = source.first.required("SeriesInstanceUID")
    series.ContourImageSequence = [_reference(source, plane) for plane in source.planes]
    study = Dataset()
    study.ReferencedSOPClassUID = _DETACHED_STUDY
    study.ReferencedSOPInstanceUID = source.first.required("StudyInstanceUID")
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = source.first.required("FrameOfReferenceUID")
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(source: Series, plane: Plane) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.header_of(plane).required("SOPClassUID")
    item.ReferencedSOPInstanceUID = plane.sop_uid
    if len(source.headers) < len(source.planes):
        item.ReferencedFrameNumber = plane.frame + 1
    return item


def _contours(mask: Volume, value: int, source: Series, holes: str) -> list[Dataset]:
    items = []
    inside = mask.array == value
    for k in np.flatnonzero(inside.any(axis=(0, 1))).tolist():
        outlines, cavities = trace_mask(inside[:, :, k])
        for outline, inner in zip(outlines, cavities, strict=True):
            loops = [join_with_keyholes(outline, inner)] if holes == "keyhole" else [outline, *inner]
            items += [_contour(loop, k, mask, _reference(source, source.planes[k])) for loop in loops]
    for number, item in enumerate(items, 1):
        item.ContourNumber = number
    return items


def _contour(loop: NDArray[np.float64], k: int, mask: Volume, reference: Dataset) -> Dataset:
    index = np.column_stack([loop, np.full(len(loop), float(k))])
    points = mask.geometry.to_world(index) * (-1.0, -1.0, 1.0)
    item = Dataset()
    item.ContourImageSequence = [reference]
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourData = [_decimal(value) for value in points.ravel().tolist()]
    return item


def _decimal(value: float) -> str:
    """At most 16 characters, to a ten-thousandth of a millimetre."""
    return f"{value:.4f}"[:16]


def _region(number: int, name: str, source: Series, made: str, algorithm: str) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = source.first.required("FrameOfReferenceUID")
    item.ROIName = name[:64]
    item.ROIGenerationAlgorithm = made
    if made == "AUTOMATIC":
        item.ROIGenerationDescription = algorithm[:64]
    return item


def _roi_contour(number: int, name: str, drawn: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    item.ROIDisplayColor = list(term_for(name).colour)
    item.ReferencedROINumber = number
    if drawn:
        item.ContourSequence = list(drawn)
    return item


def _observation(number: int, name: str) -> Dataset:
    term = term_for(name)
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = number
    item.ROIObservationLabel = name[:16]
    item.RTROIInterpretedType = term.interpreted_type
    item.ROIInterpreter = ""
    item.RTROIIdentificationCodeSequence = [_code(term.target or term.type)]
    return item


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item
