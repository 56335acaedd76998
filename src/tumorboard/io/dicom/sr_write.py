"""Boxes and statements -> a DICOM structured report of template 1500 (measurement groups with image regions,
finding sites with laterality, qualitative evaluations)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.identifiers import STUDY_KEYWORDS, copy_patient_and_study, made_uid
from tumorboard.io.dicom.image_write import StudyIdentity, study_attributes
from tumorboard.io.dicom.save import save_dataset
from tumorboard.io.dicom.sr_terms import CHANGE, SEVERITY, location_term, presence_term, private_term, severity_term

if TYPE_CHECKING:
    from highdicom.sr import MeasurementReport

__all__ = ["Evidence", "SrGroup", "made_evidence", "write_report"]

_PROCEDURE = ("18748-4", "LN", "Diagnostic imaging study")
_XRAY_CLASS = "1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray Image Storage - For Presentation


@dataclass(frozen=True)
class Evidence:
    """An image that a report refers to, by the header of its DICOM object (without pixels)."""

    image_id: str
    header: Header

    @property
    def uid(self) -> str:
        return self.header.required("SOPInstanceUID")


@dataclass(frozen=True)
class SrGroup:
    """One measurement group: a box, or a statement about one or more locations, on an image or on none.

    `box` x1, y1, x2, y2 in source pixels; `label` empty for a box that nothing is said of; `cues` (kind, word).
    """

    identifier: str
    locations: tuple[str, ...]
    image: Evidence | None = None
    box: Sequence[float] | None = None
    label: str = ""
    category: str = ""
    polarity: str = "yes"
    comparison: str | None = None
    severity: str | None = None
    cues: tuple[tuple[str, str], ...] = field(default=())


def made_evidence(image_id: str, study: StudyIdentity) -> Evidence:
    """The header that stands for an image which did not come from DICOM: identifiers follow from its id."""
    dataset = study_attributes(study, image_id)
    dataset.SOPClassUID = _XRAY_CLASS
    dataset.SOPInstanceUID = made_uid("image", study.patient_id, study.exam_id, image_id)
    dataset.SeriesInstanceUID = made_uid("series", study.patient_id, study.exam_id, image_id)
    dataset.StudyInstanceUID = study.study_uid
    dataset.StudyID = ""
    dataset.Modality = "DX"
    dataset.Rows = dataset.Columns = 1
    return Evidence(image_id, Header(dataset, image_id))


def write_report(
    groups: Sequence[SrGroup],
    path: Path,
    *,
    evidence: Sequence[Evidence],
    by_people: bool,
    algorithm: str,
    description: str,
) -> str:
    """Write a Comprehensive SR and return its UID; the same input gives the same file.

    Parameters
    ----------
    evidence : the images of the exam, at least one; patient and study are taken from the first.
    by_people : the observer is a reader; otherwise the program `algorithm`.
    """
    from highdicom.sr import ComprehensiveSR

    from tumorboard import __version__

    first = evidence[0].header
    uid = made_uid("SR", first.required("StudyInstanceUID"), description, algorithm, *(e.uid for e in evidence))
    report = ComprehensiveSR(
        evidence=[_anonymous(e.header.dataset) for e in evidence],
        content=_content(groups, by_people=by_people, algorithm=algorithm, uid=uid)[0],
        series_instance_uid=made_uid(uid, "series"),
        series_number=950,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer="Tumorboard",
        is_complete=True,
        is_final=False,
        series_description=description[:64],
        manufacturer_model_name="Tumorboard",
        software_versions=__version__,
        device_serial_number="0",
    )
    copy_patient_and_study(first, report)
    date, time = first.text("StudyDate") or "19000101", first.text("StudyTime") or "000000"
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        setattr(report, keyword, date)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        setattr(report, keyword, time)
    for equipment in report.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = f"{date}{time}"
    save_dataset(report, path)
    return str(uid)


def _anonymous(original: Dataset) -> Dataset:
    """The header without patient and study, which are copied afterwards as they are: highdicom warns about every
    name of one component."""
    dataset = Dataset()
    dataset.update(original)
    for keyword in STUDY_KEYWORDS:
        dataset.pop(keyword, None)
        setattr(dataset, keyword, "")
    return dataset


def _content(groups: Sequence[SrGroup], *, by_people: bool, algorithm: str, uid: str) -> MeasurementReport:
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
        PersonObserverIdentifyingAttributes,
    )
    from pydicom.sr.codedict import codes

    if by_people:
        observer = ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes(name="Reader^"))
        context = ObservationContext(observer_person_context=observer)
    else:
        attributes = DeviceObserverIdentifyingAttributes(uid=made_uid("observer", algorithm), name=algorithm[:64])
        context = ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, attributes))
    return MeasurementReport(
        observation_context=context,
        procedure_reported=_code(_PROCEDURE),
        imaging_measurements=[_group(group, uid) for group in groups],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _code(term: tuple[str, str, str]) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(*term)


def _group(group: SrGroup, uid: str) -> Any:
    from highdicom.sr import (
        FindingSite,
        ImageRegion,
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        SourceImageForRegion,
        TrackingIdentifier,
    )

    terms = [location_term(location) for location in group.locations]
    common: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(made_uid(uid, group.identifier), group.identifier),
        "finding_sites": [FindingSite(_code(site), _code(side) if side else None) for site, side in terms] or None,
        "finding_type": _code(private_term(group.label)) if group.label else None,
        "finding_category": _code(private_term(group.category)) if group.category else None,
    }
    said = []
    if group.label:
        said.append((private_term(group.label), presence_term(group.polarity)))
    if group.comparison:
        said.append((CHANGE, private_term(group.comparison)))
    if group.severity:
        said.append((SEVERITY, severity_term(group.severity)))
    said += [(private_term(kind), private_term(word)) for kind, word in group.cues]
    common["qualitative_evaluations"] = [QualitativeEvaluation(_code(n), _code(v)) for n, v in said] or None
    if group.box is None or group.image is None:
        return MeasurementsAndQualitativeEvaluations(**common)
    x1, y1, x2, y2 = group.box
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]], float)
    header = group.image.header
    source = SourceImageForRegion(header.required("SOPClassUID"), header.required("SOPInstanceUID"))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=ImageRegion("POLYLINE", corners, source), **common
    )
