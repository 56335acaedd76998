"""Mask -> DICOM segmentation on its source series."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.identifiers import STUDY_KEYWORDS, copy_patient_and_study, made_uid
from tumorboard.io.dicom.save import save_dataset
from tumorboard.io.dicom.series import Series
from tumorboard.io.dicom.terms import Term, term_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["require_labels", "require_source_grid", "write_segmentation"]


def write_segmentation(
    mask: Volume,
    path: Path,
    *,
    source: Series,
    labels: Mapping[int, str],
    series_description: str = "Segmentation",
    manual: bool = False,
    algorithm: str = "tumorboard",
    series_number: int = 900,
) -> None:
    """Write a label map as a BINARY DICOM SEG, one segment per value, readable back bit by bit.

    Parameters
    ----------
    mask : whole numbers on the grid of `source`.
    source : the series it was made on, arranged from its headers.
    labels : value -> structure; every value in the mask needs one (SEG105). Values without voxels become segments too.
    manual : drawn by people; otherwise by `algorithm`.

    Errors: SEG103 another grid than the source's, SEG105, UNT101.
    """
    from highdicom.seg import Segmentation
    from highdicom.seg.enum import SegmentationTypeValues

    from tumorboard import __version__

    require_source_grid(mask, source, str(path))
    names = require_labels(mask, labels, str(path))
    uid = made_uid("SEG", source.first.text("SeriesInstanceUID"), series_description, algorithm, _digest(mask), names)
    frames = np.stack([_frames(mask, value) for value in names], axis=-1)
    dataset = Segmentation(
        source_images=_source_images(source),
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(number, name, manual=manual, algorithm=algorithm, version=__version__)
            for number, name in enumerate(names.values(), 1)
        ],
        series_instance_uid=made_uid(uid, "series"),
        series_number=series_number,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer="Tumorboard",
        manufacturer_model_name="Tumorboard",
        software_versions=__version__,
        device_serial_number="0",
        series_description=series_description[:64],
        content_label="SEGMENTATION",
        content_description=series_description[:64],
        omit_empty_frames=bool(frames.any()),
    )
    copy_patient_and_study(source.first, dataset)
    _set_clock(dataset, source)
    _set_organization(dataset)
    save_dataset(dataset, path)


def require_source_grid(mask: Volume, source: Series, where: str) -> None:
    """SEG103 unless the mask lies on the grid of the series; UNT101 unless it holds labels."""
    mask.require(Unit.LABEL, where=where)
    if not mask.geometry.same_grid(source.geometry, tolerance_mm=0.01):
        raise TumorboardError(
            codes.SEG_GRID, where, found=f"a mask on {mask.geometry}", expected=f"the series' {source.geometry}"
        )


def require_labels(mask: Volume, labels: Mapping[int, str], where: str) -> dict[int, str]:
    """The labels in the order of their values. SEG105 when a value in the mask has none, or nothing is labelled."""
    unnamed = sorted(set(np.unique(mask.array).tolist()) - {0} - set(labels))
    if unnamed or not labels:
        raise TumorboardError(
            codes.LABEL_TERM, where, found=f"values {unnamed[:5]} without a label", expected="a label for each"
        )
    return {int(value): labels[value] for value in sorted(labels)}


def _frames(mask: Volume, value: int) -> NDArray[np.bool_]:
    """(slices, rows, columns), as DICOM frames are."""
    return np.ascontiguousarray((mask.array == value).transpose(2, 1, 0))


def _digest(mask: Volume) -> str:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(mask.array).tobytes()).hexdigest()


def _source_images(source: Series) -> list[Dataset]:
    """The datasets in spatial order (an enhanced multi-frame object stands alone), without patient and study:
    those are copied afterwards as they are, where highdicom warns about every name of one component."""
    planes = source.planes[:1] if len(source.headers) == 1 else source.planes
    datasets = []
    for plane in planes:
        original = source.header_of(plane).dataset
        dataset = Dataset()
        dataset.update(original)
        dataset.file_meta = original.file_meta
        for keyword in STUDY_KEYWORDS:  # new elements: assigning would change those of the source
            dataset.pop(keyword, None)
            setattr(dataset, keyword, "")
        datasets.append(dataset)
    return datasets


def _description(number: int, name: str, *, manual: bool, algorithm: str, version: str) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.seg.enum import SegmentAlgorithmTypeValues
    from pydicom.sr.coding import Code

    term: Term = term_for(name)
    made = None
    if not manual:
        made = AlgorithmIdentificationSequence(
            name=algorithm[:64], version=version, family=Code("123110", "DCM", "Artificial Intelligence")
        )
    described = SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=Code(*term.category),
        segmented_property_type=Code(*term.type),
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL if manual else SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=made,
        anatomic_regions=[Code(*term.region)] if term.region else None,
    )
    red, green, blue = term.colour
    described.RecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(red, green, blue).value)
    return described


def _set_clock(dataset: Any, source: Series) -> None:
    """Dates of the source's study instead of today's: the same input gives the same file."""
    date = source.first.text("StudyDate") or "19000101"
    time = source.first.text("StudyTime") or "000000"
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        setattr(dataset, keyword, date)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        setattr(dataset, keyword, time)
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = f"{date}{time}"


def _set_organization(dataset: Any) -> None:
    """The identifier of the frames' organization, which highdicom draws at random, from that of the object."""
    uid = made_uid(dataset.SOPInstanceUID, "organization")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
